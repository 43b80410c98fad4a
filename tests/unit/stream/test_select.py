# SPDX-License-Identifier: GPL-2.0-only
"""Records that are left out are counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpio.filter.ast import ALWAYS, Between
from tcpio.schema.batch import Batch, Lost
from tcpio.stream.select import Limit, Period, Select
from tests.unit.samples import make_records, times


def test_what_the_expression_is_not_true_of_is_left_out_and_counted() -> None:
    select = Select(Between("lport", 80, 443))
    kept = select(Batch(make_records([1, 2, 3, 4], lport=[79, 80, 443, 444])))

    assert times(kept.records) == [2, 3]
    assert select.dropped == 2


def test_what_is_left_out_adds_up() -> None:
    select = Select(Between("lport", 80, 80))
    for _ in range(3):
        select(Batch(make_records([1, 2], lport=[79, 80])))

    assert select.dropped == 3


def test_what_is_always_true_leaves_nothing_out() -> None:
    select = Select(ALWAYS)

    assert times(select(Batch(make_records([1, 2]))).records) == [1, 2]
    assert select.dropped == 0


def test_marks_pass_a_selection() -> None:
    mark = Lost(2, 0, 1)

    assert Select(Between("lport", 1, 1))(Batch(make_records([1, 2]), (mark,))).marks == (mark,)


def test_no_limit_keeps_all() -> None:
    limit = Limit(None)
    batch = Batch(make_records([1, 2]))

    assert limit(batch) is batch
    assert not limit.is_reached
    assert limit.dropped == 0


def test_a_limit_keeps_the_first_and_counts_the_rest() -> None:
    limit = Limit(3)

    assert times(limit(Batch(make_records([1, 2]))).records) == [1, 2]
    assert not limit.is_reached
    assert times(limit(Batch(make_records([3, 4, 5]))).records) == [3]
    assert limit.is_reached
    assert times(limit(Batch(make_records([6]))).records) == []
    assert limit.dropped == 3


def test_a_limit_is_reached_exactly() -> None:
    limit = Limit(2)
    limit(Batch(make_records([1, 2])))

    assert limit.is_reached
    assert limit.dropped == 0


def test_marks_behind_the_last_record_of_a_limit_are_left_out() -> None:
    before, at, behind = Lost(1, 0, 1), Lost(2, 0, 2), Lost(3, 0, 3)
    kept = Limit(2)(Batch(make_records([1, 2, 3]), (before, at, behind)))

    assert kept.marks == (before, at)


def test_marks_after_a_limit_are_left_out() -> None:
    limit = Limit(1)
    limit(Batch(make_records([1])))

    assert limit(Batch(make_records([]), (Lost(2, 0, 1),))).marks == ()


def test_marks_of_a_batch_that_is_kept_whole_stay() -> None:
    mark = Lost(9, 0, 1)

    assert Limit(2)(Batch(make_records([1, 2]), (mark,))).marks == (mark,)


@pytest.mark.parametrize("count", [1 << 63, 10**30])
def test_a_limit_can_be_beyond_all_that_will_come(count: int) -> None:
    assert times(Limit(count)(Batch(make_records([1, 2]))).records) == [1, 2]


@given(st.integers(1, 30), st.lists(st.integers(0, 9)))
def test_kept_and_left_out_are_all(count: int, sizes: list[int]) -> None:
    limit = Limit(count)
    kept = sum(len(limit(Batch(make_records(range(size)))).records) for size in sizes)

    assert min(count, sum(sizes)) == kept
    assert sum(sizes) == kept + limit.dropped
    assert limit.is_reached == (kept == count)


@given(st.lists(st.lists(st.integers(0, 3), max_size=9)))
def test_selected_and_left_out_are_all(batches: list[list[int]]) -> None:
    select = Select(Between("lport", 1, 2))
    kept = sum(len(select(Batch(make_records(ports, lport=ports))).records) for ports in batches)

    assert sum(port in (1, 2) for ports in batches for port in ports) == kept
    assert sum(map(len, batches)) == kept + select.dropped


@pytest.mark.parametrize(
    ("since_ns", "until_ns", "kept"),
    [
        (None, None, [1, 5, 3, 9]),
        (3, None, [5, 3, 9]),
        (None, 3, [1, 3]),
        (3, 5, [5, 3]),
        (6, 8, []),
        (-5, 1, [1]),
        (None, -5, []),
        (-(1 << 70), 1 << 70, [1, 5, 3, 9]),
        (1 << 70, None, []),
    ],
)
def test_a_period_keeps_what_is_in_it(since_ns: int | None, until_ns: int | None, kept: list[int]) -> None:
    period = Period(since_ns, until_ns)
    marks = tuple(Lost(ts_ns, 0, 1) for ts_ns in (1, 3, 5, 9))
    found = period(Batch(make_records([1, 5, 3, 9]), marks))

    assert times(found.records) == kept
    assert [mark.ts_ns for mark in found.marks] == sorted(kept)
    assert period.dropped == 4 - len(kept)
