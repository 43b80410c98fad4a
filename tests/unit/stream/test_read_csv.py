# SPDX-License-Identifier: GPL-2.0-only
"""CSV that was recorded, read again."""

import csv
import io

import pytest

from tcpio.errors import RecordingError
from tcpio.schema.batch import Batch, ClockStep, Counted, Lost, Overload
from tcpio.schema.record import no_records
from tcpio.schema.tally import Tally
from tcpio.stream import read_lines
from tcpio.stream.read_csv import read_csv
from tests.unit.samples import any_records, make_segment
from tests.unit.stream.recordings import assert_same, opened, read, read_until_damage, write


def make_batch(count: int = 300) -> Batch:
    records = any_records(count)
    records["thlen"] = 20
    first_ns, last_ns = int(records["ts_ns"][0]), int(records["ts_ns"][-1])
    marks = (
        Lost(first_ns, 3, 7),
        Overload(first_ns),
        Counted(last_ns, Tally(7, 350, (0, 3, 0, 1, 7, 0, 0, 2)), Tally(1)),
        ClockStep(last_ns, 5000, is_followed=True),
    )
    return Batch(records, marks)


def test_what_was_written_is_read() -> None:
    assert_same(read(read_csv, write("csv", make_batch())), make_batch())


@pytest.mark.parametrize("block", [300, 4096])
def test_the_size_of_blocks_does_not_matter(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(read_lines, "BLOCK", block)

    assert_same(read(read_csv, write("csv", make_batch())), make_batch())


def test_without_a_header_all_columns_are_there() -> None:
    assert_same(read(read_csv, write("csv", make_batch(), has_header=False)), make_batch())


def test_files_behind_one_another_are_one() -> None:
    data = write("csv", make_batch())

    assert len(read(read_csv, data + data).records) == 600


def test_columns_may_be_in_any_order_and_others_between() -> None:
    rows = list(csv.reader(io.StringIO(write("csv", make_batch()).decode().partition("\n")[2])))
    header = write("csv", Batch(no_records())).decode().strip().split(",")
    plain = [row for row in rows if not row[0].startswith("#")]
    text = "".join(",".join([*row[::-1], "web"]) + "\r\n" for row in [header, *plain])
    text = text.replace(f"{','.join(header[::-1])},web", f"{','.join(header[::-1])},host")

    assert_same(read(read_csv, text.encode()), Batch(make_batch().records))


def test_columns_that_are_not_wanted_are_not_read() -> None:
    data = write("csv", make_batch()).replace(b"192.", b"nonsense")
    found = read(read_csv, data, frozenset({"lport"}))

    assert found.records["lport"].tolist() == make_batch().records["lport"].tolist()
    assert not found.records["seq"].any()


def test_without_times_segments_are_counted_and_marks_stay_at_their_place() -> None:
    data = b"lport\n1\n# 5 segments lost on CPU 3\n2\n\n# something else\n3\n"
    found = read(read_csv, data)

    assert found.records["ts_ns"].tolist() == [0, 1, 2]
    assert found.marks == (Lost(1, 3, 5),)
    assert opened(read_csv, data).columns == {"lport"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"x,1", "lport cannot be 'x'"),
        (b"1", "1 values where 2 belong: '1'"),
        (b"1,2,3", "3 values where 2 belong: '1,2,3'"),
        (b"1\x00,2", "lport cannot be '1\\x01'"),
        (b"1,", "cpu is missing"),
        (b"\x1b[31m,2", "lport cannot be '\\x1b[31m'"),
        (b"," * 100, f"101 values where 2 belong: {',' * 60!r}..."),
    ],
)
def test_what_is_whole_before_damage_is_read_and_the_line_is_told(line: bytes, message: str) -> None:
    recording = opened(read_csv, b"lport,cpu\n1,1\n# 1 segment lost on CPU 3\n2,2\n3,3\n" + line + b"\n4,4\n")
    batch, error = read_until_damage(recording)

    assert batch.records["lport"].tolist() == [1, 2, 3]
    assert isinstance(error, RecordingError)
    assert str(error) == f"x, line 6: {message}"


def test_a_line_that_does_not_end_is_told() -> None:
    batch, error = read_until_damage(opened(read_csv, b"lport,cpu\n1,1\n2,"))

    assert batch.records["lport"].tolist() == [1]
    assert str(error) == "x ends in the middle of a line, at byte 14"


def test_a_line_without_end_takes_no_memory_without_end() -> None:
    batch, error = read_until_damage(opened(read_csv, b"lport,cpu\n1,1\n" + b"1" * (read_lines.LONGEST_LINE + 1)))

    assert batch.records["lport"].tolist() == [1]
    assert str(error) == "x: a line of more than 65536 bytes, at byte 14"


def test_a_file_that_cannot_be_read_further_is_told() -> None:
    class Broken(io.BytesIO):
        def read1(self, _size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(RecordingError, match="cannot read x: Input/output error"):
        read_csv(Broken(), "x", frozenset())


def test_a_row_that_names_no_column_is_no_header() -> None:
    with pytest.raises(RecordingError, match="x: the first row names no column") as caught:
        opened(read_csv, b"a,b\n1,2\n")

    assert "columns are time, ts_ns, cpu" in caught.value.hint


def test_a_mark_with_a_time_that_is_none_is_a_comment() -> None:
    segment = write("csv", Batch(make_segment(ts_ns=5)))

    assert read(read_csv, segment + b"# yesterday: 5 segments lost on CPU 3\n").marks == ()
