# SPDX-License-Identifier: GPL-2.0-only
"""CSV, read by Python's csv."""

import csv
from datetime import timezone

import numpy as np
import pytest

from tcpio.output.as_csv import CsvFormat
from tcpio.output.times import make_time
from tcpio.schema.batch import Batch, ClockStep, Lost, Mark
from tcpio.schema.columns import EVERY, find_columns
from tcpio.schema.record import Records, no_records
from tests.unit.samples import any_records, make_segment, to_row


def make_format(columns: str = "") -> CsvFormat:
    time = make_time("iso", timezone.utc, lambda ts_ns: ts_ns.astype(np.int64) + 10**18, 0)
    return CsvFormat(find_columns(columns, with_time=False, default=EVERY), time)


def written(made: CsvFormat, records: Records, *marks: Mark) -> list[str]:
    data = made.header() + b"".join(chunk.data for chunk in made.chunks(Batch(records, marks)))
    return data.decode().splitlines()


def test_a_row_character_by_character() -> None:
    segment = make_segment(ts_ns=9, is_received=True, netns=4026531840, thlen=20)

    assert written(make_format(), segment) == [
        "time,ts_ns,cpu,laddr,lport,dir,raddr,rport,bytes,flags,segs,seq,ack,win,rtx,state,netns,thlen",
        (
            "2001-09-09T01:46:40.000000009+00:00,1000000000000000009,1,192.0.2.8,22,receive,192.0.2.40,60337,464,PUSH|ACK,"
            "1,0,0,0,,,4026531840,20"
        ),
    ]


@pytest.mark.parametrize("count", [1, 2, 1000])
def test_any_records_are_what_csv_reads(count: int) -> None:
    records = any_records(count)

    for row, record in zip(csv.DictReader(written(make_format(), records)), records, strict=True):
        expected = {**to_row(record), "ts_ns": 10**18 + int(record["ts_ns"])}
        assert {name: "" if expected[name] is None else str(expected[name]) for name in EVERY if name != "time"} == {
            name: value for name, value in row.items() if name != "time"
        }


@pytest.mark.parametrize(
    ("columns", "comment"),
    [
        ("", "# 2001-09-09T01:46:40.000000009+00:00,1000000000000000009: 1 segment lost on CPU 3"),
        ("cpu,ts_ns", "# 1000000000000000009: 1 segment lost on CPU 3"),
        ("cpu", "# 1 segment lost on CPU 3"),
    ],
)
def test_marks_are_comments_with_the_times_that_rows_have(columns: str, comment: str) -> None:
    assert comment == written(make_format(columns), no_records(), Lost(9, 3, 1))[1]


def test_a_step_of_the_clock_is_a_comment() -> None:
    assert written(make_format("cpu"), no_records(), ClockStep(9, 10**9, is_followed=True))[1:] == [
        "# the clock was set forward by 1.000000 s"
    ]
