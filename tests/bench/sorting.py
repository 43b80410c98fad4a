# SPDX-License-Identifier: GPL-2.0-only
"""``tcpio sort`` beside GNU sort, on the same file."""

import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.recording import make_text
from tests.bench.tables import show, spread
from tests.live.programs import CHECKOUT

_LINES = 3_000_000
_DISORDERS = {"in any order": None, "0.1 s out of order": 0.1}
_TCPIO = (sys.executable, "-m", "tcpio", "sort")
_GNU = ("env", "LC_ALL=C", "sort")
_SORTS = {
    "`tcpio sort`": _TCPIO,
    "`tcpio sort --window 1`": (*_TCPIO, "--window", "1"),
    "`LC_ALL=C sort`": _GNU,
    "`LC_ALL=C sort -S 128M`": (*_GNU, "-S", "128M"),
}
_NEARLY = "--window"  # is only for what is nearly in order


@dataclass(frozen=True)
class Run:
    """A sort of a file, once.

    Args:
        wall_s: From exec to the end.
        cpu_s: User and system time.
        peak_mb: Most resident memory, in 10**6 bytes.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float


def measure(rounds: int) -> None:
    """Print what sorting takes."""
    with TemporaryDirectory(prefix="tcpio-bench-") as folder:
        path = Path(folder) / "trace.txt"
        for name, disorder_s in _DISORDERS.items():
            with path.open("wb") as file:
                file.writelines(make_text(_LINES, disorder_s))
            sorts = {key: command for key, command in _SORTS.items() if disorder_s or _NEARLY not in command}
            _show(name, path.stat().st_size, _measure(sorts, path, rounds))


def _measure(sorts: Mapping[str, Sequence[str]], path: Path, rounds: int) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = defaultdict(list)
    for _ in range(rounds):
        for name, command in sorts.items():
            runs[name].append(_run([*command, str(path)], path.parent))
    return runs


def _run(command: Sequence[str], folder: Path) -> Run:
    before = time.monotonic()
    environment = {**os.environ, "TMPDIR": str(folder)}
    with (folder / "sorted.txt").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, cwd=CHECKOUT, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} ended with status {process.returncode}")
    return Run(time.monotonic() - before, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6)


def _show(name: str, size: int, runs: dict[str, list[Run]]) -> None:
    rows = [
        [
            sort,
            spread([run.wall_s for run in of], 1),
            spread([run.cpu_s for run in of], 1),
            spread([run.cpu_s / _LINES * 1e6 for run in of]),
            spread([run.peak_mb for run in of], 0),
        ]
        for sort, of in runs.items()
    ]
    title = f"sort: {_LINES / 1e6:.0f} million lines, {size / 1e6:.0f} MB, {name}, to a file"
    show(title, ["", "s", "CPU s", "CPU us/line", "peak MB"], rows)
