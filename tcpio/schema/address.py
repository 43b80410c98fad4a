# SPDX-License-Identifier: GPL-2.0-only
"""Addresses as a record has them: 16 bytes in network order, held as two words in this machine's order.

IPv4 addresses are v4-mapped (RFC 4291, 2.5.5.2).
"""

import socket
import sys

BYTES = 16
BITS = 128
IPV4_BITS = 32

V4_MAPPED = bytes(10) + b"\xff\xff"


def to_words(address: bytes) -> tuple[int, int]:
    """Give the two words of 16 bytes, as the record's u64[2] holds them."""
    return int.from_bytes(address[:8], sys.byteorder), int.from_bytes(address[8:], sys.byteorder)


def from_text(text: str) -> bytes:
    """Give the 16 bytes of an IPv4 or IPv6 address.

    Raises:
        ValueError: It is neither.
    """
    try:
        if ":" in text:
            return socket.inet_pton(socket.AF_INET6, text)
        return V4_MAPPED + socket.inet_pton(socket.AF_INET, text)
    except OSError:
        raise ValueError(text) from None


def to_text(address: bytes) -> str:
    """Give the usual text of 16 bytes: dotted quads for v4-mapped ones, else RFC 5952."""
    if address.startswith(V4_MAPPED):
        return socket.inet_ntop(socket.AF_INET, address[len(V4_MAPPED) :])
    return socket.inet_ntop(socket.AF_INET6, address)
