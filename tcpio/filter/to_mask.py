# SPDX-License-Identifier: GPL-2.0-only
"""An expression as a numpy mask, for as many filters as there may be."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

import numpy as np

from tcpio.filter.ast import ADDRESSES, AllOf, AnyBit, AnyOf, Between, Expr, Masked, Not
from tcpio.schema.arrays import NDArray
from tcpio.schema.distinct import Words, distinct, pack
from tcpio.schema.record import Records, take

Mask: TypeAlias = NDArray[np.bool_]
"""Shape (N,): which records."""

MaskMaker: TypeAlias = Callable[[Records], Mask]
"""What an expression has become, to be applied to one batch after the other."""

# From this many terms on it is cheaper to find the distinct connections of a batch and to ask only of these.
_MANY_TERMS = 16

# From this many alternatives of one shape on it is cheaper to look records up among them than to try each.
_MANY_ALTERNATIVES = 16

_WORD_BITS = 64
_ALL_ONES = (1 << _WORD_BITS) - 1


def to_mask(expr: Expr, records: Records) -> Mask:
    """Tell of which records an expression is true."""
    return make_mask(expr)(records)


def make_mask(expr: Expr) -> MaskMaker:
    """Prepare an expression, which may take longer than applying it.

    Returns:
        Tells of which records of a batch the expression is true.
    """
    leaves = list(_leaves(expr))
    fields = tuple(dict.fromkeys(leaf.field for leaf in leaves))
    test = _make_test(expr)
    if len(leaves) < _MANY_TERMS:
        return test

    def test_distinct(records: Records) -> Mask:
        first, number = distinct(pack(records, fields))
        return test(take(records, first))[number]

    return test_distinct


def fields_of(expr: Expr) -> set[str]:
    """Give the members of a record that an expression asks of."""
    return {leaf.field for leaf in _leaves(expr)}


_Leaf: TypeAlias = Masked | Between | AnyBit


def _leaves(expr: Expr) -> Iterable[_Leaf]:
    match expr:
        case AllOf(terms) | AnyOf(terms):
            for term in terms:
                yield from _leaves(term)
        case Not(term):
            yield from _leaves(term)
        case Masked() | Between() | AnyBit():
            yield expr


def _make_test(expr: Expr) -> MaskMaker:
    match expr:
        case AllOf(terms):
            return _all_test([_make_test(term) for term in terms])
        case AnyOf(terms):
            return _any_test(_alternative_tests(terms))
        case Not(term):
            inner = _make_test(term)
            return lambda records: ~inner(records)
        case Masked(field):
            return _all_test([_word_test(field, *word) for word in expr.words()])
        case Between(field, low, high):
            return lambda records: (records[field] >= low) & (records[field] <= high)
        case AnyBit(field, bits):
            return lambda records: records[field] & bits != 0


def _word_test(field: str, index: int, mask: int, value: int) -> MaskMaker:
    # numpy must not guess the type of what may be larger than its signed integers.
    word_mask, word = np.uint64(mask), np.uint64(value)
    return lambda records: records[field][:, index] & word_mask == word


def _all_test(tests: Sequence[MaskMaker]) -> MaskMaker:
    def test_all(records: Records) -> Mask:
        result = np.ones(len(records), np.bool_)
        for test in tests:
            result &= test(records)
            if not result.any():
                break
        return result

    return test_all


def _any_test(tests: Sequence[MaskMaker]) -> MaskMaker:
    def test_any(records: Records) -> Mask:
        result = np.zeros(len(records), np.bool_)
        for test in tests:
            result |= test(records)
        return result

    return test_any


# A word that is compared with a constant: member, index (0 unless it is an address), mask.
_Key: TypeAlias = tuple[str, int, int]


def _alternative_tests(terms: Iterable[Expr]) -> list[MaskMaker]:
    # Alternatives that compare the same words, under the same masks, and ask for the same things besides, differ
    # only in constants: then a record's words are looked up among these.
    shapes: dict[tuple[tuple[_Key, ...], tuple[Expr, ...]], list[tuple[Expr, list[int]]]] = {}
    for term in terms:
        keys, constants, others = _split(term)
        shapes.setdefault((tuple(keys), tuple(others)), []).append((term, constants))

    tests: list[MaskMaker] = []
    for (shape, besides), alternatives in shapes.items():
        if shape and len(alternatives) >= _MANY_ALTERNATIVES:
            rows = np.array([constants for _, constants in alternatives], np.uint64)
            tests.append(_all_test([*map(_make_test, besides), _membership_test(shape, rows)]))
        else:
            tests += [_make_test(term) for term, _ in alternatives]
    return tests


def _split(term: Expr) -> tuple[list[_Key], list[int], list[Expr]]:
    # What is compared with constants, these constants, and what else is asked.
    keys: list[_Key] = []
    constants: list[int] = []
    others: list[Expr] = []
    for part in term.terms if isinstance(term, AllOf) else (term,):
        match part:
            case Masked(field):
                keys += [(field, index, mask) for index, mask, _ in part.words()]
                constants += [value for _, _, value in part.words()]
            case Between(field, low, high) if low == high:
                keys.append((field, 0, _ALL_ONES))
                constants.append(low)
            case _:
                others.append(part)
    return keys, constants, others


def _membership_test(keys: Sequence[_Key], constants: Words) -> MaskMaker:
    known = len(constants)

    def test_membership(records: Records) -> Mask:
        rows = np.empty((known + len(records), len(keys)), np.uint64, order="F")
        rows[:known] = constants
        for column, (field, index, mask) in enumerate(keys):
            words = records[field][:, index] if field in ADDRESSES else records[field]
            np.bitwise_and(words, np.uint64(mask), out=rows[known:, column])
        first, number = distinct(rows)
        is_wanted = np.zeros(len(first), np.bool_)
        is_wanted[number[:known]] = True
        result: Mask = is_wanted[number[known:]]
        return result

    return test_membership
