# SPDX-License-Identifier: GPL-2.0-only
"""Whether memory grows: resident memory of tcpio to /dev/null, while 500-byte segments pass for minutes."""

import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tests.bench.tables import show, spread
from tests.bench.traffic import Load, place, pouring
from tests.live.namespaces import Namespace
from tests.live.programs import READY, TCPIO, Program, read_counts

SECONDS = 600
_LOAD = Load("500 bytes a segment", ("-M", "512"), has_super_segments=False)  # 12 of these are options
_PIECES = 10  # tenths
_SETTLED = 0.1  # of the time, until which it may grow
_FORMATS: dict[str, Sequence[str]] = {
    "text": (),
    "text -t, more columns": ("-t", "-o", "+segs,seq,ack,win,rtx,state,netns"),
}


def measure(seconds: int) -> None:
    """Print how resident memory goes, for some time with each format."""
    rows = []
    with place(_LOAD) as namespace, TemporaryDirectory(prefix="tcpio-bench-") as name:
        for format_, options in _FORMATS.items():
            rows.append([format_, *_measure(options, namespace, Path(name), seconds)])
    heads = ["", "at first, MB", "at the end, MB", "MB a minute", "million segments", "lost %", "samples, MB"]
    title = f"memory, {_LOAD.name}, {seconds} s each; by the least in each tenth"
    show(title, heads, rows)


def _measure(options: Sequence[str], namespace: Namespace, folder: Path, seconds: int) -> list[str]:
    command = [*TCPIO, "--netns", namespace.name, "--attach", "tracepoint", *options]
    with Program(command, folder / "stderr", stdout=subprocess.DEVNULL) as program:
        program.wait_for(READY)
        with pouring(namespace, _LOAD, seconds):
            samples = list(_samples(program.process.pid, seconds))
        program.stop()
        counts = read_counts(program.said)
    settled = np.array(samples)[int(len(samples) * _SETTLED) :]
    sizes = settled[:, 1]
    # What a round takes comes and goes; what stays would lift the least of each piece of the time.
    least = np.array([piece[np.argmin(piece[:, 1])] for piece in np.array_split(settled, min(_PIECES, len(settled)))])
    slope = float(np.polyfit(least[:, 0], least[:, 1], 1)[0]) * 60
    seen = counts["printed"] + counts["lost"]
    return [
        spread([sizes[0] / 1e6], 1),
        spread([sizes[-1] / 1e6], 1),
        spread([slope / 1e6], 3),
        spread([seen / 1e6], 1),
        spread([100 * counts["lost"] / max(seen, 1)]),
        spread([size / 1e6 for size in sizes], 1),
    ]


def _samples(pid: int, seconds: int) -> Iterator[tuple[float, int]]:
    # Seconds, and bytes, with the rings, which are mapped.
    began_s = now_s = time.monotonic()
    while now_s < began_s + seconds:
        time.sleep(1)
        now_s = time.monotonic()
        yield now_s - began_s, read_status(pid, "VmRSS")


def read_status(pid: int, name: str) -> int:
    """Read a size of a process, in bytes: VmRSS, or VmHWM, the most there was (proc(5))."""
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith(f"{name}:"))
