# SPDX-License-Identifier: GPL-2.0-only
"""Lines of text by the thousand: put in order, cut, joined and gathered without looking at each in Python."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tcpio.schema.arrays import NDArray

Text: TypeAlias = NDArray[np.uint8]
"""Shape (bytes,)."""

Integers: TypeAlias = NDArray[np.int64]

_SLICE = 8192  # lines gathered at once: what is made of them stays in the CPU's cache
_WASTE = 4  # times the text: how much longer the longest line of a slice may make it


@dataclass(frozen=True)
class Lines:
    """Lines and their keys.

    Args:
        keys: What they are sorted by: ns since 1970, UTC; shape (N,).
        lengths: Bytes of each with its newline; shape (N,).
        text: The lines one behind the other; shape (sum of lengths,).
    """

    keys: Integers
    lengths: Integers
    text: Text

    def __len__(self) -> int:
        return len(self.keys)

    def cut(self, at: int) -> "tuple[Lines, Lines]":
        """Give the first ``at`` lines, and the others; nothing is copied."""
        place = int(self.lengths[:at].sum())
        first = Lines(self.keys[:at], self.lengths[:at], self.text[:place])
        return first, Lines(self.keys[at:], self.lengths[at:], self.text[place:])

    def sort(self) -> "Lines":
        """Put them in the order of their keys; equal ones stay in theirs."""
        if is_sorted(self.keys):
            return self
        order = np.argsort(self.keys, kind="stable")
        return Lines(self.keys[order], self.lengths[order], np.concatenate(list(self.gather(order))))

    def gather(self, order: NDArray[np.intp]) -> Iterator[Text]:
        """Give the text of these lines, piece by piece."""
        return gather(self.text, (np.cumsum(self.lengths) - self.lengths)[order], self.lengths[order])


def is_sorted(keys: Integers) -> bool:
    """Tell whether no key is less than the one before."""
    return bool(np.all(keys[1:] >= keys[:-1]))


def no_lines() -> Lines:
    """Give none."""
    return Lines(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.uint8))


def join(parts: Sequence[Lines]) -> Lines:
    """Put lines behind one another."""
    filled = [part for part in parts if len(part)]
    if len(filled) == 1:
        return filled[0]
    if not filled:
        return no_lines()
    return Lines(
        np.concatenate([part.keys for part in filled]),
        np.concatenate([part.lengths for part in filled]),
        np.concatenate([part.text for part in filled]),
    )


def gather(text: Text, starts: Integers, lengths: Integers) -> Iterator[Text]:
    """Put pieces of a text behind one another.

    Args:
        text: What they are taken from; in one piece.
        starts: Where each begins; shape (N,), in any order.
        lengths: Bytes of each; shape (N,).

    Yields:
        The result, some thousand pieces at once.
    """
    for first in range(0, len(starts), _SLICE):
        yield _gather(text, starts[first : first + _SLICE], lengths[first : first + _SLICE])


def _gather(text: Text, starts: Integers, lengths: Integers) -> Text:
    count, total, width = len(starts), int(lengths.sum()), int(lengths.max())
    if np.all(starts[1:] == starts[:-1] + lengths[:-1]):
        return text[starts[0] : starts[0] + total]
    if width * count > _WASTE * total:  # a few are much longer than the others
        half = count // 2
        return np.concatenate(
            (_gather(text, starts[:half], lengths[:half]), _gather(text, starts[half:], lengths[half:]))
        )
    # So many bytes from where each begins, copied as one item; what is too much is written over by the next.
    places = np.cumsum(lengths) - lengths
    gathered = np.empty(total + width, np.uint8)
    last = len(text) - width
    items(gathered, width)[places] = items(text, width)[np.minimum(starts, last)]
    for late in np.flatnonzero(starts > last):
        place, start, length = places[late], starts[late], lengths[late]
        gathered[place : place + length] = text[start : start + length]
    return gathered[:total]


def items(text: Text, width: int) -> NDArray[np.void]:
    """Give the ``width`` bytes that begin at each place of a text, as one item; they overlap."""
    return np.ndarray((max(len(text) - width + 1, 0),), f"V{width}", text.data, strides=(1,))


def windows(text: Text, starts: Integers, width: int) -> Text:
    """Give ``width`` bytes from each of these places on, shape (N, width); all of them lie within the text."""
    return items(text, width)[starts].view(np.uint8).reshape(len(starts), width)
