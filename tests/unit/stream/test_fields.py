# SPDX-License-Identifier: GPL-2.0-only
"""Values read from text, held against Python's own readers of text."""

import re
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpio.schema.columns import COLUMNS, Kind
from tcpio.schema.record import RECEIVE, RECORD, Records
from tcpio.stream.fields import WIDEST, BadValueError, parse_wall_ns, to_records, word_values

NUMBERS = [column for column in COLUMNS if column.kind in (Kind.NUMBER, Kind.PORT, Kind.STAMP)]


def read(names: list[str], *rows: list[str]) -> Records:
    """Read rows of values, of which each ends where a comma would stand."""
    text = "".join(f"{value}," for row in rows for value in row)
    ends = np.array([at for at, character in enumerate(text) if character == ","], np.int64)
    starts = np.concatenate([[0], ends[:-1] + 1])
    shape = (len(rows), len(names))
    return to_records(np.frombuffer(text.encode(), np.uint8), starts.reshape(shape), ends.reshape(shape), names)


@pytest.mark.parametrize("column", NUMBERS, ids=lambda column: str(column.name))
@given(data=st.data())
def test_numbers_are_what_int_reads(column: object, data: st.DataObject) -> None:
    (found,) = (row for row in NUMBERS if row is column)
    most = (1 << 63) - 1 if found.kind is Kind.STAMP else int(np.iinfo(RECORD[found.source]).max)
    numbers = data.draw(st.lists(st.integers(0, most), min_size=1, max_size=5))

    assert read([found.name], *([str(number)] for number in numbers))[found.source].tolist() == numbers


@pytest.mark.parametrize("text", ["", "65536", "-1", "1x", "x", " 1", "1.0", "99999999999999999999999", "0x10"])
def test_what_is_no_number_of_its_size_is_refused(text: str) -> None:
    with pytest.raises(BadValueError) as caught:
        read(["lport"], ["1"], [text], ["bad too"])

    assert caught.value.row == 1
    assert str(caught.value) == (f"lport cannot be {text!r}" if text else "lport is missing")


def test_zeros_in_front_do_not_matter() -> None:
    assert read(["lport"], ["0" * 30 + "443"])["lport"].tolist() == [443]


@given(
    st.lists(
        st.tuples(
            st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1)),  # noqa: DTZ001  its zone is the next
            st.integers(0, 999_999_999),
            st.integers(-12, 14),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_times_are_what_datetime_reads(moments: list[tuple[datetime, int, int]]) -> None:
    rows, expected = [], []
    for naive, ns, hours in moments:
        moment = naive.replace(microsecond=0, tzinfo=timezone(timedelta(hours=hours)))
        text = moment.isoformat()
        rows.append([f"{text[:19]}.{ns:09}{text[19:]}"])
        expected.append(int(moment.timestamp()) * 10**9 + ns)

    assert read(["time"], *rows)["ts_ns"].tolist() == expected
    assert [parse_wall_ns(row[0]) for row in rows] == expected


def test_times_may_be_seconds_since_1970() -> None:
    assert read(["time"], ["1795299378.731166779"])["ts_ns"].tolist() == [1795299378731166779]
    assert parse_wall_ns("1795299378731166779") == 1795299378731166779


@pytest.mark.parametrize(
    "text",
    [
        *("", "0.049448651", "2026-11-21T22:16:18+00:00", "2026-11-21T22:16:18.731166779", "1795299378.7311667"),
        *("2026-13-21T22:16:18.731166779+00:00", "2026-11-21T22:16:18.73116677x+00:00", "22:16:18.731166779"),
        *("9999-01-01T00:00:00.000000000+00:00", "1969-12-31T23:59:59.000000000+00:00", "9999999999.000000000"),
    ],
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(BadValueError, match=re.escape(f"time cannot be {text!r}") if text else "time is missing"):
        read(["time"], [text])
    with pytest.raises(ValueError, match=r".*"):
        parse_wall_ns(text)


def test_ts_ns_comes_before_time() -> None:
    assert read(["time", "ts_ns"], ["nothing", "5"])["ts_ns"].tolist() == [5]


@pytest.mark.parametrize("text", ["1.2.3", "localhost", "", "::g", "x" * (WIDEST + 1), "1:2:3:4:5:6:7:8:9"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(BadValueError) as caught:
        read(["laddr"], ["::1"], ["192.0.2.8"], [text])

    assert caught.value.row == 2


def test_the_first_bad_row_is_told_whichever_column_it_is_in() -> None:
    with pytest.raises(BadValueError, match="rport cannot be 'x'") as caught:
        read(["lport", "rport"], ["1", "1"], ["1", "x"], ["x", "1"])

    assert caught.value.row == 1


@pytest.mark.parametrize("column", [row for row in COLUMNS if row.words], ids=lambda column: str(column.name))
def test_every_word_of_each_kind_of_output_is_read(column: object) -> None:
    (found,) = (row for row in COLUMNS if row is column)
    for words in (found.words, found.text_words or found.words):
        assert (
            read([found.name, "dir"], *([word, "send"] for word in words))[found.source].tolist()
            == list(range(len(words)))
            or found.name == "dir"
        )
    with pytest.raises(BadValueError):
        read([found.name], ["NO_WORD"])


def test_the_direction_is_read_in_both_forms() -> None:
    assert read(["dir"], ["send"], ["receive"], ["->"], ["<-"])["dir"].tolist() == [0, 1, 0, 1]


def test_nothing_to_show_means_received_if_nothing_else_tells() -> None:
    assert read(["rtx"], [""], ["-"], ["1"])["dir"].tolist() == [RECEIVE, 0, 0]
    assert read(["rtx", "dir"], ["", "send"])["dir"].tolist() == [0]


def test_unknown_columns_are_passed_over() -> None:
    assert read(["host", "lport", ""], ["web", "7", "x"])["lport"].tolist() == [7]


def test_nothing_is_no_record() -> None:
    assert len(to_records(np.zeros(0, np.uint8), np.zeros((0, 1), np.int64), np.zeros((0, 1), np.int64), ["cpu"])) == 0


def test_only_senders_may_have_nothing() -> None:
    (flags,) = (column for column in COLUMNS if column.name == "flags")

    assert "" not in word_values(flags)
