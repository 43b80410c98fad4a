# SPDX-License-Identifier: GPL-2.0-only
"""A reader that cannot keep up: traffic does not wait for it, its memory is bounded, and all is accounted for."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcpio.schema.batch import Counted, Overload, parse_mark
from tcpio.schema.flags import FLAGS
from tcpio.schema.record import RECORD
from tests.live.harness import all_of, leaving_nothing, make_bulk, make_segments, tracing
from tests.live.namespaces import wait_until
from tests.live.overload import Made, losses, read_peak, reading, stalled, stopped, without
from tests.live.plain_traffic import pinned
from tests.live.programs import Program, read_counts
from tests.live.recorder import capturing, mark_the_end
from tests.live.segments import RECEIVE, read_capture, read_output
from tests.live.topologies import Network
from tests.live.witness import make_witnessed

_RING = 4 << 10
_RINGS = ("-B", str(_RING))
_BULK = 64 << 20
_OVER = "tcpio: overload is over"
_COPIES = 16
"""Of a round's records, that may be there at once: as perf has them, sorted, held back, as characters, as text."""
_SPARE = 8 << 20
"""For what a reader takes when it reads for the first time."""


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with leaving_nothing():
        yield


def _most_memory(before: int) -> int:
    return before + _SPARE + _COPIES * _RING * (os.cpu_count() or 1)


def _check_memory(program: Program, before: int, count: int) -> None:
    # What has passed must not fit in what is allowed, or nothing would be shown.
    allowed = _most_memory(before)
    assert count * RECORD.itemsize > allowed - before
    assert read_peak(program) < allowed


def _check_sum(made: Made) -> None:
    output, counts = made.output, read_counts(made.said)
    assert counts["lost"] > 0
    assert all_of(made.said) == made.counted
    assert len(output.segments) == counts["printed"]
    assert sum(lost for _, lost in losses(output)) == counts["lost"]


def _count_missing(path: Path) -> int:
    return len(losses(read_output(path.read_text().rpartition("\n")[0], ())))


def _make_until_marked(network: Network, path: Path) -> int:
    # The kernel tells of a loss with what comes next.
    marks, counts = _count_missing(path), [0]

    def is_marked() -> bool:
        counts.append(make_segments(network, 3))
        return _count_missing(path) > marks

    wait_until(is_marked, "a mark")
    return sum(counts)


def _stop_the_reader(network: Network, folder: Path) -> Made:
    path = folder / "output.txt"
    with tracing(network, folder, *_RINGS, "-w", str(path)) as program:
        before = read_peak(program)
        with stopped(program):
            count = make_bulk(network, _BULK)
        count += _make_until_marked(network, path)
        _check_memory(program, before, count)
        assert program.stop() == 0
    return Made(path.read_text(), program.said, count)


def test_a_stopped_reader_holds_up_nothing_and_keeps_nothing(network: Network, tmp_path: Path) -> None:
    made, _ = make_witnessed(lambda: _stop_the_reader(network, tmp_path), Made.lacks)
    _check_sum(made)


@pytest.mark.parametrize("answer", ["lines", "summary"])
def test_what_a_stopped_reader_missed_is_marked_at_its_place(network: Network, tmp_path: Path, answer: str) -> None:
    # On one CPU and in one direction, the capture tells which line must follow which.
    path = tmp_path / "output.txt"
    options = (*_RINGS, "--dir", "receive", "--on-overload", answer, "-w", str(path))
    with (
        pinned(max(os.sched_getaffinity(0))),
        capturing(network.client, "client", tmp_path) as capture,
        tracing(network, tmp_path, *options) as program,
    ):
        make_segments(network, 3)
        for _ in range(2):
            with stopped(program):
                make_segments(network, 101)
            _make_until_marked(network, path)
        assert program.stop() == 0
        mark_the_end(network, [tmp_path / "client.pcap"])
        capture.stop()
    captured = read_capture(tmp_path / "client.pcap", ["127.0.0.1"], is_loopback=True)
    received = [segment.key for segment in captured if segment.key.dir == RECEIVE]
    output = read_output(path.read_text(), ())
    printed = [segment.key for segment in output.segments]

    assert len(losses(output)) >= 2
    assert without(losses(output), received, len(printed)) == printed


def _read_slowly(network: Network, folder: Path) -> Made:
    # A page is read while megabytes pass: slower than any traffic, whatever the machine.
    path, pieces = folder / "output.txt", 8
    with stalled(network, folder, *_RINGS) as (program, read_end):
        before = read_peak(program)
        count = 0
        with path.open("wb") as file:
            for _ in range(pieces):
                count += make_bulk(network, _BULK // pieces)
                file.write(os.read(read_end, 4096))
        _check_memory(program, before, count)
        program.send(signal.SIGINT)
        with reading(read_end, path):
            assert program.wait() == 0
    return Made(path.read_text(), program.said, count)


def test_a_slow_pipe_holds_up_nothing_and_keeps_nothing(network: Network, tmp_path: Path) -> None:
    made, _ = make_witnessed(lambda: _read_slowly(network, tmp_path), Made.lacks)
    _check_sum(made)


def _fall_back(network: Network, folder: Path) -> Made:
    # To a stopped reader, twice, with lines before, between and behind, which the rings hold.
    path = folder / "output.txt"
    with tracing(network, folder, "-B", "256k", "--on-overload", "summary", "-w", str(path)) as program:
        count = make_segments(network)
        for number in range(1, 3):
            with stopped(program):
                count += make_bulk(network, _BULK // 4)
            wait_until(lambda: program.said.count(_OVER) == number, "the overload to be over")  # noqa: B023  at once
            count += make_segments(network)
        assert program.stop() == 0
    return Made(path.read_text(), program.said, count)


def test_counted_instead_of_printed_is_told_at_its_place_and_nothing_is_lost(network: Network, tmp_path: Path) -> None:
    made, _ = make_witnessed(lambda: _fall_back(network, tmp_path), Made.lacks)
    output, counts = made.output, read_counts(made.said)
    marks = [parse_mark(mark.text, 0) for mark in output.marks]

    assert [type(mark) for mark in marks] == [Overload, Counted] * 2
    assert counts["lost"] == 0
    assert all_of(made.said) == made.counted
    assert len(output.segments) == counts["printed"]
    assert sum(mark.count for mark in marks if isinstance(mark, Counted)) == counts["counted"] > 0


def test_counts_and_lines_together_have_every_flag_and_byte(network: Network, tmp_path: Path) -> None:
    path, connections, payload = tmp_path / "output.txt", 499, 13
    with stalled(network, tmp_path, *_RINGS, "--on-overload", "summary") as (program, read_end):
        make_segments(network, connections, payload)
        # It is told though the output takes no more.
        program.wait_for("tcpio: overload: segments are counted")
        with reading(read_end, path):
            program.wait_for(_OVER)
            assert program.stop() == 0
    output = read_output(path.read_text(), ())
    tallies = [
        tally
        for mark in output.marks
        if isinstance(found := parse_mark(mark.text, 0), Counted)
        for tally in (found.sent, found.received)
    ]

    assert tallies
    for flag, count in {"SYN": 4 * connections, "FIN": 4 * connections}.items():
        at = FLAGS.index(flag)
        assert count == sum(tally.flags[at] for tally in tallies) + sum(
            flag in segment.key.flags.split("|") for segment in output.segments
        )
    assert 2 * connections * payload == sum(tally.bytes for tally in tallies) + sum(
        segment.key.bytes for segment in output.segments
    )
