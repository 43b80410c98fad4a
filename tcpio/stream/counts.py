# SPDX-License-Identifier: GPL-2.0-only
"""What became of the segments of a run, in words."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Counts(NamedTuple):
    """Segments by what became of them: all up to lost are together what the programs submitted.

    Args:
        printed: Written to the output.
        not_printed: Read, but not written: beyond ``-c``, or the output had failed.
        filtered: Left out by filters that are too many for the kernel.
        counted: Counted instead of printed, since the rings were full; None if that was not asked for.
        lost: By CPU: its ring had no room.
        missed: The kernel did not run a program; not in the sum, since nothing was submitted.
        missed_unknown: The hooks for which the kernel does not count that.
        late: Printed out of order.
        unreadable: Seen, but without a header to read.
    """

    printed: int
    not_printed: int = 0
    filtered: int = 0
    counted: int | None = None
    lost: Mapping[int, int] = MappingProxyType({})
    missed: int = 0
    missed_unknown: tuple[str, ...] = ()
    late: int = 0
    unreadable: int = 0

    def __str__(self) -> str:
        lost = sum(self.lost.values())
        parts = [f"{self.printed} {'segment' if self.printed == 1 else 'segments'} printed"]
        parts += [f"{self.not_printed} not printed"] * bool(self.not_printed)
        parts += [f"{self.filtered} filtered"] * bool(self.filtered)
        parts += [f"{self.counted} counted"] * (self.counted is not None)
        parts += [f"{lost} lost"]
        parts += [f"{self.missed} missed"] * bool(self.missed)
        parts += [f"{self.late} late"] * bool(self.late)
        parts += [f"{self.unreadable} unreadable"] * bool(self.unreadable)
        text = ", ".join(parts)
        if lost:
            text += "; lost by CPU: " + ", ".join(f"{cpu}: {count}" for cpu, count in self.lost.items() if count)
        if self.missed_unknown:
            text += f"; missed: not countable on this kernel for {', '.join(self.missed_unknown)}"
        return text


class SumCounts(NamedTuple):
    """What became of a summary.

    Args:
        buckets: How many there are; of sockets, with ``closed``, those that are still open.
        closed: Sockets that closed and were shown; None if they are not.
        overflowed: How often something was counted in ``other``, for want of room for its bucket.
        missed: The kernel did not run a program.
        missed_unknown: The hooks for which the kernel does not count that.
    """

    buckets: int
    closed: int | None = None
    overflowed: int = 0
    missed: int = 0
    missed_unknown: tuple[str, ...] = ()

    @property
    def is_trouble(self) -> bool:
        """Whether something is not as it was asked for."""
        return bool(self.overflowed or self.missed)

    def __str__(self) -> str:
        if self.closed is None:
            parts = [f"{self.buckets} {'bucket' if self.buckets == 1 else 'buckets'}"]
        else:
            parts = [
                f"{self.closed} {'socket' if self.closed == 1 else 'sockets'} closed",
                f"{self.buckets} still open",
            ]
        parts += [f"{self.overflowed} times no room for a bucket (see --max-buckets)"] * bool(self.overflowed)
        parts += [f"{self.missed} missed"] * bool(self.missed)
        unknown = f"; missed: not countable on this kernel for {', '.join(self.missed_unknown)}"
        return ", ".join(parts) + unknown * bool(self.missed_unknown)
