# SPDX-License-Identifier: GPL-2.0-only
"""JSON Lines, read by Python's json."""

import json
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pytest

from tcpio.output.as_json import JsonFormat
from tcpio.output.times import make_time
from tcpio.schema.batch import Batch, ClockStep, Counted, Lost, Mark, Overload
from tcpio.schema.columns import COLUMNS, EVERY, find_columns
from tcpio.schema.record import Records
from tcpio.schema.tally import Tally
from tests.unit.samples import any_records, make_segment, to_row


def make_format(columns: str = "") -> JsonFormat:
    time = make_time("iso", timezone.utc, lambda ts_ns: ts_ns.astype(np.int64) + 10**18, 0)
    return JsonFormat(find_columns(columns, with_time=False, default=EVERY), time)


def objects(made: JsonFormat, records: Records, *marks: Mark) -> list[dict[str, Any]]:
    data = b"".join(chunk.data for chunk in made.chunks(Batch(records, marks)))
    return [json.loads(line) for line in data.splitlines()]


def test_a_line_character_by_character() -> None:
    segment = make_segment(ts_ns=9, rtx=1, state=1, seq=0xFFFFFFFF, ack=2, win=502, netns=4026531840, thlen=32)
    (chunk,) = make_format().chunks(Batch(segment))

    assert chunk.segments == 1
    assert bytes(chunk.data).decode() == (
        '{"time":"2001-09-09T01:46:40.000000009+00:00","ts_ns":1000000000000000009,"cpu":1,"laddr":"192.0.2.8",'
        '"lport":22,"dir":"send","raddr":"192.0.2.40","rport":60337,"bytes":464,"flags":"PUSH|ACK","segs":1,'
        '"seq":4294967295,"ack":2,"win":502,"rtx":1,"state":"ESTABLISHED","netns":4026531840,"thlen":32}\n'
    )


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_any_records_are_what_json_reads(count: int) -> None:
    records = any_records(count)
    found = objects(make_format(), records)

    for row, record in zip(found, records, strict=True):
        moment = datetime.fromisoformat(row["time"][:19] + row["time"][29:])
        assert int(moment.timestamp()) * 10**9 + int(row["time"][20:29]) == row["ts_ns"]
        assert row.pop("ts_ns") == 10**18 + int(record["ts_ns"])
        expected = to_row(record)
        assert {name: expected[name] for name in EVERY if name not in ("time", "ts_ns")} == {
            name: value for name, value in row.items() if name != "time"
        }


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_each_column_may_stand_alone(column: object) -> None:
    name = next(row.name for row in COLUMNS if row is column)

    assert [list(row) for row in objects(make_format(name), any_records(3))] == [[name]] * 3


def test_keys_come_in_the_order_asked_for() -> None:
    assert [list(row) for row in objects(make_format("raddr,cpu,time"), any_records(1))] == [["raddr", "cpu", "time"]]


def test_what_was_lost_is_an_object_of_its_own() -> None:
    found = objects(make_format(), make_segment(ts_ns=9), Lost(9, 3, 137))

    assert found[0] == {"time": "2001-09-09T01:46:40.000000009+00:00", "ts_ns": 10**18 + 9, "cpu": 3, "lost": 137}
    assert len(found) == 2


def test_a_step_of_the_clock_is_too() -> None:
    (found,) = objects(make_format("ts_ns"), any_records(0), ClockStep(9, -5, is_followed=False))

    assert found == {"ts_ns": 10**18 + 9, "clock_step_ns": -5, "followed": False}


def test_what_was_counted_instead_of_printed_is_too() -> None:
    mark = Counted(9, Tally(3, 500), Tally(4))
    found = [objects(make_format("cpu"), any_records(0), one)[0] for one in (Overload(5), mark)]

    assert found == [{"counted": 0, "note": str(Overload(5))}, {"counted": 7, "note": str(mark)}]


def test_marks_have_no_times_where_lines_have_none() -> None:
    assert objects(make_format("cpu"), any_records(0), Lost(9, 3, 1)) == [{"cpu": 3, "lost": 1}]


def test_there_is_no_header_and_no_end() -> None:
    made = make_format()

    assert (made.header(), made.end(), made.pending) == (b"", [], 0)
