# SPDX-License-Identifier: GPL-2.0-only
"""Readers that are too slow, by construction and not by luck; and what tells of it in the output."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.live.harness import all_of, tracing
from tests.live.namespaces import DEADLINE_S, wait_until
from tests.live.programs import Program
from tests.live.segments import Key, Output, read_output
from tests.live.topologies import Network

SMALLEST_RING = ("-B", "4k")

_MISSING = re.compile(r"(\d+) segments? (?:lost on CPU \d+|counted, not printed: .*)")


class Made(NamedTuple):
    """A trace of much traffic.

    Args:
        text: What was printed.
        said: What was said on stderr.
        counted: Segments, by the kernel.
    """

    text: str
    said: str
    counted: int

    @property
    def output(self) -> Output:
        """The lines and marks."""
        return read_output(self.text, ())

    def lacks(self) -> bool:
        """Tell whether tcpio knows of fewer than the kernel counted."""
        return all_of(self.said) < self.counted


@contextmanager
def stalled(network: Network, folder: Path, *options: str) -> Iterator[tuple[Program, int]]:
    """Trace to a pipe that nobody reads yet, whose other end is given."""
    read_end, write_end = os.pipe()
    try:
        with tracing(network, folder, *options, stdout=write_end) as program:
            os.close(write_end)
            yield program, read_end
    finally:
        os.close(read_end)


@contextmanager
def reading(read_end: int, path: Path) -> Iterator[None]:
    """Read what comes, to the end."""
    with path.open("ab") as file, subprocess.Popen(["cat"], stdin=read_end, stdout=file) as reader:
        yield
        assert reader.wait(DEADLINE_S) == 0


@contextmanager
def stopped(program: Program) -> Iterator[None]:
    """Let a program not run."""
    program.send(signal.SIGSTOP)
    wait_until(lambda: _state(program) == "T", "the program to be stopped")
    try:
        yield
    finally:
        program.send(signal.SIGCONT)


def _state(program: Program) -> str:
    # proc(5), stat: behind the name
    return Path(f"/proc/{program.process.pid}/stat").read_text().rpartition(")")[2].split()[0]


def read_peak(program: Program) -> int:
    """Read the most memory that a program has had, in bytes: proc(5), VmHWM, which is in kB."""
    status = Path(f"/proc/{program.process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")) * 1024


def count_places(text: str) -> int:
    """Count the places where text says that segments are missing."""
    return len(_MISSING.findall(text))


def losses(output: Output) -> list[tuple[int, int]]:
    """Find behind how many segments some are missing, and how many."""
    found = [(mark.at, _MISSING.fullmatch(mark.text)) for mark in output.marks]
    return [(at, int(match[1])) for at, match in found if match]


def without(missing: list[tuple[int, int]], passed: list[Key], printed: int) -> list[Key]:
    """Leave out of what passed what is missing.

    Args:
        missing: Behind how many printed segments some are missing, and how many.
        passed: All segments, in their order.
        printed: How many segments were printed.
    """
    left: list[Key] = []
    done = 0
    for at, count in [*missing, (printed, 0)]:
        until = done + at - len(left)
        left += passed[done:until]
        done = until + count
    assert done == len(passed)
    return left
