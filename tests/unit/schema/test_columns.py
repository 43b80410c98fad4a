# SPDX-License-Identifier: GPL-2.0-only
"""The table of columns, and lists of them."""

import pytest

from tcpio.errors import UsageError
from tcpio.schema.columns import COLUMNS, DEFAULT, EVERY, Kind, find_columns
from tcpio.schema.record import RECORD

DEFAULT_NAMES = ["cpu", "laddr", "lport", "dir", "raddr", "rport", "bytes", "flags"]


def names(text: str, *, with_time: bool = False) -> list[str]:
    return [column.name for column in find_columns(text, with_time=with_time)]


def test_the_default_is_what_tcpio_d_prints() -> None:
    assert DEFAULT_NAMES == list(DEFAULT)
    assert DEFAULT_NAMES == names("")


def test_a_list_replaces_the_default() -> None:
    assert names("raddr,rport,bytes") == ["raddr", "rport", "bytes"]


def test_a_plus_adds_to_the_default() -> None:
    assert names("+seq,ack") == [*DEFAULT_NAMES, "seq", "ack"]


def test_time_comes_first() -> None:
    assert names("", with_time=True) == ["time", *DEFAULT_NAMES]
    assert names("+seq", with_time=True) == ["time", *DEFAULT_NAMES, "seq"]


def test_time_stays_where_the_list_has_it() -> None:
    assert names("bytes,time", with_time=True) == ["bytes", "time"]


def test_time_can_be_named_without_the_option() -> None:
    assert names("time,bytes") == ["time", "bytes"]


def test_a_column_appears_once() -> None:
    assert names("bytes,cpu,bytes") == ["bytes", "cpu"]
    assert names("+bytes,seq") == [*DEFAULT_NAMES, "seq"]


def test_blanks_and_capitals_do_not_matter() -> None:
    assert names(" LADDR, lport ") == ["laddr", "lport"]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("sport", "sport"), ("cpu,laddr:lport", "laddr:lport"), ("cpu,", ""), ("+", ""), ("cpu+seq", "cpu+seq")],
)
def test_an_unknown_column_is_refused_by_name(text: str, wrong: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_columns(text, with_time=False)

    assert f"there is no column {wrong!r}" == str(caught.value)
    assert caught.value.hint == (
        "the columns are time, ts_ns, cpu, laddr, lport, dir, raddr, rport, bytes, flags, "
        "segs, seq, ack, win, rtx, state, netns, thlen"
    )


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_each_column_has_a_member_of_the_record(column: object) -> None:
    found = next(row for row in COLUMNS if row is column)

    assert found.source in (RECORD.names or ())


def test_names_are_unique() -> None:
    assert len(COLUMNS) == len({column.name for column in COLUMNS})


def test_words_of_text_match_the_words() -> None:
    unequal = [column.name for column in COLUMNS if column.text_words and len(column.text_words) != len(column.words)]

    assert unequal == []


def test_every_word_column_has_words() -> None:
    assert [column.name for column in COLUMNS if bool(column.words) != (column.kind is Kind.WORD)] == []


def test_every_column_says_what_it_holds() -> None:
    assert [column.name for column in COLUMNS if not column.help] == []


def test_flags_have_a_word_for_each_byte() -> None:
    (flags,) = find_columns("flags", with_time=False)

    assert len(flags.words) == 256
    assert flags.words[0x12] == "SYN|ACK"
    assert flags.text_words[0] == "(null)"


def test_every_member_has_a_column() -> None:
    shown = {column.source for column in COLUMNS}

    assert shown == set(RECORD.names or ())


def test_other_columns_may_be_the_default() -> None:
    assert tuple(column.name for column in find_columns("", with_time=True, default=EVERY)) == EVERY
    assert [column.name for column in find_columns("+cpu", with_time=False, default=("seq",))] == ["seq", "cpu"]
