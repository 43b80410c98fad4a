# SPDX-License-Identifier: GPL-2.0-only
"""From exec to the ready line, and what it is spent on."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tcpio.kernel.cache import VARIABLE
from tests.bench.tables import show, spread
from tests.live.programs import CHECKOUT, READY, TCPIO

_PYTHON = str(Path(sys.executable).resolve())
"""The system's, as README starts it: in a virtual environment of it more is imported before tcpio."""

_STARTS = 10
_MOST_MODULES = 12
_TRACE = ("--attach", "tracepoint", "--netns", "self", "--no-header", "--timeout", "0.001")
_IMPORT = re.compile(r"import time:\s*(\d+) \|\s*(\d+) \| (\s*)(\S+)")


def measure() -> None:
    """Print how long tcpio takes to begin."""
    with TemporaryDirectory(prefix="tcpio-bench-") as name:
        # As users have it, who compile each Python module once, but with nothing left in the checkout.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        folder = Path(name)
        _measure({**environment, "PYTHONPYCACHEPREFIX": str(folder / "pycache"), VARIABLE: str(folder / "programs")})


def _measure(environment: dict[str, str]) -> None:
    _start(environment)  # compiles, and keeps what it compiled
    ways = {"exec to ready line": environment, "the same when nothing is kept": {**environment, VARIABLE: ""}}
    starts = {name: [_start(way) for _ in range(_STARTS)] for name, way in ways.items()}
    rows = [
        [name, spread([wall for wall, _ in of], 0), spread([cpu for _, cpu in of], 0)] for name, of in starts.items()
    ]
    show(f"start: {_STARTS} times", ["", "ms", "CPU ms until then"], rows)
    steps = [_steps(environment) for _ in range(_STARTS)]
    rows = [
        [name, spread([step[name][0] for step in steps], 1), spread([step[name][1] for step in steps], 1)]
        for name in steps[0]
    ]
    show("its steps, one after the other (tcpio does some at once)", ["step", "ms", "CPU ms"], rows)
    _show_imports(environment)


def _start(environment: dict[str, str]) -> tuple[float, float]:
    # ms from exec to the ready line: on the clock, and of CPU time.
    before = time.monotonic()
    with subprocess.Popen(
        [_PYTHON, *TCPIO[1:], *_TRACE],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        cwd=CHECKOUT,
        env=environment,
        text=True,
    ) as process:
        assert process.stderr
        said = process.stderr.readline()
        wall_s = time.monotonic() - before
        cpu_s = time.clock_gettime(~process.pid << 3 | 2)  # clock_getcpuclockid(3)
        process.stderr.read()
    if not said.startswith(READY):
        raise RuntimeError(f"tcpio did not start: {said}")
    return wall_s * 1000, cpu_s * 1000


def _steps(environment: dict[str, str]) -> dict[str, tuple[float, float]]:
    command = [_PYTHON, "-m", "tests.bench.steps"]
    before = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=CHECKOUT, env=environment)
    began_s, began_cpu_s, steps = json.loads(done.stdout)
    return {"Python itself": ((began_s - before) * 1000, began_cpu_s * 1000), **steps}


def _show_imports(environment: dict[str, str]) -> None:
    command = [_PYTHON, "-X", "importtime", *TCPIO[1:], *_TRACE]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=CHECKOUT, env=environment)
    found = [_IMPORT.match(line) for line in done.stderr.splitlines()]
    modules = [(int(match[1]), int(match[2]), match[4]) for match in found if match]
    modules.sort(reverse=True)
    rows = [[name, f"{own / 1000:.1f}", f"{total / 1000:.1f}"] for own, total, name in modules[:_MOST_MODULES]]
    own = sum(own for own, _, _ in modules) / 1000
    rows.append([f"all {len(modules)} modules", f"{own:.1f}", ""])
    show("what is imported (-X importtime, which itself takes time)", ["module", "ms", "ms with what it imports"], rows)
