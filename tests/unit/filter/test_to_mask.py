# SPDX-License-Identifier: GPL-2.0-only
"""The numpy mask, against the plain reading of the expression."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpio.filter import to_mask as module
from tcpio.filter.ast import ALWAYS, NEVER, AllOf, AnyBit, AnyOf, Between, Expr, Not
from tcpio.filter.parse import parse_filter, to_expr
from tcpio.filter.pattern import Filter
from tcpio.filter.to_mask import fields_of, make_mask, to_mask
from tcpio.schema.record import RECORD, Records
from tests.unit.filter.strategies import EXPRESSIONS, FILTERS, reads_true, records, unhurried


def _expected(expr: Expr, batch: Records) -> list[bool]:
    return [reads_true(expr, record) for record in batch]


@unhurried
@given(EXPRESSIONS, records())
def test_mask_is_the_plain_reading_of_an_expression(expr: Expr, batch: Records) -> None:
    assert _expected(expr, batch) == to_mask(expr, batch).tolist()


@unhurried
@given(st.lists(FILTERS, max_size=60), records())
def test_mask_is_the_plain_reading_of_many_filters(filters: list[Filter], batch: Records) -> None:
    expr = to_expr(filters)

    assert _expected(expr, batch) == to_mask(expr, batch).tolist()


@unhurried
@given(st.lists(FILTERS, max_size=12), EXPRESSIONS, records())
def test_ways_taken_for_many_terms_give_the_same_for_few(filters: list[Filter], expr: Expr, batch: Records) -> None:
    with mock.patch.multiple(module, _MANY_TERMS=1, _MANY_ALTERNATIVES=1):
        assert _expected(expr, batch) == to_mask(expr, batch).tolist()
        assert _expected(to_expr(filters), batch) == to_mask(to_expr(filters), batch).tolist()


@pytest.mark.parametrize("form", ["*:*-*:{}", "10.0.0.0/8:{}-*:*", "*:{}..{}-*:*", "!*:{}-*:22", "*:{0}-*:{0}"])
def test_one_of_a_thousand_filters_is_found(form: str) -> None:
    expr = to_expr(parse_filter(form.format(port, port)) for port in range(1000))
    batch = np.zeros(2000, RECORD)
    batch["lport"] = batch["rport"] = np.arange(2000)

    assert _expected(expr, batch[::97]) == to_mask(expr, batch)[::97].tolist()


def test_prepared_expression_takes_one_batch_after_the_other() -> None:
    mask = make_mask(Between("rport", 1, 2))
    batch = np.zeros(4, RECORD)
    batch["rport"] = range(4)

    assert mask(batch).tolist() == [False, True, True, False]
    assert mask(batch[:0]).tolist() == []
    assert mask(batch[2:3]).tolist() == [True]


def test_constants_are_as_long_as_the_batch() -> None:
    batch = np.zeros(3, RECORD)

    assert to_mask(ALWAYS, batch).tolist() == [True] * 3
    assert to_mask(NEVER, batch).tolist() == [False] * 3


def test_the_members_that_are_asked_of_are_told() -> None:
    expr = AllOf((Between("lport", 1, 2), Not(AnyOf((AnyBit("flags", 2), Between("lport", 5, 6))))))

    assert fields_of(expr) == {"lport", "flags"}
    assert fields_of(ALWAYS) == set()
