# SPDX-License-Identifier: GPL-2.0-only
"""Put the records of all CPUs in the order of their timestamps, as they come.

A ring is only nearly in order: a softirq that interrupts a program is stamped later and written earlier. And rings
are read one after the other. So each round is sorted, and released up to the highest timestamp that the *previous*
round ended with: a record may be stamped before and written after its neighbour, but not a whole round later (the
rule of perf's ordered events, tools/perf/util/ordered-events.h).
"""

import numpy as np

from tcpio.schema.batch import Batch, Mark, join
from tcpio.schema.record import Records, no_records, take


class Order:
    """Records on their way from the rings to the output.

    Attributes:
        late: Records that came after a younger one had been released. They are released all the same.
    """

    def __init__(self) -> None:
        self.late = 0
        self._pushed: list[Batch] = []
        self._held = Batch(no_records())
        self._horizon_ns = 0  # the highest timestamp that the previous round ended with
        self._released_ns = 0

    @property
    def held(self) -> int:
        """Records that were pushed and are not released yet."""
        return len(self._held.records) + sum(len(batch.records) for batch in self._pushed)

    def push(self, batch: Batch) -> None:
        """Take what a drain gave."""
        self._pushed.append(batch)

    def end_round(self) -> Batch:
        """Give what no later round can precede, in order."""
        batch = self._sort()
        horizon_ns = self._horizon_ns
        # A mark counts as well, or one that no record follows would be held until the end.
        ends_ns = [*batch.records["ts_ns"][-1:].tolist(), *(mark.ts_ns for mark in batch.marks[-1:])]
        self._horizon_ns = max([horizon_ns, *ends_ns])
        return self._release(batch, horizon_ns)

    def flush(self) -> Batch:
        """Give all that is left, in order."""
        batch = self._sort()
        self._held = Batch(no_records())
        self._count_late(batch.records)
        return batch

    def _sort(self) -> Batch:
        joined = join([self._held, *self._pushed])
        self._pushed = []
        return Batch(_sorted(joined.records), tuple(sorted(joined.marks, key=_mark_time)))

    def _release(self, batch: Batch, until_ns: int) -> Batch:
        cut = int(np.searchsorted(batch.records["ts_ns"], until_ns, side="right"))
        due = [mark.ts_ns <= until_ns for mark in batch.marks]
        self._held = Batch(
            batch.records[cut:], tuple(mark for mark, is_due in zip(batch.marks, due, strict=True) if not is_due)
        )
        released = batch.records[:cut]
        self._count_late(released)
        if cut:
            self._released_ns = max(self._released_ns, int(released["ts_ns"][-1]))
        return Batch(released, tuple(mark for mark, is_due in zip(batch.marks, due, strict=True) if is_due))

    def _count_late(self, released: Records) -> None:
        self.late += int(np.searchsorted(released["ts_ns"], self._released_ns, side="left"))


def _mark_time(mark: Mark) -> int:
    return mark.ts_ns


def _sorted(records: Records) -> Records:
    times = np.ascontiguousarray(records["ts_ns"])
    if np.all(times[1:] >= times[:-1]):
        return records
    # Runs that are in order already, one per CPU, are what a stable sort is quick at.
    return take(records, np.argsort(times, kind="stable"))


class NoOrder(Order):
    """Records as they were drained, for ``--no-order``: CPU by CPU."""

    def end_round(self) -> Batch:
        """Give all that was pushed."""
        return self.flush()

    def flush(self) -> Batch:
        """Give all that was pushed."""
        batch = join(self._pushed)
        self._pushed = []
        return batch
