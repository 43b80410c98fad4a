# SPDX-License-Identifier: GPL-2.0-only
"""A trace that is replayed while it is recorded: what is traced is what is printed, soon, and nothing twice."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.harness import leaving_nothing, make_segments, tracing
from tests.live.namespaces import wait_until
from tests.live.programs import TCPIO, Program, read_counts
from tests.live.segments import read_output
from tests.live.test_formats import formats, need
from tests.live.topologies import Network


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with leaving_nothing():
        yield


def _wait_for(path: Path, count: int) -> None:
    wait_until(lambda: len(path.read_text().splitlines()) >= count + 1, f"{count} lines and a header")


@formats
def test_what_is_traced_is_printed_while_it_is_traced(network: Network, tmp_path: Path, name: str) -> None:
    need(name)
    path, printed = tmp_path / f"trace.{name}", tmp_path / "printed"
    with tracing(network, tmp_path, "-f", name, "-w", str(path)) as recorder, printed.open("wb") as out:
        command = [*TCPIO, "replay", "--follow", str(path)]
        with Program(command, tmp_path / "said", stdout=out) as follower:
            count = 0
            for _ in range(3):
                count += make_segments(network)
                _wait_for(printed, count)
            assert recorder.stop() == 0
            assert follower.stop(signal.SIGTERM) == 0

    assert read_counts(follower.said)["printed"] == read_counts(recorder.said)["printed"] == count
    assert len(read_output(printed.read_text(), ()).segments) == count


def test_a_trace_is_followed_through_its_rotation(network: Network, tmp_path: Path) -> None:
    path, printed = tmp_path / "trace.csv", tmp_path / "printed"
    with (
        tracing(network, tmp_path, "-f", "csv", "-w", str(path), "--rotate-size", "20k") as recorder,
        printed.open("wb") as out,
        Program([*TCPIO, "replay", "--follow", str(path)], tmp_path / "said", stdout=out) as follower,
    ):
        count = 0
        while len(list(tmp_path.glob("trace-*.csv"))) < 2:
            count += make_segments(network, handshakes=3)
            _wait_for(printed, count)
        assert recorder.stop() == 0
        assert follower.stop() == 0

    assert "trace.csv was replaced; the new file is read" in follower.said
    assert read_counts(follower.said)["printed"] == count
    assert len(set(printed.read_text().splitlines())) > 1
