# SPDX-License-Identifier: GPL-2.0-only
"""Whether memory grows with what is followed: ``tcpio replay --follow`` of a file that grows, to ``/dev/null``."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.memory import read_status
from tests.bench.recordings import BATCH, make_batches, make_format
from tests.bench.tables import show
from tests.bench.usage import read_fdinfo
from tests.live.namespaces import wait_until
from tests.live.programs import TCPIO, Program

_FORMATS = ("arrow", "text", "jsonl")
_SHARES = 4  # of the file; memory is looked at when each has been read


def measure(records: int) -> None:
    """Print the most resident memory when so much of the file was there and had been read."""
    batches = max(records // BATCH // _SHARES, 1)
    with TemporaryDirectory(prefix="tcpio-bench-") as folder:
        rows = [[name, *(f"{size / 1e6:.0f}" for size in _measure(Path(folder), name, batches))] for name in _FORMATS]
    heads = ["format", *(f"{share * batches * BATCH / 1e6:.1f} million" for share in range(1, _SHARES + 1))]
    show("The most memory of replay --follow until then, MB, by segments in the file", heads, rows)


def _measure(folder: Path, name: str, batches: int) -> Iterator[int]:
    path = folder / f"trace.{name}"
    made = make_format(name)
    with path.open("wb", buffering=0) as file:
        file.write(made.header())
        given = make_batches(batches * _SHARES)
        for batch in given:  # of which the first tells what it is
            file.writelines(chunk.data for chunk in made.chunks(batch))
            break
        command = [*TCPIO, "replay", "--follow", str(path), "-t"]
        with Program(command, folder / "said", stdout=subprocess.DEVNULL) as follower:
            pid = follower.process.pid
            for number, batch in enumerate(given, 2):
                file.writelines(chunk.data for chunk in made.chunks(batch))
                if not number % batches:
                    wait_until(lambda: file.tell() in {info["pos"] for info in read_fdinfo(pid)}, "all to be read")
                    yield read_status(pid, "VmHWM")
