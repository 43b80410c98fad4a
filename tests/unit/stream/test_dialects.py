# SPDX-License-Identifier: GPL-2.0-only
"""Headers, marks, and the column of hosts."""

from datetime import timezone

import numpy as np
import pytest

from tcpio.output.as_text import TextFormat
from tcpio.output.times import make_time
from tcpio.schema.batch import Batch, ClockStep, Lost
from tcpio.schema.columns import COLUMNS, find_columns
from tcpio.schema.record import no_records
from tcpio.stream.dialects import (
    Dialect,
    add_host,
    add_host_to_header,
    find_dialect,
    has_relative_time,
    is_mark,
    read_header,
)

TIME = "2026-11-21T22:16:18.731166779+00:00"


def make_format(columns: str, time_format: str = "iso") -> TextFormat:
    time = make_time(time_format, timezone.utc, lambda ts_ns: ts_ns.astype(np.int64), 0)
    return TextFormat(find_columns(columns, with_time=False), time)


@pytest.mark.parametrize("columns", ["", "time,cpu", "cpu,time", "time", *(column.name for column in COLUMNS)])
def test_the_header_of_text_is_known(columns: str) -> None:
    header = make_format(columns).header()
    names = [column.name for column in find_columns(columns, with_time=False) if column.has_head]

    assert read_header(header) == tuple(names)


@pytest.mark.parametrize("header", [b"time,ts_ns,cpu\n", b"cpu,time\r\n", b"time\n", b"time,of_the_future\n"])
def test_the_header_of_csv_is_known(header: bytes) -> None:
    assert read_header(header) == tuple(header.decode().strip().split(","))


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"CPU 7\n",
        b"HELLO WORLD\n",
        b"hello,world\n",
        b"time cpu\n",
        b"\xff\xfe",
        b"{}\n",
        b"tcpio: tracing by tracepoint on 2 CPUs\n",
    ],
)
def test_what_is_no_header_is_not_taken_for_one(line: bytes) -> None:
    assert read_header(line) == ()


@pytest.mark.parametrize("mark", [Lost(1, 3, 137), ClockStep(1, -5 * 10**9, is_followed=False)], ids=str)
def test_marks_of_text_are_known(mark: Lost | ClockStep) -> None:
    (chunk,) = make_format("cpu,time").chunks(Batch(no_records(), (mark,)))

    line = bytes(chunk.data)
    assert is_mark(line)
    assert is_mark(b"web-1 " + line)


@pytest.mark.parametrize(
    "line",
    [b'{"cpu":3,"lost":137}\n', b'{"counted":0,"note":"x"}\n', b'{"host":"web","clock_step_ns":-5,"followed":false}\n'],
)
def test_marks_of_json_lines_are_known(line: bytes) -> None:
    assert is_mark(line)


@pytest.mark.parametrize("line", [b"", b"#5\n", b"x y # z\n", b'{"cpu":3}\n', b'"lost":3\n', b"\x1b[2J# 5\n"])
def test_what_is_no_mark_is_not_taken_for_one(line: bytes) -> None:
    assert not is_mark(line)


@pytest.mark.parametrize(
    ("line", "dialect"),
    [
        (b'{"ts_ns":1}', Dialect.JSONL),
        (f"{TIME},1".encode(), Dialect.CSV),
        (b"time,cpu", Dialect.CSV),
        (f"{TIME}   1  (SYN)".encode(), Dialect.TEXT),
        (b"TIME CPU", Dialect.TEXT),
    ],
)
def test_dialects_are_told_apart(line: bytes, dialect: Dialect) -> None:
    assert dialect is find_dialect(line)


@pytest.mark.parametrize("line", [b"      0.049448651   1", b"     -1.500000000 0", b"0.000000001"])
def test_relative_times_are_known(line: bytes) -> None:
    assert has_relative_time(line)


@pytest.mark.parametrize("line", [b"1795299378.731166779 1", b"192.0.2.8", b"", b"1.5"])
def test_other_times_are_not_relative(line: bytes) -> None:
    assert not has_relative_time(line)


def hosted(dialect: Dialect, lines: list[tuple[bytes, int]], host: str = "db", width: int = 3) -> list[bytes]:
    text = np.frombuffer(b"".join(line for line, _ in lines), np.uint8)
    lengths = np.array([len(line) for line, _ in lines])
    leads = np.array([lead for _, lead in lines])
    starts = np.cumsum(lengths) - lengths
    found, found_lengths = add_host(text, starts, lengths, leads, host=host, width=width, dialect=dialect)
    whole = found.tobytes().splitlines(keepends=True)
    assert found_lengths.tolist() == [len(line) for line in whole]
    return whole


def test_hosts_of_text_stand_behind_the_time_or_in_front() -> None:
    lines = [
        (b"TIMETIME   1  (SYN)\n", 8),
        (b"TIMETIME # 5 segments lost on CPU 1\n", 8),
        (b"   1 TIMETIME\n", 0),
        (b"# 5 segments lost on CPU 1\n", 0),
        (b"garbage\n", -1),
    ]

    assert hosted(Dialect.TEXT, lines) == [
        b"TIMETIME db    1  (SYN)\n",
        b"TIMETIME db  # 5 segments lost on CPU 1\n",
        b"db     1 TIMETIME\n",
        b"db  # 5 segments lost on CPU 1\n",
        b"garbage\n",
    ]


def test_hosts_of_csv_are_the_last_cell() -> None:
    lines = [(b"1,2\n", 0), (b"# 1: 5 segments lost on CPU 1\n", 0), (b"garbage\n", -1), (b"TIMETIME,2\n", 8)]

    assert hosted(Dialect.CSV, lines) == [
        b"1,2,db\n",
        b"# 1: 5 segments lost on CPU 1 (db)\n",
        b"garbage\n",
        b"TIMETIME,2,db\n",
    ]


def test_hosts_of_json_lines_are_the_first_key() -> None:
    assert hosted(Dialect.JSONL, [(b'{"ts_ns":1}\n', 0), (b"garbage\n", -1)]) == [
        b'{"host":"db","ts_ns":1}\n',
        b"garbage\n",
    ]


@pytest.mark.parametrize(
    ("header", "dialect", "lead", "expected"),
    [
        (b"TIME     CPU\n", Dialect.TEXT, 8, b"TIME     HOST CPU\n"),
        (b" CPU TIME\n", Dialect.TEXT, 0, b"HOST  CPU TIME\n"),
        (b"time,cpu\n", Dialect.CSV, 35, b"time,cpu,host\n"),
    ],
)
def test_headers_name_the_column_of_hosts(header: bytes, dialect: Dialect, lead: int, expected: bytes) -> None:
    assert expected == add_host_to_header(header, dialect, 3, lead)
