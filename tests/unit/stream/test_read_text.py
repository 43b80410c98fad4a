# SPDX-License-Identifier: GPL-2.0-only
"""Text that was printed, read again."""

from datetime import timezone

import numpy as np
import pytest

from tcpio.errors import RecordingError
from tcpio.output.as_text import Colors, TextFormat
from tcpio.output.times import make_time
from tcpio.schema.batch import Batch, ClockStep, Counted, Lost, Overload
from tcpio.schema.columns import DEFAULT, EVERY, find_columns
from tcpio.schema.tally import Tally
from tcpio.stream.read_text import read_text
from tests.unit.samples import any_records, make_segment
from tests.unit.stream.recordings import assert_same, opened, read, read_until_damage, write

COLORS = Colors(syn="\x1b[32m", fin="\x1b[33m", rst="\x1b[31m", mark="\x1b[1m", end="\x1b[0m")
WITH_TIME = ("time", *DEFAULT)


def make_batch(count: int = 300) -> Batch:
    records = any_records(count)
    records["thlen"] = 20
    records["ts_ns"] += np.uint64(10**18)
    first_ns, last_ns = int(records["ts_ns"][0]), int(records["ts_ns"][-1])
    marks = (
        Lost(first_ns, 3, 7),
        Overload(first_ns),
        Counted(last_ns, Tally(7, 350, (0, 3, 0, 1, 7, 0, 0, 2)), Tally(1)),
        ClockStep(last_ns, 5000, is_followed=True),
    )
    return Batch(records, marks)


@pytest.mark.parametrize("columns", [EVERY, WITH_TIME, ("ts_ns", *DEFAULT), ("time", "raddr", "dir", "lport", "laddr")])
def test_what_was_printed_is_read(columns: tuple[str, ...]) -> None:
    data = write("text", make_batch(), columns=",".join(columns))
    expected = make_batch() if columns[0] == "time" else Batch(make_batch().records)
    found = read(read_text, data)

    assert_same(found if columns[0] == "time" else Batch(found.records), expected, columns)


@pytest.mark.parametrize("time_format", ["iso", "epoch"])
def test_without_a_header_the_default_columns_are_taken(time_format: str) -> None:
    time = make_time(time_format, timezone.utc, lambda ts_ns: ts_ns.astype(np.int64), 0)
    made = TextFormat(find_columns("", with_time=True), time, colors=COLORS)
    data = b"".join(chunk.data for chunk in made.chunks(make_batch()))

    assert_same(read(read_text, data), make_batch(), WITH_TIME)


def test_without_times_segments_are_counted_and_marks_stay_at_their_place() -> None:
    data = write("text", Batch(make_segment(ts_ns=1)), columns=",".join(DEFAULT), has_header=False)
    found = read(read_text, data + b"# 5 segments lost on CPU 3\n" + data)

    assert found.records["ts_ns"].tolist() == [0, 1]
    assert found.marks == (Lost(1, 3, 5),)
    assert opened(read_text, data).columns == set(DEFAULT)


def test_a_header_may_be_all_there_is() -> None:
    data = write("text", columns="time,cpu")

    assert opened(read_text, data).columns == {"time", "cpu"}
    assert len(read(read_text, data).records) == 0


def test_times_that_are_not_those_of_day_are_told() -> None:
    time = make_time("since", timezone.utc, lambda ts_ns: ts_ns.astype(np.int64), 0)
    made = TextFormat(find_columns("", with_time=True), time)
    data = made.header() + b"".join(chunk.data for chunk in made.chunks(Batch(make_segment(ts_ns=5))))
    _, error = read_until_damage(opened(read_text, data))

    assert str(error) == "x, line 2: time cannot be '0.000000005'"


@pytest.mark.parametrize("data", [b"hello\n", b"a b c d e f g\n", b"\xff\xfe\x00\n", b"\n\nx\n"])
def test_what_is_no_recording_is_told(data: bytes) -> None:
    with pytest.raises(RecordingError, match="x is no recording of tcpio that could be read") as caught:
        opened(read_text, data)

    assert "with its header" in caught.value.hint


def test_a_line_of_something_else_is_told_and_what_is_before_is_read() -> None:
    data = write("text", Batch(make_segment(ts_ns=1)), columns="cpu,laddr,lport")
    batch, error = read_until_damage(opened(read_text, data + b"something\n"))

    assert len(batch.records) == 1
    assert str(error) == "x, line 3: 1 values where 3 belong: 'something'"


def test_an_empty_word_of_time_is_no_time() -> None:
    data = write("text", Batch(make_segment(ts_ns=1)), columns="cpu")

    assert read(read_text, data + b"nowhere # 5 segments lost on CPU 3\n").marks == (Lost(1, 3, 5),)


@pytest.mark.parametrize("begin", [b"", b"\n", b"\n\n"])
def test_empty_lines_and_headers_are_passed_over_wherever_they_are(begin: bytes) -> None:
    data = write("text", Batch(make_segment(ts_ns=1)), columns="cpu,lport")
    rows = data[data.index(b"\n") + 1 :]

    assert len(read(read_text, begin + data + b"\n" + rows + data + begin).records) == 3
