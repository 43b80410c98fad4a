# SPDX-License-Identifier: GPL-2.0-only
"""A reader that is too slow, forced: what is lost is counted to the unit, and marked where it is missing."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live.harness import all_of, leaving_nothing, make_segments, tracing
from tests.live.namespaces import DEADLINE_S, wait_until
from tests.live.plain_traffic import pinned
from tests.live.programs import Program, read_counts
from tests.live.recorder import capturing, mark_the_end
from tests.live.segments import RECEIVE, Key, Output, read_capture, read_output
from tests.live.topologies import Network

_HANDSHAKES = 499
"""Some thousand lines: far more than a pipe and the smallest ring hold."""

_MARK = re.compile(r"(\d+) segments? lost on CPU \d+")


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with leaving_nothing():
        yield


@contextmanager
def _stalled(network: Network, folder: Path, *options: str) -> Iterator[tuple[Program, int]]:
    # tcpio with the smallest ring, which writes to a pipe that nobody reads yet: its other end is given.
    read_end, write_end = os.pipe()
    try:
        with tracing(network, folder, "-B", "4k", *options, stdout=write_end) as program:
            os.close(write_end)
            yield program, read_end
    finally:
        os.close(read_end)


@contextmanager
def _reading(read_end: int, path: Path) -> Iterator[None]:
    # Reads what comes, to the end.
    with path.open("wb") as file, subprocess.Popen(["cat"], stdin=read_end, stdout=file) as reader:
        yield
        assert reader.wait(DEADLINE_S) == 0


def _losses(output: Output) -> list[tuple[int, int]]:
    # Where, and how many.
    found = [(mark.at, _MARK.fullmatch(mark.text)) for mark in output.marks]
    return [(at, int(match[1])) for at, match in found if match]


def test_printed_and_lost_are_all_that_the_kernel_counted(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "output.txt"
    with _stalled(network, tmp_path) as (program, read_end):
        count = make_segments(network, _HANDSHAKES)
        program.send(signal.SIGINT)
        with _reading(read_end, path):
            assert program.wait() == 0
    output, counts = read_output(path.read_text(), ()), read_counts(program.said)

    assert counts["lost"] > 0
    assert all_of(program.said) == count
    assert len(output.segments) == counts["printed"]
    assert sum(lost for _, lost in _losses(output)) == counts["lost"]


def test_losses_are_marked_where_segments_are_missing(network: Network, tmp_path: Path) -> None:
    # On one CPU and in one direction, the capture tells which line must follow which.
    path = tmp_path / "output.txt"
    with (
        pinned(max(os.sched_getaffinity(0))),
        capturing(network.client, "client", tmp_path) as capture,
        _stalled(network, tmp_path, "--dir", "receive") as (program, read_end),
    ):
        make_segments(network, _HANDSHAKES)
        with _reading(read_end, path):
            # The kernel tells of a loss with what comes next.
            wait_until(lambda: make_segments(network, 3) and b"\n# " in path.read_bytes(), "the first mark")
            assert program.stop() == 0
        mark_the_end(network, [tmp_path / "client.pcap"])
        capture.stop()
    captured = read_capture(tmp_path / "client.pcap", ["127.0.0.1"], is_loopback=True)
    received = [segment.key for segment in captured if segment.key.dir == RECEIVE]
    output = read_output(path.read_text(), ())

    assert output.marks
    assert _without_lost(received, output) == [segment.key for segment in output.segments]


def _without_lost(received: list[Key], output: Output) -> list[Key]:
    # What was received, less what the marks say is missing at their places.
    left: list[Key] = []
    passed = 0
    for at, lost in [*_losses(output), (len(output.segments), 0)]:
        until = passed + at - len(left)
        left += received[passed:until]
        passed = until + lost
    assert passed == len(received)
    return left
