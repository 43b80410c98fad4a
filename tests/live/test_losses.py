# SPDX-License-Identifier: GPL-2.0-only
"""A reader that is too slow, forced: what is lost is counted to the unit, and marked where it is missing."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.harness import all_of, leaving_nothing, make_segments
from tests.live.namespaces import wait_until
from tests.live.overload import SMALLEST_RING, losses, reading, stalled, without
from tests.live.plain_traffic import pinned
from tests.live.programs import read_counts
from tests.live.recorder import capturing, mark_the_end
from tests.live.segments import RECEIVE, read_capture, read_output
from tests.live.topologies import Network

_HANDSHAKES = 499
"""Some thousand lines: far more than a pipe and the smallest ring hold."""


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with leaving_nothing():
        yield


def test_printed_and_lost_are_all_that_the_kernel_counted(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "output.txt"
    with stalled(network, tmp_path, *SMALLEST_RING) as (program, read_end):
        count = make_segments(network, _HANDSHAKES)
        program.send(signal.SIGINT)
        with reading(read_end, path):
            assert program.wait() == 0
    output, counts = read_output(path.read_text(), ()), read_counts(program.said)

    assert counts["lost"] > 0
    assert all_of(program.said) == count
    assert len(output.segments) == counts["printed"]
    assert sum(lost for _, lost in losses(output)) == counts["lost"]


def test_losses_are_marked_where_segments_are_missing(network: Network, tmp_path: Path) -> None:
    # On one CPU and in one direction, the capture tells which line must follow which.
    path = tmp_path / "output.txt"
    with (
        pinned(max(os.sched_getaffinity(0))),
        capturing(network.client, "client", tmp_path) as capture,
        stalled(network, tmp_path, *SMALLEST_RING, "--dir", "receive") as (program, read_end),
    ):
        make_segments(network, _HANDSHAKES)
        with reading(read_end, path):
            # The kernel tells of a loss with what comes next.
            wait_until(lambda: make_segments(network, 3) and b"\n# " in path.read_bytes(), "the first mark")
            assert program.stop() == 0
        mark_the_end(network, [tmp_path / "client.pcap"])
        capture.stop()
    captured = read_capture(tmp_path / "client.pcap", ["127.0.0.1"], is_loopback=True)
    received = [segment.key for segment in captured if segment.key.dir == RECEIVE]
    output = read_output(path.read_text(), ())

    assert output.marks
    printed = [segment.key for segment in output.segments]
    assert without(losses(output), received, len(printed)) == printed
