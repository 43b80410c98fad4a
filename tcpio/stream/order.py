# SPDX-License-Identifier: GPL-2.0-only
"""Put the records of all CPUs in the order of their timestamps, as they come.

A ring is only nearly in order: a softirq that interrupts a program is stamped later and written earlier. And rings
are read one after the other. So each round is sorted, and released up to the highest timestamp that the *previous*
round ended with: a record may be stamped before and written after its neighbour, but not a whole round later (the
rule of perf's ordered events, tools/perf/util/ordered-events.h). That is what the previous round brought, and the few
records of this one that go between.
"""

from typing import NamedTuple

import numpy as np

from tcpio.schema.arrays import NDArray
from tcpio.schema.batch import LAST_NS, Batch, Mark, join
from tcpio.schema.record import Records, no_records, take


class _Run(NamedTuple):
    # Records in order, and their times in one piece.
    records: Records
    times: NDArray[np.uint64]


class Order:
    """Records on their way from the rings to the output.

    Attributes:
        late: Records that came after a younger one had been released. They are released all the same.
    """

    def __init__(self) -> None:
        self.late = 0
        self._pushed: list[Batch] = []
        self._held = _sorted(no_records())  # none is behind the horizon
        self._marks: list[Mark] = []
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
        until_ns = self._horizon_ns
        run = self._sort_pushed()
        # A mark counts as well, or one that no record follows would be held until the end.
        self._horizon_ns = max([until_ns, *run.times[-1:].tolist(), *(mark.ts_ns for mark in self._marks)])
        cut = int(np.searchsorted(run.times, np.uint64(until_ns), side="right"))
        due = _merge(self._held, _Run(run.records[:cut], run.times[:cut]))
        self._held = _Run(run.records[cut:], run.times[cut:])
        return self._release(due, until_ns)

    def flush(self) -> Batch:
        """Give all that is left, in order."""
        due = _merge(self._held, self._sort_pushed())
        self._held = _sorted(no_records())
        return self._release(due, LAST_NS)

    def _sort_pushed(self) -> _Run:
        joined = join(self._pushed)
        self._pushed = []
        self._marks = sorted([*self._marks, *joined.marks], key=_mark_time)
        return _sorted(joined.records)

    def _release(self, due: _Run, until_ns: int) -> Batch:
        marks = tuple(mark for mark in self._marks if mark.ts_ns <= until_ns)
        self._marks = self._marks[len(marks) :]
        self.late += int(np.searchsorted(due.times, np.uint64(self._released_ns), side="left"))
        self._released_ns = max([self._released_ns, *due.times[-1:].tolist()])
        return Batch(due.records, marks)


def _mark_time(mark: Mark) -> int:
    return mark.ts_ns


def _sorted(records: Records) -> _Run:
    times = np.ascontiguousarray(records["ts_ns"])
    if np.all(times[1:] >= times[:-1]):
        return _Run(records, times)
    # Runs that are in order already, one per CPU, are what a stable sort is quick at.
    order = np.argsort(times, kind="stable")
    return _Run(take(records, order), times[order])


def _merge(run: _Run, later: _Run) -> _Run:
    # What was pushed later is mostly younger, so that only the end of the first run moves.
    if not len(later.times):
        return run
    begin = int(np.searchsorted(run.times, later.times[0], side="right"))
    end = _sorted(_join(run.records[begin:], later.records))
    return _Run(_join(run.records[:begin], end.records), np.concatenate((run.times[:begin], end.times)))


def _join(records: Records, others: Records) -> Records:
    return join((Batch(records), Batch(others))).records


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
