# SPDX-License-Identifier: GPL-2.0-only
"""Text as byte matrices: a row for each record, and zero bytes where there is nothing.

A line is made by putting the matrices of its columns side by side and squeezing the zero bytes out, all lines in one
step. So a cell need not be of one width, and nothing is done for each record in Python.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from tcpio.schema.address import V4_MAPPED, to_text, to_words
from tcpio.schema.arrays import NDArray
from tcpio.schema.distinct import distinct

Cells: TypeAlias = NDArray[np.uint8]
"""Shape (N, width), ASCII, zero bytes anywhere in a row."""

Groups: TypeAlias = NDArray[np.uint32]
"""Four characters in each."""

Unsigned: TypeAlias = NDArray[Any]
"""Shape (N,), any unsigned dtype."""

_SPACE = ord(" ")
_ZERO = ord("0")
_V4_MAPPED_WORD = np.uint64(to_words(V4_MAPPED + bytes(4))[1])
_V4_MAPPED_MASK = np.uint64(to_words(bytes(8) + b"\xff" * 4 + bytes(4))[1])
_GROUP = 4  # digits written at once
_GROUP_VALUES = 10**_GROUP
_PORT_DIGITS = 5
_SHORT_BYTES = 2  # of numbers that are taken from a table


def _digit_tables() -> tuple[Groups, Groups, Groups]:
    # Four digits of each number below 10 000, as one u32: with leading zeros, with nothing in their place, with blanks.
    values = np.arange(_GROUP_VALUES, dtype=np.uint16)[:, np.newaxis]
    powers = 10 ** np.arange(_GROUP - 1, -1, -1, dtype=np.uint16)
    full = (values // powers % 10 + _ZERO).astype(np.uint8)
    bare = np.where(values >= powers, full, 0).astype(np.uint8)
    blank = np.where(values >= powers, full, _SPACE).astype(np.uint8)
    return full.view(np.uint32)[:, 0], bare.view(np.uint32)[:, 0], blank.view(np.uint32)[:, 0]


_FULL, _BARE, _BLANK = _digit_tables()


def digits(values: Unsigned) -> Cells:
    """Write numbers, without leading zeros."""
    return _digits(values, _BARE)


def _digits(values: Unsigned, leading: Groups) -> Cells:
    groups = 1
    limit = _GROUP_VALUES
    largest = int(values.max(initial=0))
    while largest >= limit:
        groups, limit = groups + 1, limit * _GROUP_VALUES
    cells: Groups = np.empty((len(values), groups), np.uint32)
    rest = values
    for group in range(groups - 1, 0, -1):
        higher = rest // _GROUP_VALUES
        lower = rest - higher * _GROUP_VALUES
        cells[:, group] = np.where(higher > 0, _FULL[lower], leading[lower])
        rest = higher
    cells[:, 0] = leading[rest]
    matrix = cells.view(np.uint8)
    matrix[values == 0, -1] = _ZERO
    return matrix


def fixed_digits(values: Unsigned, count: int) -> Cells:
    """Write numbers with leading zeros, ``count`` digits each."""
    cells: Cells = np.empty((len(values), count), np.uint8)
    put_digits(cells, 0, values, count)
    return cells


def put_digits(cells: Cells, at: int, values: Unsigned, count: int) -> None:
    """Write numbers with leading zeros into cells that are in one piece, ``count`` digits each, from a column on."""
    if not len(values):
        return
    rest = values
    for column in range(at + count - _GROUP, at - 1, -_GROUP):
        higher = rest // _GROUP_VALUES
        groups: Groups = np.ndarray(len(cells), np.uint32, cells, column, cells.strides[:1])
        groups[:] = _FULL[rest - higher * _GROUP_VALUES]
        rest = higher
    left = count % _GROUP
    if left:
        cells[:, at : at + left] = _FULL.view(np.uint8).reshape(-1, _GROUP)[rest, -left:]


def constant(text: str, count: int) -> Cells:
    """Write the same text ``count`` times."""
    encoded = text.encode()
    return np.ndarray((count, len(encoded)), np.uint8, encoded, strides=(0, 1))


def table(words: Sequence[str]) -> Cells:
    """Write each word in a row of its own; rows are taken from it by index."""
    encoded = [word.encode() for word in words]
    width = max(map(len, encoded), default=0)
    return np.frombuffer(b"".join(word.ljust(width, b"\0") for word in encoded), np.uint8).reshape(len(words), width)


def pad(cells: Cells, width: int, *, is_left: bool) -> Cells:
    """Fill up to ``width`` characters with blanks; what is longer stays, and only then are there zero bytes."""
    sizes = np.count_nonzero(cells, axis=1)[:, np.newaxis]
    if sizes.min(initial=width) >= width:
        return cells
    filled = np.maximum(sizes, width)
    widest = int(filled.max(initial=width))
    places = np.arange(widest) if is_left else np.arange(widest)[::-1]
    padded: Cells = np.full((len(cells), widest), _SPACE, np.uint8)
    padded[places < sizes] = cells[cells != 0]
    if widest > width:
        padded[places >= filled] = 0
    return padded


def numbers(values: Unsigned, width: int) -> Cells:
    """Write numbers, aligned to the right."""
    if values.dtype.itemsize > _SHORT_BYTES:
        return _numbers(values, width)
    cells: Cells = _short_numbers(width, len(str(values.max(initial=0)))).take(values, axis=0)
    return cells


@cache
def _short_numbers(width: int, count: int) -> Cells:
    # All of so many digits, to be taken from.
    return np.ascontiguousarray(_numbers(np.arange(min(10**count, 1 << 16), dtype=np.uint16), width))


def _numbers(values: Unsigned, width: int) -> Cells:
    cells = _digits(values, _BLANK)
    lacking = width - cells.shape[1]
    if lacking > 0:
        return np.concatenate((constant(" " * lacking, len(values)), cells), axis=1)
    beyond = cells[:, :-width]
    beyond[beyond == _SPACE] = 0
    return cells if beyond.any() else cells[:, -width:]


def ports(values: Unsigned, width: int) -> Cells:
    """Write 16-bit numbers, aligned to the left."""
    cells: Cells = _all_ports(width).take(values, axis=0)  # faster than an index
    return cells


@cache
def _all_ports(width: int) -> Cells:
    cells: Cells = np.zeros((1 << 16, max(width, _PORT_DIGITS)), np.uint8)
    for count in range(1, _PORT_DIGITS + 1):
        first, end = 10 ** (count - 1) if count > 1 else 0, min(10**count, 1 << 16)
        cells[first:end, :count] = fixed_digits(np.arange(first, end, dtype=np.uint16), count)
        cells[first:end, count:width] = _SPACE
    return cells


def addresses(words: NDArray[np.uint64], width: int) -> Cells:
    """Write addresses of shape (N, 2), as a record has them, aligned to the right."""
    first, number = distinct(words)
    different = pad(_bare_addresses(words[first]), width, is_left=False)
    if len(different) == 1:  # as the local one mostly is
        return np.ndarray((len(words), different.shape[1]), np.uint8, different, strides=(0, 1))
    return different.take(number, axis=0)


def is_ipv4(words: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Tell which addresses of shape (N, 2) are v4-mapped."""
    found: NDArray[np.bool_] = (words[:, 0] == 0) & (words[:, 1] & _V4_MAPPED_MASK == _V4_MAPPED_WORD)
    return found


