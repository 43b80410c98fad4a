# SPDX-License-Identifier: GPL-2.0-only
"""Sums made of other sums: of fewer sockets, by fewer parts, or since an earlier reading."""

from dataclasses import replace

import numpy as np

from tcpio.filter.ast import ALWAYS, Expr
from tcpio.filter.pattern import IPV4, to_mask_bytes
from tcpio.filter.to_mask import to_mask
from tcpio.schema.address import BITS, IPV4_BITS, to_words
from tcpio.schema.bucket import ADDRESSES, BUCKET, Buckets, By, Part
from tcpio.schema.distinct import Indices, distinct, pack
from tcpio.schema.sums import Closed, Sums, Values

_MEMBERS = BUCKET.names or ()


def choose(sums: Sums, wanted: Expr) -> Sums:
    """Leave only the buckets that are wanted.

    What belongs to no socket has no address that a filter could want; but who knows what found no room.
    """
    if wanted == ALWAYS:
        return sums
    kept = to_mask(wanted, sums.buckets)
    has_other = sums.overflowed or to_mask(wanted, np.zeros(1, BUCKET))[0]
    other = sums.other if has_other else np.zeros_like(sums.other)
    return replace(sums, buckets=sums.buckets[kept], values=sums.values[kept], other=other)


def choose_closed(closed: Closed, wanted: Expr) -> Closed:
    """Leave only the sockets that are wanted."""
    if wanted == ALWAYS:
        return closed
    kept = to_mask(wanted, closed.sockets)
    return replace(closed, sockets=closed.sockets[kept], values=closed.values[kept])


def fold(sums: Sums, by: By) -> Sums:
    """Add up the buckets that have the same parts."""
    buckets = np.zeros(len(sums.buckets), BUCKET)
    for part in by.parts:
        buckets[part.name] = _masked(part, sums.buckets) if part.name in ADDRESSES else sums.buckets[part.name]
    if by.is_socket:
        buckets["netns"] = sums.buckets["netns"]
    first, number = distinct(pack(buckets, _MEMBERS))
    return replace(sums, buckets=buckets[first], values=add_up(sums.values, number, len(first)))


def add_up(values: Values, number: Indices, count: int) -> Values:
    """Add up the rows that have the same number, which is below ``count``."""
    order = np.argsort(number, kind="stable")
    starts = np.searchsorted(number[order], np.arange(count))
    total: Values = np.add.reduceat(values[order], starts, axis=0) if count else values[:0]
    return total


def _masked(part: Part, buckets: Buckets) -> np.ndarray[tuple[int, int], np.dtype[np.uint64]]:
    words = buckets[part.name]
    ipv4 = (words & np.array(to_words(IPV4.mask), np.uint64) == np.array(to_words(IPV4.value), np.uint64)).all(axis=1)
    ipv4_mask, ipv6_mask = (
        np.array(to_words(to_mask_bytes(bits)), np.uint64)
        for bits in (part.ipv4_bits + BITS - IPV4_BITS, part.ipv6_bits)
    )
    masked: np.ndarray[tuple[int, int], np.dtype[np.uint64]] = words & np.where(
        ipv4[:, np.newaxis], ipv4_mask, ipv6_mask
    )
    return masked


class Deltas:
    """What was counted since the last time."""

    def __init__(self) -> None:
        self._last: Sums | None = None

    def take(self, sums: Sums) -> Sums:
        """Give the difference to what was given the last time; only buckets that something was counted for."""
        last, self._last = self._last, sums
        if last is None:
            return sums
        values = sums.values - _align(last, sums.buckets)
        moved = values.any(axis=1)
        return replace(
            sums,
            buckets=sums.buckets[moved],
            values=values[moved],
            other=sums.other - last.other,
            overflowed=sums.overflowed - last.overflowed,
        )


def _align(sums: Sums, buckets: Buckets) -> Values:
    # The values that these buckets have in `sums`; 0 if they are not in it.
    _, number = distinct(pack(np.concatenate((sums.buckets, buckets)), _MEMBERS))
    known = np.zeros((int(number.max(initial=-1)) + 1, sums.values.shape[1]), np.int64)
    known[number[: len(sums.buckets)]] = sums.values
    values: Values = known[number[len(sums.buckets) :]]
    return values
