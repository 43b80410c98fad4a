# SPDX-License-Identifier: GPL-2.0-only
"""tcpio's counters held against the kernel's own (RFC 4022, net/ipv4/proc.c)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tcpio.schema.counters import Counter
from tcpio.schema.sums import Values

_ALL_PROTOCOLS = ("Ip", "Ip6")
"""Blocks of which the kernel counts more than TCP."""


@dataclass(frozen=True)
class Row:
    """One counter, counted twice.

    Args:
        counter: The counter.
        buckets: tcpio's sum over all buckets.
        other: What tcpio counted for no bucket.
        kernel: The kernel's difference; of what it may have been, the nearest to tcpio's.
        slack: How far the kernel's counter moved while it was read: as far its difference is not known.
    """

    counter: Counter
    buckets: int
    other: int
    kernel: int
    slack: int

    @property
    def difference(self) -> int:
        """How much more the kernel counted."""
        return self.kernel - self.buckets - self.other

    @property
    def is_of_tcp(self) -> bool:
        """Whether the kernel counts TCP alone here, so that both have to be equal."""
        return self.counter.block not in _ALL_PROTOCOLS


@dataclass(frozen=True)
class Audit:
    """The comparison.

    Args:
        rows: Of each counter that the kernel has too.
        without: Counters that it does not have.
    """

    rows: tuple[Row, ...]
    without: tuple[Counter, ...]


def compare(
    counters: Sequence[Counter], buckets: Values, other: Values, least: Mapping[str, int], most: Mapping[str, int]
) -> Audit:
    """Hold sums against the kernel's counters.

    Each of these is read twice at the beginning and twice at the end, before and after tcpio begins or ends to count.

    Args:
        counters: What tcpio counted.
        buckets: Its sums over all buckets; shape (counters,).
        other: What belongs to none; shape (counters,).
        least: nstat's name -> the difference from the later reading at the beginning to the earlier one at the end.
        most: From the earlier one at the beginning to the later one at the end.
    """
    rows = []
    for counter, inside, outside in zip(counters, buckets.tolist(), other.tolist(), strict=True):
        if counter.key in most:
            low, high = sorted((least.get(counter.key, 0), most[counter.key]))
            rows.append(Row(counter, inside, outside, min(max(inside + outside, low), high), high - low))
    return Audit(tuple(rows), tuple(counter for counter in counters if counter.key not in most))
