# SPDX-License-Identifier: GPL-2.0-only
"""A filter as the user gives it: the two ends of a connection."""

from typing import NamedTuple

from tcpio.filter.ast import LIMITS
from tcpio.schema.address import BITS, BYTES, IPV4_BITS, V4_MAPPED

MAX_PORT = LIMITS["lport"]
MAX_OCTET = 255


class Network(NamedTuple):
    """Addresses that have some bits in common.

    Args:
        mask: 16 bytes in network order: the bits.
        value: 16 bytes: what they are.
        is_ipv6_only: Whether the bits alone would also fit v4-mapped addresses, which are not meant.
    """

    mask: bytes
    value: bytes
    is_ipv6_only: bool = False


ANY = Network(bytes(BYTES), bytes(BYTES))
IPV4 = Network(
    mask=bytes([MAX_OCTET] * len(V4_MAPPED)) + bytes(IPV4_BITS // 8),
    value=V4_MAPPED + bytes(IPV4_BITS // 8),
)


class Ports(NamedTuple):
    """The ports from ``low`` to ``high``, both included."""

    low: int
    high: int


ANY_PORT = Ports(0, MAX_PORT)


class Filter(NamedTuple):
    """What one filter on the command line says.

    Args:
        laddr: The local addresses.
        lport: The local ports.
        raddr: The remote addresses.
        rport: The remote ports.
        is_exclusion: Whether what it describes is not wanted.
    """

    laddr: Network
    lport: Ports
    raddr: Network
    rport: Ports
    is_exclusion: bool = False


def to_mask_bytes(prefix: int) -> bytes:
    """Give the 16 bytes whose first ``prefix`` bits are set."""
    return ((1 << BITS) - (1 << BITS - prefix)).to_bytes(BYTES, "big")
