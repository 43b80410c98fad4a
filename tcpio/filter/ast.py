# SPDX-License-Identifier: GPL-2.0-only
"""What is asked of a record, as one small tree that is read in several ways: as C, as a numpy mask, as text."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from tcpio.schema.address import BYTES, to_words
from tcpio.schema.c_header import SIZES, read_header

# The programs have no more of the record when they ask: see TCPIO_WANTED in bpf/segments.c.
_KNOWN_IN_TIME = ("laddr", "raddr", "lport", "rport", "netns", "flags", "dir")

_MEMBERS = {member.name: member for member in read_header("record.h").structs["tcp_record"]}

ADDRESSES = tuple(name for name in _KNOWN_IN_TIME if _MEMBERS[name].count)
"""The members that Masked may ask of."""

LIMITS = {name: (1 << 8 * SIZES[_MEMBERS[name].type]) - 1 for name in _KNOWN_IN_TIME if name not in ADDRESSES}
"""The members that Between and AnyBit may ask of -> the largest number that each can hold."""


@dataclass(frozen=True)
class Masked:
    """The address has these bits.

    Args:
        field: One of ADDRESSES.
        mask: 16 bytes in network order: the bits that matter.
        value: 16 bytes: what they are; 0 where they do not matter.
    """

    field: str
    mask: bytes
    value: bytes

    def __post_init__(self) -> None:
        if self.field not in ADDRESSES or not len(self.mask) == len(self.value) == BYTES:
            raise ValueError(self)
        if any(value & ~mask for value, mask in zip(self.value, self.mask, strict=True)):
            raise ValueError(self)

    def words(self) -> Iterator[tuple[int, int, int]]:
        """Give index, mask and value of each word of the record's u64[2] that matters."""
        for index, (mask, value) in enumerate(zip(to_words(self.mask), to_words(self.value), strict=True)):
            if mask:
                yield index, mask, value


@dataclass(frozen=True)
class Between:
    """The number is not less than ``low`` and not greater than ``high``.

    Args:
        field: One of LIMITS.
        low: At least 0.
        high: At least ``low``, at most what the member can hold.
    """

    field: str
    low: int
    high: int

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high <= LIMITS.get(self.field, -1):
            raise ValueError(self)


@dataclass(frozen=True)
class AnyBit:
    """At least one of these bits of the number is set.

    Args:
        field: One of LIMITS.
        bits: The bits, at least one.
    """

    field: str
    bits: int

    def __post_init__(self) -> None:
        if not 0 < self.bits <= LIMITS.get(self.field, -1):
            raise ValueError(self)


@dataclass(frozen=True)
class AllOf:
    """Every term is true; so it is if there is none."""

    terms: tuple["Expr", ...]


@dataclass(frozen=True)
class AnyOf:
    """At least one term is true; so it is not if there is none."""

    terms: tuple["Expr", ...]


@dataclass(frozen=True)
class Not:
    """The term is not true."""

    term: "Expr"


Expr: TypeAlias = Masked | Between | AnyBit | AllOf | AnyOf | Not

ALWAYS = AllOf(())
NEVER = AnyOf(())


def all_of(*terms: Expr) -> Expr:
    """Give the expression that is true if every term is, without needless nesting."""
    flat: list[Expr] = []
    for term in terms:
        flat += term.terms if isinstance(term, AllOf) else (term,)
    if NEVER in flat:
        return NEVER
    return flat[0] if len(flat) == 1 else AllOf(tuple(flat))


def any_of(*terms: Expr) -> Expr:
    """Give the expression that is true if at least one term is, without needless nesting."""
    flat: list[Expr] = []
    for term in terms:
        flat += term.terms if isinstance(term, AnyOf) else (term,)
    if ALWAYS in flat:
        return ALWAYS
    return flat[0] if len(flat) == 1 else AnyOf(tuple(flat))
