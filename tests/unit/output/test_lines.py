# SPDX-License-Identifier: GPL-2.0-only
"""What all lines have in common."""

from collections.abc import Callable
from datetime import timezone

import numpy as np
import pytest

from tcpio.output.as_csv import CsvFormat
from tcpio.output.as_json import JsonFormat
from tcpio.output.as_text import TextFormat
from tcpio.output.lines import Chunk, LineFormat, split
from tcpio.output.times import make_time
from tcpio.schema.batch import Batch, Lost, Mark
from tcpio.schema.columns import EVERY, find_columns
from tcpio.schema.record import no_records
from tcpio.schema.time_formats import TIME_FORMATS
from tests.unit.samples import any_records, make_records, times

LINES = Chunk(b"one\ntwo\nthree\n", 3)
BLOCK = Chunk(b"one\ntwo\nthree\n", 3, is_lines=False)
MARK = Chunk(b"# mark\n", 0)


@pytest.mark.parametrize(("written", "whole", "segments"), [(0, 0, 0), (3, 0, 0), (4, 4, 1), (9, 8, 2), (14, 14, 3)])
def test_of_lines_a_part_is_of_use(written: int, whole: int, segments: int) -> None:
    assert (whole, segments) == (LINES.whole(written), LINES.segments_in(written))


@pytest.mark.parametrize(("written", "whole", "segments"), [(0, 0, 0), (9, 0, 0), (14, 14, 3)])
def test_of_a_block_only_all_is_of_use(written: int, whole: int, segments: int) -> None:
    assert (whole, segments) == (BLOCK.whole(written), BLOCK.segments_in(written))


def test_a_mark_is_no_segment() -> None:
    assert [MARK.segments_in(written) for written in range(8)] == [0] * 8


def pieces(batch: Batch) -> list[list[int] | Mark]:
    return [piece if isinstance(piece, Lost) else times(piece) for piece in split(batch)]  # type: ignore[arg-type]  # no step of the clock is in it


def test_marks_stand_before_the_first_record_that_is_not_older() -> None:
    first, second, last = (Lost(ts_ns, 0, 1) for ts_ns in (1, 4, 9))

    assert pieces(Batch(make_records([1, 2, 3, 5]), (first, second, last))) == [first, [1, 2, 3], second, [5], last]


def test_a_mark_stands_before_the_record_of_its_time_without_order_too() -> None:
    mark = Lost(3, 0, 1)

    assert pieces(Batch(make_records([5, 9, 3, 4]), (mark,))) == [[5, 9], mark, [3, 4]]


def test_no_piece_is_empty() -> None:
    assert pieces(Batch(no_records())) == []
    assert pieces(Batch(no_records(), (Lost(1, 0, 1),))) == [Lost(1, 0, 1)]


@pytest.mark.parametrize("time_format", ["", *TIME_FORMATS])
@pytest.mark.parametrize("make", [TextFormat, JsonFormat, CsvFormat])
@pytest.mark.parametrize(
    "names", ["", "rtx,state", "+rtx,state", "flags,laddr,bytes", "cpu", "netns,cpu,dir", "segs,seq", ",".join(EVERY)]
)
@pytest.mark.parametrize("ends", [2, 80])
def test_lines_are_as_if_each_were_written_alone(
    make: Callable[..., LineFormat], time_format: str, names: str, ends: int
) -> None:
    count = 80
    records = any_records(count)
    for member, limit in {"cpu": 12, "flags": 3, "dir": 2, "rtx": 2, "state": 13, "bytes": 3, "segs": 2}.items():
        records[member] %= limit
    for member in ("laddr", "raddr", "lport", "rport", "netns"):
        records[member] = records[member][np.arange(count) % ends]
    records["ts_ns"] = np.sort(records["ts_ns"] % (1 << 60))
    columns = find_columns(names, with_time=bool(time_format))
    whole, alone = (
        make(columns, make_time(time_format or "iso", timezone.utc, lambda ts_ns: ts_ns.astype(np.int64), 9))
        for _ in range(2)
    )
    (chunk,) = whole.chunks(Batch(records))

    assert bytes(chunk.data) == b"".join(bytes(alone.chunks(Batch(records[[at]]))[0].data) for at in range(count))
    assert chunk.segments == count
