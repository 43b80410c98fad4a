# SPDX-License-Identifier: GPL-2.0-only
"""Batches and their marks."""

import numpy as np
import pytest

from tcpio.schema.batch import (
    LAST_NS,
    Batch,
    ClockStep,
    Counted,
    Lost,
    Mark,
    Overload,
    is_possible,
    join,
    parse_mark,
    read_mark,
)
from tcpio.schema.tally import Tally
from tests.unit.samples import make_records, times


def test_one_lost_segment_is_singular() -> None:
    assert str(Lost(0, 3, 1)) == "1 segment lost on CPU 3"


def test_many_lost_segments_are_plural() -> None:
    assert str(Lost(0, 3, 137)) == "137 segments lost on CPU 3"


def test_what_was_counted_is_told_by_direction() -> None:
    mark = Counted(0, Tally(3, 500, (0, 1, 0, 0, 2, 0, 0, 0)), Tally())

    assert str(mark) == "3 segments counted, not printed: 3 sent with bytes=500 SYN=1 ACK=2, 0 received with bytes=0"


def test_a_step_forward_is_told() -> None:
    assert str(ClockStep(0, 1_500_000_000, is_followed=True)) == "the clock was set forward by 1.500000 s"


def test_a_step_that_is_not_followed_says_so() -> None:
    expected = "the clock was set back by 0.002000 s; times here go on without it"

    assert expected == str(ClockStep(0, -2_000_000, is_followed=False))


def test_nothing_joined_is_an_empty_batch() -> None:
    joined = join([])

    assert (0, ()) == (len(joined.records), joined.marks)


def test_marks_stay_where_there_are_no_records() -> None:
    mark = Lost(5, 0, 1)

    assert (mark,) == join([Batch(make_records([])), Batch(make_records([]), (mark,))]).marks


def test_one_filled_batch_is_not_copied() -> None:
    records = make_records([1, 2])

    assert join([Batch(make_records([])), Batch(records)]).records is records


def test_records_and_marks_keep_their_order() -> None:
    first, second = Lost(9, 0, 1), Lost(3, 1, 2)
    joined = join([Batch(make_records([7, 8]), (first,)), Batch(make_records([1, 2]), (second,))])

    assert times(joined.records) == [7, 8, 1, 2]
    assert joined.marks == (first, second)


def test_joined_records_are_whole() -> None:
    one = make_records([1, 2], laddr="192.0.2.1", lport=[3, 4])
    strided = make_records([5, 6, 7, 8], raddr="2001:db8::1", bytes=[1, 2, 3, 4])[::2]
    joined = join([Batch(one), Batch(strided)]).records

    assert np.concatenate([one, strided]).tobytes() == joined.tobytes()


@pytest.mark.parametrize(
    "mark",
    [
        Lost(7, 3, 1),
        Lost(7, 0, 137),
        ClockStep(7, 1_000_000_000, is_followed=True),
        ClockStep(7, -2_000, is_followed=False),
        ClockStep(7, 1_000, is_followed=False),
        Overload(7),
        Counted(7, Tally(1), Tally()),
        Counted(7, Tally(70, 35000, (0, 3, 0, 20, 70, 0, 0, 0)), Tally(67, 0, (0, 0, 0, 0, 67, 0, 0, 0))),
    ],
)
def test_a_mark_is_read_from_its_text(mark: Mark) -> None:
    assert parse_mark(str(mark), 7) == read_mark(str(mark), 7) == mark


@pytest.mark.parametrize(
    "text",
    [
        "",
        "137 segments",
        "-1 segments lost on CPU 3",
        "1 segment lost on CPU 3 ",
        "x",
        "1 segment lost on CPU 65536",
        "3 segments counted, not printed: 1 sent with bytes=0, 2 received with x",
    ],
)
def test_what_is_no_mark_is_none(text: str) -> None:
    assert parse_mark(text, 7) is None
    with pytest.raises(ValueError, match="no mark"):
        read_mark(text, 7)


@pytest.mark.parametrize(
    ("mark", "can_be"),
    [
        (Lost(LAST_NS, 65535, LAST_NS), True),
        (Lost(LAST_NS + 1, 0, 1), False),
        (Lost(-1, 0, 1), False),
        (Lost(0, -1, 1), False),
        (Lost(0, 0, LAST_NS + 1), False),
        (ClockStep(0, -LAST_NS, is_followed=True), True),
        (ClockStep(0, LAST_NS + 1, is_followed=True), False),
        (Overload(0), True),
        (Overload(-1), False),
        (Counted(LAST_NS, Tally(), Tally()), True),
    ],
)
def test_numbers_of_marks_have_bounds(mark: Mark, can_be: bool) -> None:  # noqa: FBT001  a parameter's value
    assert is_possible(mark) is can_be
