# SPDX-License-Identifier: GPL-2.0-only
"""Lines put together from pieces that repeat.

Of a busy connection's segments most differ in nothing but when they passed, and those of a short one share its ends.
So what is different is written once, and then taken as it is: nothing is cheaper to write than what is there already.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tcpio.output.cells import Cells
from tcpio.schema.distinct import Indices
from tcpio.stream.lines import items

_AT_ONCE = 1 << 13  # pieces, whose text stays in the processor's cache


class Pieces(NamedTuple):
    """A piece of each line.

    Args:
        text: The different ones, behind one another.
        sizes: Shape (D,): the bytes of each.
        number: Shape (N,): which of them is whose.
    """

    text: bytes
    sizes: Indices
    number: Indices


def to_pieces(cells: Cells, number: Indices) -> Pieces:
    """Take the different pieces from cells, shape (D, width)."""
    text = cells.tobytes()
    if cells.all():
        return Pieces(text, np.full(len(cells), cells.shape[1]), number)
    return Pieces(text.translate(None, b"\0"), np.count_nonzero(cells, axis=1), number)


def weave(parts: Sequence[Pieces], befores: Cells | None = None) -> bytes | memoryview:
    """Give all lines, each made of its piece of every part.

    Args:
        parts: At least one, from left to right.
        befores: Shape (N, width): what stands before each line, if anything does.
    """
    table_sizes = np.concatenate([part.sizes for part in parts])
    longest = int(table_sizes.max())
    number = _interleave(parts)
    sizes = table_sizes[number]
    width = befores.shape[1] if befores is not None else 0
    sizes[:: len(parts)] += width
    places = np.cumsum(sizes) - sizes
    written: Cells = np.empty(int(places[-1] + sizes[-1]) + longest, np.uint8)
    target = items(written, longest)
    text = np.frombuffer(b"".join([*(part.text for part in parts), bytes(longest)]), np.uint8)
    source = items(text, longest)[np.cumsum(table_sizes) - table_sizes]
    befores_at = places[:: len(parts)].copy()
    places[:: len(parts)] += width
    # As many bytes of each as the longest has: what is too much is written over by what follows; what stands
    # before a line comes last.
    for at in range(0, len(number), _AT_ONCE):
        some = slice(at, at + _AT_ONCE)
        target[places[some]] = source.take(number[some])
    if befores is not None:
        items(written, width)[befores_at] = np.ascontiguousarray(befores).view(f"V{width}")[:, 0]
    done = written[: len(written) - longest].data
    return done if befores is None or befores.min() else done.tobytes().translate(None, b"\0")


def _interleave(parts: Sequence[Pieces]) -> Indices:
    # The pieces in the order of the output, numbered through all parts.
    number = np.empty((len(parts[0].number), len(parts)), np.intp)
    before = 0
    for at, part in enumerate(parts):
        np.add(part.number, before, out=number[:, at])
        before += len(part.sizes)
    return number.reshape(-1)
