# SPDX-License-Identifier: GPL-2.0-only
"""Lines that are alike. Of a busy connection's segments most differ in nothing but when they passed.

Such lines are written once, and then taken as they are: nothing is cheaper to write than what is there already.
"""

from collections.abc import Sequence

import numpy as np

from tcpio.output.cells import Cells
from tcpio.schema.distinct import Indices, distinct, pack
from tcpio.schema.record import Records
from tcpio.stream.lines import items

_SAMPLE = 16  # of so many records one is looked at, to see whether it pays to look at all
_LEAST_SAMPLE = 64
_FEW = 0.8  # of a sample, beyond which it does not
_AT_ONCE = 1 << 12  # whose text stays in the processor's cache
_NEWLINE = ord("\n")


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


def repeat(text: bytes, number: Indices, befores: Cells | None = None) -> bytes | memoryview:
    """Put lines behind one another.

    Args:
        text: The different lines.
        number: Shape (N,): which of them comes when.
        befores: Shape (N, width): what stands before each, if anything does.
    """
    ends = np.flatnonzero(np.frombuffer(text, np.uint8) == _NEWLINE) + 1
    begins = np.concatenate(([0], ends[:-1]))
    longest = int((ends - begins).max())
    width = befores.shape[1] if befores is not None else 0
    sizes = (ends - begins)[number] + width
    places = np.cumsum(sizes) - sizes
    written: Cells = np.empty(int(sizes.sum()) + longest, np.uint8)
    source = items(np.frombuffer(text + bytes(longest), np.uint8), longest)[begins]
    target = items(written, longest)
    # As many bytes of each as the longest has: what is too much is written over by what follows, the times last.
    for at in range(0, len(number), _AT_ONCE):
        some = slice(at, at + _AT_ONCE)
        target[places[some] + width] = source.take(number[some])
        if befores is not None:
            items(written, width)[places[some]] = np.ascontiguousarray(befores[some]).view(f"V{width}")[:, 0]
    done = written[: len(written) - longest].data
    return done if befores is None or befores.min() else done.tobytes().translate(None, b"\0")