def _bare_addresses(words: NDArray[np.uint64]) -> Cells:
    ipv4 = is_ipv4(words)
    # The last four bytes of an address are those of IPv4.
    quads = words.view(np.uint8)[:, -4:]
    leading = _OCTETS.take(quads[:, :-1], axis=0).reshape(len(words), (quads.shape[1] - 1) * _OCTETS.shape[1])
    octets: Cells = np.concatenate((leading, _LAST_OCTET.take(quads[:, -1], axis=0)), axis=1)
    if ipv4.all():
        return octets
    # IPv6 text has rules of its own (RFC 5952); the C library writes it, once for each address.
    texts = table([to_text(row.tobytes()) for row in words[~ipv4]])
    cells: Cells = np.zeros((len(words), max(octets.shape[1], texts.shape[1])), np.uint8)
    cells[ipv4, : octets.shape[1]] = octets[ipv4]
    cells[~ipv4, : texts.shape[1]] = texts
    return cells


_OCTETS = table([f"{octet}." for octet in range(256)])
_LAST_OCTET = table([f"{octet}" for octet in range(256)])


def compact(cells: Cells) -> Cells:
    """Move the zero bytes of each row to its end, and leave out columns that have nothing else."""
    order = np.argsort(cells == 0, axis=1, kind="stable")
    width = int(np.count_nonzero(cells, axis=1).max(initial=0))
    return np.take_along_axis(cells, order[:, :width], axis=1)


def join(parts: Sequence[Cells]) -> Cells:
    """Put cells side by side."""
    parts = [part for part in parts if part.shape[1]] or parts[:1]
    if len(parts) == 1:
        return parts[0]
    matrix: Cells = np.empty((len(parts[0]), sum(part.shape[1] for part in parts)), np.uint8)
    at = 0
    for part in parts:
        matrix[:, at : at + part.shape[1]] = part
        at += part.shape[1]
    return matrix


def squeeze(parts: Sequence[Cells]) -> bytes:
    """Put cells side by side and give the text of all rows."""
    return join(parts).tobytes().translate(None, b"\0")
