# SPDX-License-Identifier: GPL-2.0-only
"""What flows from the rings to the output: records, and marks between them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np

from tcpio.schema.record import RECORD, Records, no_records
from tcpio.schema.tally import PATTERN, Tally, parse_tally


@dataclass(frozen=True)
class Lost:
    """Segments are missing here.

    Args:
        ts_ns: Time of the next record of this CPU; the mark stands before it.
        cpu: The CPU whose ring had no room.
        count: Segments.
    """

    ts_ns: int
    cpu: int
    count: int

    def __str__(self) -> str:
        return f"{self.count} {'segment' if self.count == 1 else 'segments'} lost on CPU {self.cpu}"


@dataclass(frozen=True)
class ClockStep:
    """The system's clock was set while tracing.

    Args:
        ts_ns: When it was noticed.
        step_ns: By how much.
        is_followed: Whether the wall times of this run follow it; they never go back.
    """

    ts_ns: int
    step_ns: int
    is_followed: bool

    def __str__(self) -> str:
        note = "" if self.is_followed else "; times here go on without it"
        return f"the clock was set {'forward' if self.step_ns > 0 else 'back'} by {abs(self.step_ns) / 1e9:.6f} s{note}"


@dataclass(frozen=True)
class Overload:
    """The rings are full: what comes now is counted, and not printed.

    Args:
        ts_ns: When the first segment found no room.
    """

    ts_ns: int

    def __str__(self) -> str:
        return _OVERLOAD


@dataclass(frozen=True)
class Counted:
    """Segments were counted up to here, and not printed.

    Args:
        ts_ns: When the reader had caught up.
        sent: Those that were sent.
        received: Those that were received.
    """

    ts_ns: int
    sent: Tally
    received: Tally

    @property
    def count(self) -> int:
        """Segments."""
        return self.sent.segments + self.received.segments

    def __str__(self) -> str:
        segments = "segment" if self.count == 1 else "segments"
        sent, received = (
            f"{self.sent.segments} sent with {self.sent}",
            f"{self.received.segments} received with {self.received}",
        )
        return f"{self.count} {segments} counted, not printed: {sent}, {received}"


Mark: TypeAlias = Lost | ClockStep | Overload | Counted

LAST_NS = (1 << 63) - 1
"""The last moment that an i64 of ns since 1970 can hold."""

_LAST_CPU = int(np.iinfo(RECORD["cpu"]).max)
_LOST = re.compile(r"(\d{1,18}) segments? lost on CPU (\d{1,9})")
_CLOCK_STEP = re.compile(r"the clock was set (forward|back) by (\d{1,9})\.(\d{6}) s(; times here go on without it)?")


_OVERLOAD = "overload, from here on segments are counted, not printed"
_COUNTED = re.compile(rf"\d{{1,19}} segments? counted, not printed: {PATTERN % 'sent'}, {PATTERN % 'received'}")


def parse_mark(text: str, ts_ns: int) -> Mark | None:
    """Read what ``str`` gives of a mark; None if it is none. Of a step of the clock the microseconds are left."""
    found: Mark | None = None
    if match := _LOST.fullmatch(text):
        found = Lost(ts_ns, int(match[2]), int(match[1]))
    elif match := _CLOCK_STEP.fullmatch(text):
        step_ns = int(match[2] + match[3]) * 1000
        found = ClockStep(ts_ns, step_ns if match[1] == "forward" else -step_ns, is_followed=match[4] is None)
    elif match := _COUNTED.fullmatch(text):
        sent, received = parse_tally(match[1], match[2]), parse_tally(match[3], match[4])
        found = Counted(ts_ns, sent, received) if sent and received else None
    elif text == _OVERLOAD:
        found = Overload(ts_ns)
    return found if found and is_possible(found) else None


def read_mark(text: str, ts_ns: int) -> Mark:
    """Read what ``str`` gives of a mark.

    Raises:
        ValueError: It is none.
    """
    mark = parse_mark(text, ts_ns)
    if mark is None:
        raise ValueError(f"no mark: {text[:80]!r}")
    return mark


def is_possible(mark: Mark) -> bool:
    """Tell whether the numbers of a mark that was read are such that a trace can have written them."""
    if not 0 <= mark.ts_ns <= LAST_NS:
        return False
    if isinstance(mark, Lost):
        return 0 <= mark.cpu <= _LAST_CPU and 0 <= mark.count <= LAST_NS
    return not isinstance(mark, ClockStep) or abs(mark.step_ns) <= LAST_NS


class Batch(NamedTuple):
    """Records and the marks that belong between them.

    Args:
        records: Shape (N,), dtype RECORD.
        marks: Each stands before the first record that is not older.
    """

    records: Records
    marks: tuple[Mark, ...] = ()


def join(batches: Sequence[Batch]) -> Batch:
    """Put batches behind one another; if only one has records, these stay where they lie."""
    filled = [batch.records for batch in batches if len(batch.records)]
    if len(filled) == 1:
        return Batch(filled[0], _all_marks(batches))
    return copied(batches)


def copied(batches: Sequence[Batch]) -> Batch:
    """Put batches behind one another, in memory of their own."""
    # As opaque items, which numpy copies faster than structured ones; wherever they lie, so that it is done once.
    opaque = [batch.records.view(f"V{RECORD.itemsize}") for batch in batches if len(batch.records)]
    return Batch(np.concatenate(opaque).view(RECORD) if opaque else no_records(), _all_marks(batches))


def _all_marks(batches: Sequence[Batch]) -> tuple[Mark, ...]:
    return tuple(mark for batch in batches for mark in batch.marks)
