# SPDX-License-Identifier: GPL-2.0-only
"""Addresses as a record has them, held against Python's own."""

import ipaddress
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpio.schema.address import BYTES, V4_MAPPED, from_text, to_text, to_words

ADDRESS_BYTES = st.binary(min_size=BYTES, max_size=BYTES)


def test_ipv4_is_held_v4_mapped() -> None:
    assert bytes(10) + b"\xff\xff\xc0\x00\x02\x08" == from_text("192.0.2.8")


def test_v4_mapped_text_is_the_same_as_ipv4() -> None:
    assert from_text("192.0.2.8") == from_text("::ffff:192.0.2.8")


def test_v4_mapped_is_written_as_ipv4() -> None:
    assert to_text(V4_MAPPED + b"\x0a\x00\x00\x01") == "10.0.0.1"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("::", "::"),
        ("::1", "::1"),
        ("fe80::1:0:0:1", "fe80::1:0:0:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("0.0.0.0", "0.0.0.0"),  # noqa: S104
        ("255.255.255.255", "255.255.255.255"),
    ],
)
def test_text_is_canonical(text: str, canonical: str) -> None:
    assert canonical == to_text(from_text(text))


@given(ADDRESS_BYTES)
def test_text_names_the_address(address: bytes) -> None:
    read = ipaddress.ip_address(to_text(address))
    packed = V4_MAPPED + read.packed if isinstance(read, ipaddress.IPv4Address) else read.packed

    assert address == packed


@given(ADDRESS_BYTES)
def test_text_reads_back(address: bytes) -> None:
    assert address == from_text(to_text(address))


@given(st.ip_addresses(v=4))
def test_ipv4_is_written_as_python_does(address: ipaddress.IPv4Address) -> None:
    assert str(address) == to_text(V4_MAPPED + address.packed)


@pytest.mark.parametrize("text", ["", "1.2.3", "1.2.3.4.5", "256.1.1.1", "::g", "1.2.3.4/8", "localhost", "fe80::1%lo"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        from_text(text)


@given(ADDRESS_BYTES)
def test_words_lie_in_memory_as_the_address_does(address: bytes) -> None:
    first, second = to_words(address)

    assert address == first.to_bytes(8, sys.byteorder) + second.to_bytes(8, sys.byteorder)
