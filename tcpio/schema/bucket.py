# SPDX-License-Identifier: GPL-2.0-only
"""What counters are summed up by: bpf/bucket.h as numpy sees it, and which parts of it make a bucket."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tcpio.errors import UsageError
from tcpio.schema.address import BITS, IPV4_BITS
from tcpio.schema.arrays import NDArray
from tcpio.schema.c_header import read_header
from tcpio.schema.layout import to_dtype

_STRUCTS = read_header("bucket.h").structs

BUCKET = to_dtype(_STRUCTS["tcp_bucket"], "tcp_bucket")
"""dtype of a bucket, 40 bytes; members are in bpf/bucket.h. What is not part of the bucket is 0."""

CLOSED = to_dtype(_STRUCTS["tcp_closed"], "tcp_closed")
"""dtype of a socket that closed, 104 bytes: the members of its bucket, then the kernel's figures of its life."""

Buckets: TypeAlias = NDArray[np.void]
"""Shape (N,), dtype BUCKET."""

ADDRESSES = ("laddr", "raddr")
PORTS = ("lport", "rport")
TUPLE = ("laddr", "lport", "raddr", "rport")
PARTS = (*TUPLE, "netns")

_HINT = f"a bucket is made of tuple, {', '.join(PARTS)}; an address may have a prefix: raddr/24, raddr/64, raddr/24/64"


@dataclass(frozen=True)
class Part:
    """One member of a bucket.

    Args:
        name: One of PARTS.
        ipv4_bits: Of an IPv4 address, how many bits from the left matter.
        ipv6_bits: Of an IPv6 address.
    """

    name: str
    ipv4_bits: int = IPV4_BITS
    ipv6_bits: int = BITS


@dataclass(frozen=True)
class By:
    """What makes a bucket.

    Args:
        parts: The members that matter, in the order they were asked for, each once.
    """

    parts: tuple[Part, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parts."""
        return tuple(part.name for part in self.parts)

    @property
    def is_socket(self) -> bool:
        """Whether each socket has a bucket of its own.

        Then the network namespace is a part of it, asked for or not: addresses may be the same in two of them.
        """
        whole = {part.name for part in self.parts if part == Part(part.name)}
        return whole.issuperset(TUPLE)


def parse_by(text: str) -> By:
    """Read what ``--by`` takes.

    Args:
        text: Names of PARTS with commas, or ``tuple`` for all but netns. An address may have a prefix length: up to 32
            it is IPv4's and IPv6 addresses count whole, above it the other way round; two are IPv4's and IPv6's.

    Raises:
        UsageError: A part is not known, or comes twice.
    """
    parts: list[Part] = []
    for word in text.split(","):
        parts += [Part(name) for name in TUPLE] if word.strip() == "tuple" else [_parse_part(word.strip())]
    names = [part.name for part in parts]
    if len(set(names)) < len(names):
        raise UsageError(f"cannot sum up by {text!r}: a part comes twice", hint=_HINT)
    return By(tuple(parts))


def _parse_part(word: str) -> Part:
    name, *prefixes = word.split("/")
    if name not in PARTS or (prefixes and name not in ADDRESSES):
        raise UsageError(f"cannot sum up by {word!r}", hint=_HINT)
    match prefixes:
        case []:
            return Part(name)
        case [bits] if _is_length(bits, IPV4_BITS):
            return Part(name, ipv4_bits=int(bits))
        case [bits] if _is_length(bits, BITS):
            return Part(name, ipv6_bits=int(bits))
        case [bits, bits6] if _is_length(bits, IPV4_BITS) and _is_length(bits6, BITS):
            return Part(name, int(bits), int(bits6))
        case _:
            raise UsageError(f"cannot sum up by {word!r}: bad prefix length", hint=_HINT)


def _is_length(text: str, most: int) -> bool:
    return text.isdecimal() and len(text) <= len(str(BITS)) and int(text) <= most
