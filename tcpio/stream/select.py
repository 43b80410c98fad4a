# SPDX-License-Identifier: GPL-2.0-only
"""Stages that leave records out, and count them."""

import numpy as np

from tcpio.filter.ast import ALWAYS, Expr
from tcpio.filter.to_mask import make_mask
from tcpio.schema.batch import LAST_NS, Batch
from tcpio.schema.record import no_records


class Select:
    """Keep the records that an expression is true of.

    Attributes:
        dropped: Records that were left out.
    """

    def __init__(self, expr: Expr) -> None:
        self.dropped = 0
        self._mask = None if expr == ALWAYS else make_mask(expr)

    def __call__(self, batch: Batch) -> Batch:
        """Give what is kept of a batch; marks stay."""
        if self._mask is None:
            return batch
        kept = batch.records[self._mask(batch.records)]
        self.dropped += len(batch.records) - len(kept)
        return Batch(kept, batch.marks)


class Period:
    """Keep what is not before a moment, and not behind another.

    Args:
        since_ns: The first moment, as the records have it.
        until_ns: The last moment.

    Attributes:
        dropped: Records that were left out.
        until_ns: The last moment, as it was given.
    """

    def __init__(self, since_ns: int | None, until_ns: int | None) -> None:
        self.dropped = 0
        self.until_ns = until_ns
        self._since_ns = 0 if since_ns is None else min(max(since_ns, 0), LAST_NS)
        self._until_ns = LAST_NS if until_ns is None else min(max(until_ns, -1), LAST_NS)

    def __call__(self, batch: Batch) -> Batch:
        """Give what is kept of a batch."""
        ts_ns = batch.records["ts_ns"]
        is_kept = ts_ns >= np.uint64(self._since_ns)
        is_kept &= (ts_ns <= np.uint64(self._until_ns)) if self._until_ns >= 0 else np.zeros(1, np.bool_)
        marks = tuple(mark for mark in batch.marks if self._since_ns <= mark.ts_ns <= self._until_ns)
        kept = batch.records if is_kept.all() else batch.records[is_kept]
        self.dropped += len(batch.records) - len(kept)
        return Batch(kept, marks)


class Limit:
    """Keep the first records, and no more.

    Args:
        count: How many; None keeps all.

    Attributes:
        dropped: Records that were left out.
    """

    def __init__(self, count: int | None) -> None:
        self.dropped = 0
        self._left = count

    @property
    def is_reached(self) -> bool:
        """Whether nothing more will be kept."""
        return self._left == 0

    def __call__(self, batch: Batch) -> Batch:
        """Give what is kept of a batch; marks behind the last record are left out too."""
        if self._left is None:
            return batch
        was_reached = self.is_reached
        kept = batch.records[: self._left]
        cut = len(batch.records) - len(kept)
        self.dropped += cut
        self._left -= len(kept)
        if was_reached:
            return Batch(no_records())
        if not cut:
            return Batch(kept, batch.marks)
        last_ns = int(kept["ts_ns"][-1])
        return Batch(kept, tuple(mark for mark in batch.marks if mark.ts_ns <= last_ns))
