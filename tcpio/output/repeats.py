# SPDX-License-Identifier: GPL-2.0-only
"""Lines that are alike. Of a busy connection's segments most differ in nothing but when they passed.

Such lines are written once, and then taken as they are: nothing is cheaper to write than what is there already.
"""

from collections.abc import Sequence

import numpy as np

from tcpio.output.cells import Cells, squeeze
from tcpio.schema.distinct import Indices, distinct, pack
from tcpio.schema.record import Records

_SAMPLE = 16  # of so many records one is looked at, to see whether it pays to look at all
_LEAST_SAMPLE = 64
_FEW = 0.8  # of a sample, beyond which it does not


def find_repeats(records: Records, members: Sequence[str]) -> tuple[Indices, Indices] | None:
    """Number the records that differ in these members, if they are few.

    Args:
        records: Shape (N,), dtype RECORD.
        members: Names of members.

    Returns:
        Where each is first, shape (D,), and for each record the index of its like among them, shape (N,); None if most
        differ.
    """
    sample = records[::_SAMPLE]
    if len(sample) < _LEAST_SAMPLE:
        return None
    if len(distinct(pack(sample, members))[0]) > _FEW * len(sample):
        return None
    return distinct(pack(records, members))


def repeat(lines: Sequence[bytes], number: Indices) -> bytes:
    """Put lines behind one another.

    Args:
        lines: The different ones.
        number: Shape (N,): which of them comes when.
    """
    return b"".join(_taken(lines, number))


def repeat_behind(befores: Cells, lines: Sequence[bytes], number: Indices) -> bytes:
    """Put lines behind one another, each behind a text of its own.

    Args:
        befores: Shape (N, width): these texts.
        lines: The different lines.
        number: Shape (N,): which of them comes when.
    """
    pieces = [b""] * (2 * len(number))
    pieces[::2] = _rows(befores)
    pieces[1::2] = _taken(lines, number)
    return b"".join(pieces)


def _rows(cells: Cells) -> list[bytes]:
    lengths = np.count_nonzero(cells, axis=1)
    if lengths.min() == cells.shape[1]:
        rows: list[bytes] = np.ascontiguousarray(cells).view(f"S{cells.shape[1]}")[:, 0].tolist()
        return rows
    text = squeeze([cells])
    ends = np.cumsum(lengths).tolist()
    return [text[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _taken(lines: Sequence[bytes], number: Indices) -> list[bytes]:
    taken: list[bytes] = np.array(lines, object)[number].tolist()
    return taken
