# SPDX-License-Identifier: GPL-2.0-only
"""Random filters, expressions and records, and the plainest reading of an expression there is."""

import sys
from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from tcpio.filter.ast import ADDRESSES, LIMITS, AllOf, AnyBit, AnyOf, Between, Expr, Masked, Not
from tcpio.filter.parse import parse_filter
from tcpio.filter.pattern import Filter
from tcpio.schema.address import BYTES, V4_MAPPED, to_words
from tcpio.schema.record import RECORD, Records

unhurried = settings(deadline=None, max_examples=60)
"""For tests that use these: a busy machine is no failure, and to draw them takes long."""

# Few values, so that filters and records often meet.
OCTETS = st.sampled_from((0, 1, 9, 10, 128, 255))
IPV4_ADDRESSES = st.builds(lambda octets: V4_MAPPED + bytes(octets), st.lists(OCTETS, min_size=4, max_size=4))
IPV6_ADDRESSES = st.builds(
    lambda head, tail: bytes.fromhex(head) + bytes(tail),
    st.sampled_from(("20010db8", "20010db9", "fe800000", "00000000")),
    st.lists(st.sampled_from((0, 1, 0xFF)), min_size=BYTES - 4, max_size=BYTES - 4),
)
ADDRESS_BYTES = IPV4_ADDRESSES | IPV6_ADDRESSES | st.just(bytes(BYTES)) | st.just(V4_MAPPED + bytes(4))


def _numbers(limit: int) -> st.SearchStrategy[int]:
    return st.sampled_from((0, 1, 2, 22, 255, 443, limit - 1, limit)).filter(lambda number: number <= limit)


@st.composite
def masked(draw: st.DrawFn) -> Masked:
    """Give an address under any mask, prefixes most of all."""
    prefix = draw(st.integers(0, 128))
    masks = (
        ((1 << 128) - (1 << 128 - prefix)).to_bytes(BYTES, "big"),
        b"\xff" * 12 + bytes(draw(st.lists(st.sampled_from((0, 0xFF)), min_size=4, max_size=4))),
        draw(st.binary(min_size=BYTES, max_size=BYTES)),
    )
    mask = draw(st.sampled_from(masks))
    value = bytes(a & b for a, b in zip(draw(ADDRESS_BYTES), mask, strict=True))
    return Masked(draw(st.sampled_from(ADDRESSES)), mask, value)


@st.composite
def between(draw: st.DrawFn) -> Between:
    """Give a range, often of one number, often without an end."""
    field = draw(st.sampled_from(tuple(LIMITS)))
    ends = st.lists(_numbers(LIMITS[field]), min_size=1, max_size=2)
    low, *_, high = sorted(draw(ends)) * 2
    return Between(field, min(low, high), max(low, high))


@st.composite
def any_bit(draw: st.DrawFn) -> AnyBit:
    """Give bits of a number."""
    field = draw(st.sampled_from(tuple(LIMITS)))
    return AnyBit(field, draw(st.integers(1, min(LIMITS[field], 0x1FF))))


def _compounds(terms: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    several = st.lists(terms, max_size=4).map(tuple)
    return several.map(AllOf) | several.map(AnyOf) | terms.map(Not)


EXPRESSIONS: st.SearchStrategy[Expr] = st.recursive(masked() | between() | any_bit(), _compounds, max_leaves=8)


@st.composite
def _address_texts(draw: st.DrawFn) -> str:
    octet = st.just("*") | OCTETS.map(str)
    network = draw(
        st.sampled_from(("*", "*.*.*.*", "10.0.0.0/8", "9.128.0.0/9", "0.0.0.0/0", "10.0.0.1"))
        | st.sampled_from(
            ("[::/0]", "[::/64]", "[::/90]", "[::ffff:0:0/96]", "[2001:db8::/32]", "[::ffff:10.0.0.0/104]")
        )
        | st.sampled_from(("[1:2:3:4:5:6:7::]", "[FE80::1]", "[::]", "[::ffc0:0:0/90]", "[1::8/125]"))
        | st.just(".")
    )
    return network if network != "." else ".".join(draw(st.lists(octet, min_size=4, max_size=4)))


_PORT_TEXTS = st.sampled_from(("*", "0", "22", "443", "65535", "0..22", "22..443", "255..65535", "0..65535", "1..1"))

FILTER_TEXTS = st.builds(
    "{}{}:{}-{}:{}".format, st.sampled_from(("", "!")), _address_texts(), _PORT_TEXTS, _address_texts(), _PORT_TEXTS
)
FILTERS: st.SearchStrategy[Filter] = FILTER_TEXTS.map(parse_filter)


@st.composite
def records(draw: st.DrawFn, max_size: int = 8) -> Records:
    """Give a batch of records, some of which are alike."""
    kinds = st.fixed_dictionaries(
        {name: ADDRESS_BYTES.map(to_words) for name in ADDRESSES}
        | {name: _numbers(limit) for name, limit in LIMITS.items()}
    )
    rows = draw(st.lists(kinds, max_size=max_size))
    batch = np.zeros(len(rows), RECORD)
    for record, row in zip(batch, rows, strict=True):
        for name, value in row.items():
            record[name] = value
    return batch


def reads_true(expr: Expr, record: Any) -> bool:  # noqa: ANN401  numpy's scalars of a structured dtype have no type
    """Tell whether an expression is true of one record, without any cleverness."""
    match expr:
        case AllOf(terms):
            return all(reads_true(term, record) for term in terms)
        case AnyOf(terms):
            return any(reads_true(term, record) for term in terms)
        case Not(term):
            return not reads_true(term, record)
        case Masked(field, mask, value):
            address = b"".join(int(word).to_bytes(8, sys.byteorder) for word in record[field])
            return bytes(a & b for a, b in zip(address, mask, strict=True)) == value
        case Between(field, low, high):
            return low <= int(record[field]) <= high
        case AnyBit(field, bits):
            return int(record[field]) & bits != 0
