# SPDX-License-Identifier: GPL-2.0-only
"""Distinct rows, whatever they hash to."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tcpio.schema import distinct as module
from tcpio.schema.distinct import Words, distinct, pack
from tests.unit.samples import any_records

WORDS = st.sampled_from((0, 1, 1 << 32, 1 << 56, 0xFFFF0000, (1 << 64) - 1)) | st.integers(0, (1 << 64) - 1)
ROWS = st.tuples(st.integers(0, 30), st.integers(1, 9)).flatmap(
    lambda shape: hnp.arrays(np.uint64, shape, elements=WORDS, fill=st.nothing())
)


def _check(words: Words) -> None:
    first, number = distinct(words)
    rows = [tuple(row) for row in words.tolist()]

    assert len(set(rows)) == len(first)
    assert rows == [rows[index] for index in first[number]]
    assert [rows.index(rows[index]) for index in first] == first.tolist()


@settings(deadline=None)
@given(ROWS)
def test_each_row_gets_the_number_of_its_first_like(words: Words) -> None:
    _check(words)
    _check(np.asfortranarray(words))


@settings(deadline=None)
@given(ROWS)
def test_rows_that_all_share_a_slot_are_told_apart(words: Words) -> None:
    """As if someone had chosen the rows for their hashes."""
    with mock.patch.object(module, "_slots", lambda rows, _: np.zeros(len(rows), np.intp)):
        _check(words)


@settings(deadline=None)
@given(ROWS)
def test_same_rows_get_the_same_numbers_again(words: Words) -> None:
    first, number = distinct(words)
    again, number_again = distinct(words.copy())

    assert first.tolist() == again.tolist()
    assert number.tolist() == number_again.tolist()


@pytest.mark.parametrize("shift", [0, 16, 32, 48, 56])
def test_rows_that_count_up_do_not_need_sorting(shift: int) -> None:
    """Addresses and ports do so, in any part of a word."""
    count = min(20_000, 1 << 64 - shift)
    words = np.zeros((count, 3), np.uint64)
    words[:, 1] = np.arange(count, dtype=np.uint64) << np.uint64(shift)
    with mock.patch.object(module, "_sort", wraps=module._sort) as sort:
        first, number = distinct(words)

    assert list(range(count)) == np.sort(first).tolist()
    assert (words[first[number]] == words).all()
    assert all(len(call.args[0]) < count / 100 for call in sort.call_args_list)


@pytest.mark.parametrize("members", [("lport",), ("laddr", "dir"), ("cpu", "bytes", "flags", "raddr", "rport")])
def test_words_are_alike_where_members_are_whatever_else_differs(members: tuple[str, ...]) -> None:
    records, others = any_records(200), any_records(200, seed=1)
    for member in members:
        others[member] = records[member]
    strided = np.repeat(others, 3)[::3]

    assert pack(records, members).tolist() == pack(others, members).tolist() == pack(strided, members).tolist()
    for member in members:
        others[member][0] ^= 1
        assert pack(records, members)[0].tolist() != pack(others, members)[0].tolist()
        others[member][0] ^= 1
