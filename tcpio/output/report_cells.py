# SPDX-License-Identifier: GPL-2.0-only
"""The parts of buckets, and their counters, as cells: see tcpio/output/cells.py."""

from typing import TypeAlias

import numpy as np

from tcpio.output.cells import Cells, addresses, constant, digits, join
from tcpio.schema.address import BITS, IPV4_BITS, V4_MAPPED, to_words
from tcpio.schema.arrays import NDArray
from tcpio.schema.bucket import ADDRESSES, Buckets, Part

Which: TypeAlias = NDArray[np.bool_]
"""Shape (N,): which rows."""

_MAPPED_MASK = np.uint64(to_words(bytes(8) + b"\xff" * 4 + bytes(4))[1])
_MAPPED = np.uint64(to_words(V4_MAPPED + bytes(4))[1])


def masked(cells: Cells, which: Which) -> Cells:
    """Leave nothing in the rows that are not meant."""
    if which.all():
        return cells
    if not which.any():
        return cells[:, :0]
    result: Cells = np.where(which[:, np.newaxis], cells, np.uint8(0))
    return result


def integers(values: NDArray[np.int64]) -> Cells:
    """Write numbers, which may be negative, without leading zeros."""
    cells = digits(np.abs(values).astype(np.uint64))
    negative = values < 0
    return join([masked(constant("-", len(values)), negative), cells]) if negative.any() else cells


def labelled(lead: str, values: NDArray[np.int64], tail: str, *, has_zeros: bool) -> list[Cells]:
    """Write numbers with text around each; nothing for what is 0, unless zeros are wanted."""
    which = np.ones(len(values), np.bool_) if has_zeros else values != 0
    if not which.any():
        return []
    cells = join([constant(lead, len(values)), integers(values), constant(tail, len(values))])
    return [masked(cells, which)]


def part_cells(part: Part, buckets: Buckets) -> Cells:
    """Write a part of buckets, an address with its prefix length if it is a network."""
    values = buckets[part.name]
    if part.name not in ADDRESSES:
        return digits(values)
    cells = addresses(values, 0)
    ipv4 = is_ipv4(buckets, part.name)
    for bits, all_bits, which in ((part.ipv4_bits, IPV4_BITS, ipv4), (part.ipv6_bits, BITS, ~ipv4)):
        if bits < all_bits:
            cells = join([cells, masked(constant(f"/{bits}", len(values)), which)])
    return cells


def end_cells(address: str, port: str, buckets: Buckets) -> list[Cells]:
    """Write one end of sockets: an address, IPv6 in brackets, and a port."""
    count, ipv6 = len(buckets), ~is_ipv4(buckets, address)
    return [
        masked(constant("[", count), ipv6),
        addresses(buckets[address], 0),
        masked(constant("]", count), ipv6),
        constant(":", count),
        digits(buckets[port]),
    ]


def is_ipv4(buckets: Buckets, name: str) -> Which:
    """Tell which addresses are IPv4."""
    words = buckets[name]
    result: Which = (words[:, 0] == 0) & (words[:, 1] & _MAPPED_MASK == _MAPPED)
    return result


def is_known(buckets: Buckets, name: str) -> Which:
    """Tell which buckets have something there: no port or address of a socket that is connected is 0."""
    values = buckets[name]
    result: Which = values.any(axis=1) if values.ndim > 1 else values != 0
    return result
