# SPDX-License-Identifier: GPL-2.0-only
"""Find the distinct rows of an array, mostly without sorting it."""

from collections.abc import Iterable
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from tcpio.schema.arrays import NDArray
from tcpio.schema.record import Records

Words: TypeAlias = NDArray[np.uint64]
Indices: TypeAlias = NDArray[np.intp]

# Odd numbers without a pattern, fixed so that the same rows always take the same way: the fractional parts of the
# square roots of the first primes, times 2**64. A row of more words uses them again.
_MULTIPLIERS = tuple(
    np.uint64(multiplier)
    for multiplier in (
        0x6A09E667F3BCC909,
        0xBB67AE8584CAA73B,
        0x3C6EF372FE94F82B,
        0xA54FF53A5F1D36F1,
        0x510E527FADE682D1,
        0x9B05688C2B3E6C1F,
        0x1F83D9ABFB41BD6B,
        0x5BE0CD19137E2179,
    )
)
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio
_HALF = np.uint64(32)
_WORD_BITS = 64

# A round settles all rows but those that share a slot of its table with a different row before them. The table has at
# least eight slots a row, so of N rows with D distinct ones it leaves about a share of D / (16 * N). Few rows are left
# after a few rounds, unless they were chosen by someone who knows the multipliers, and these few are sorted.
_ROUNDS = 3
_SLOT_BITS = 3

_FEW_BITS = 16
"""Rows of so few bits need no multipliers: what they hold is their slot, in a table of a quarter of a megabyte."""

_AT_ONCE = 1 << 12  # records that stay in the processor's cache while their words are taken


def distinct(words: Words) -> tuple[Indices, Indices]:
    """Number the distinct rows.

    Args:
        words: Shape (N, K), K at least 1.

    Returns:
        Where each distinct row is first, shape (D,); and for each row the index of its like among them, shape (N,).
    """
    rows, bits = _fold(np.asfortranarray(words).T)
    if not bits:
        return np.zeros(min(len(rows), 1), np.intp), np.zeros(len(rows), np.intp)
    if bits <= _FEW_BITS:
        leader = _find_leaders(rows[:, 0].astype(np.intp), bits)
        return _number(leader)
    numbers = np.empty(len(rows), np.intp)
    firsts: list[Indices] = []
    found = 0
    pending = np.arange(len(rows))
    for salt in range(_ROUNDS + 1):
        leader = _find_leaders(_slots(rows, salt), _table_bits(rows)) if salt < _ROUNDS else _sort(rows)
        leaders, number = _number(leader)
        numbers[pending] = number + found
        firsts.append(pending[leaders])
        found += len(leaders)
        others = np.flatnonzero(_differ(rows, leader))
        if not len(others):
            break
        pending, rows = pending[others], rows[others]
    return np.concatenate(firsts), numbers


def _fold(columns: Words) -> tuple[Words, int]:
    # The bits that vary, from the lowest to the highest of each column, in as few words as they fit in, shape (N, K);
    # and how many they are.
    varying = (np.bitwise_or.reduce(columns, axis=1) & ~np.bitwise_and.reduce(columns, axis=1)).tolist()
    words: list[Words] = []
    bits = room = 0
    for column, mask in zip(columns, varying, strict=True):
        if not mask:
            continue
        low = (mask & -mask).bit_length() - 1
        width = mask.bit_length() - low
        piece = column >> np.uint64(low)
        if low + width < _WORD_BITS:
            piece &= np.uint64((1 << width) - 1)
        bits += width
        if width <= room:
            words[-1] |= piece << np.uint64(_WORD_BITS - room)
            room -= width
        else:
            words.append(piece)
            room = _WORD_BITS - width
    return np.array(words, np.uint64).reshape(len(words), columns.shape[1]).T, bits


def _number(leader: Indices) -> tuple[Indices, Indices]:
    # From the first of the like of each row: these, and their numbers.
    leaders = np.flatnonzero(leader == np.arange(len(leader)))
    number = np.empty(len(leader), np.intp)
    number[leaders] = np.arange(len(leaders))
    return leaders, number[leader]


def _find_leaders(slots: Indices, bits: int) -> Indices:
    # For each row the first of those that share its slot. The table needs no initial values: only slots that have
    # been written are read. Of several writes to a slot the last one stays, hence backwards.
    table = np.empty(1 << bits, np.int32)
    table[slots[::-1]] = np.arange(len(slots) - 1, -1, -1, np.int32)
    return table[slots]


def _table_bits(rows: Words) -> int:
    return len(rows).bit_length() + _SLOT_BITS


def _slots(rows: Words, salt: int) -> Indices:
    mixed = np.zeros(len(rows), np.uint64)
    product = np.empty(len(rows), np.uint64)
    for column in range(rows.shape[1]):
        np.multiply(rows[:, column], _MULTIPLIERS[(column + salt) % len(_MULTIPLIERS)], out=product)
        mixed += product
    # Addresses differ in their high bits only (network order on a little-endian machine), which a product leaves
    # high: brought down and multiplied again, they reach all bits.
    mixed ^= mixed >> _HALF
    mixed *= _MIX
    mixed >>= np.uint64(_WORD_BITS - _table_bits(rows))
    return mixed.view(np.int64).astype(np.intp, copy=False)


def _differ(rows: Words, leader: Indices) -> NDArray[np.bool_]:
    differ = np.zeros(len(rows), np.bool_)
    for column in rows.T:
        differ |= column != column[leader]
    return differ


def _sort(rows: Words) -> Indices:
    _, first, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    # numpy 2.0 alone gives the inverse another shape
    leader: Indices = first[inverse.reshape(-1)]
    return leader


def pack(records: Records, fields: Iterable[str]) -> Words:
    """Take the words of records in which there are members, without what else is in them.

    Args:
        records: Shape (N,), of any structured dtype whose items are whole words.
        fields: Names of members.

    Returns:
        Shape (N, K): rows are equal where the members are.
    """
    words, masks = _masks(records.dtype, tuple(fields))
    viewed = records.view(words)
    # Each column in one piece.
    columns: Words = np.empty((len(masks), len(records)), np.uint64)
    for at in range(0, len(records), _AT_ONCE):
        some = slice(at, at + _AT_ONCE)
        for column, (name, mask) in zip(columns, masks, strict=True):
            np.bitwise_and(viewed[name][some], mask, out=column[some])
    return columns.T


@cache
def _masks(dtype: np.dtype[Any], fields: tuple[str, ...]) -> tuple[np.dtype[Any], list[tuple[str, np.uint64]]]:
    # A dtype of words as large, and which of them to take, with the bits of the members.
    words = np.dtype([(f"word{at}", np.uint64) for at in range(dtype.itemsize // 8)])
    bits = np.zeros(dtype.itemsize, np.uint8)
    for field in fields:
        member, offset = dtype.fields[field][:2] if dtype.fields else (dtype, 0)
        bits[offset : offset + member.itemsize] = 0xFF
    return words, [(f"word{at}", mask) for at, mask in enumerate(bits.view(np.uint64)) if mask]
