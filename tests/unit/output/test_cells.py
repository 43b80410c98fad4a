# SPDX-License-Identifier: GPL-2.0-only
"""Text as byte matrices, held against Python's own formatting."""

import ipaddress
import socket
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpio.output import cells
from tcpio.output.cells import (
    Cells,
    addresses,
    compact,
    constant,
    digits,
    fixed_digits,
    join,
    numbers,
    pad,
    squeeze,
    table,
)
from tcpio.schema.address import from_text, to_words

DTYPES = {"u1": 8, "u2": 16, "u4": 32, "u8": 64}


def rows(matrix: Cells) -> list[str]:
    """The text of each row, blanks included, nothing left out but what is nothing."""
    return [row.tobytes().replace(b"\0", b"").decode() for row in matrix]


@st.composite
def arrays(draw: st.DrawFn) -> tuple[str, list[int]]:
    dtype = draw(st.sampled_from(sorted(DTYPES)))
    limit = 1 << DTYPES[dtype]
    near_powers = st.sampled_from([10**power + step for power in range(20) for step in (-1, 0, 1)])
    values = st.integers(0, limit - 1) | near_powers.filter(lambda value: value < limit)
    return dtype, draw(st.lists(values, max_size=30))


@given(arrays())
def test_digits_are_pythons(array: tuple[str, list[int]]) -> None:
    dtype, values = array

    assert [str(value) for value in values] == rows(digits(np.array(values, dtype)))


@given(arrays(), st.integers(1, 20))
def test_fixed_digits_are_pythons_with_zeros(array: tuple[str, list[int]], count: int) -> None:
    values = [value for value in array[1] if value < 10**count]

    assert [f"{value:0{count}d}" for value in values] == rows(fixed_digits(np.array(values, np.uint64), count))


@given(arrays(), st.integers(1, 24))
def test_numbers_are_pythons_and_never_cut(array: tuple[str, list[int]], width: int) -> None:
    dtype, values = array

    assert [f"{value:{width}d}" for value in values] == rows(numbers(np.array(values, dtype), width))


@given(st.lists(st.integers(0, 0xFFFF), max_size=20), st.integers(0, 8))
def test_ports_are_pythons(values: list[int], width: int) -> None:
    assert [f"{value:<{width}d}" for value in values] == rows(cells.ports(np.array(values, np.uint16), width))


def pythons_text(packed: bytes) -> str:
    mapped = ipaddress.IPv6Address(packed).ipv4_mapped
    return str(mapped) if mapped else socket.inet_ntop(socket.AF_INET6, packed)


def matrix_of(packed: Sequence[bytes]) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint64]]":
    return np.array([to_words(one) for one in packed], np.uint64).reshape(len(packed), 2)


PACKED = st.one_of(
    st.ip_addresses(v=4).map(lambda address: bytes(10) + b"\xff\xff" + address.packed),
    st.ip_addresses(v=6).map(lambda address: address.packed),
    st.binary(min_size=16, max_size=16),
    st.sampled_from(["::", "::1", "::1.2.3.4", "fe80::", "::fffe:1.2.3.4", "0.0.0.0", "255.255.255.255"]).map(  # noqa: S104
        from_text
    ),
)


@given(st.lists(PACKED, max_size=20), st.sampled_from([0, 15, 16, 39]))
def test_addresses_are_pythons(packed: list[bytes], width: int) -> None:
    expected = [pythons_text(one).rjust(width) for one in packed]

    assert expected == rows(addresses(matrix_of(packed), width))


def test_an_address_that_is_there_twice_is_written_twice() -> None:
    packed = [from_text("192.0.2.1"), from_text("2001:db8::1"), from_text("192.0.2.1")]

    assert ["192.0.2.1", "2001:db8::1", "192.0.2.1"] == rows(addresses(matrix_of(packed), 0))


def test_addresses_of_a_record_need_not_lie_in_one_piece() -> None:
    wide = np.zeros((2, 4), np.uint64)
    wide[:, ::2] = [to_words(from_text("192.0.2.1")), to_words(from_text("2001:db8::1"))]

    assert ["  192.0.2.1", "2001:db8::1"] == rows(addresses(wide[:, ::2], 11))


def test_a_constant_is_the_same_in_each_row() -> None:
    assert ["->", "->"] == rows(constant("->", 2))
    assert ["", ""] == rows(constant("", 2))
    assert [] == rows(constant("->", 0))


def test_a_table_has_a_row_for_each_word() -> None:
    assert ["send", "", "receive"] == rows(table(["send", "", "receive"]))
    assert (0, 0) == table([]).shape


@pytest.mark.parametrize(
    ("is_left", "padded"), [(False, ["    ", "  ab", "abcdef"]), (True, ["    ", "ab  ", "abcdef"])]
)
def test_what_is_short_is_padded_and_what_is_long_stays(is_left: bool, padded: list[str]) -> None:  # noqa: FBT001
    assert padded == rows(pad(table(["", "ab", "abcdef"]), 4, is_left=is_left))


@given(st.lists(st.text("abc", max_size=90), max_size=9), st.integers(0, 200), st.booleans())
def test_padding_is_pythons(words: list[str], width: int, is_left: bool) -> None:  # noqa: FBT001
    expected = [word.ljust(width) if is_left else word.rjust(width) for word in words]

    assert expected == rows(pad(table(words), width, is_left=is_left))


def test_nothing_to_pad_is_not_copied() -> None:
    words = table(["ab", "cd"])

    assert pad(words, 2, is_left=True) is words


def test_cells_are_joined_side_by_side() -> None:
    assert join([table(["a", "bcd"]), constant(":", 2), table(["", "x"])]).tobytes() == b"a\0\0:\0bcd:x"


@given(st.lists(st.binary(min_size=6, max_size=6), max_size=9))
def test_compact_cells_say_the_same_in_as_little_room_as_can_be(raw: list[bytes]) -> None:
    cells: Cells = np.frombuffer(b"".join(raw), np.uint8).reshape(len(raw), 6)
    bare = [row.replace(b"\0", b"") for row in raw]
    width = max(map(len, bare), default=0)

    assert [row.ljust(width, b"\0") for row in bare] == [row.tobytes() for row in compact(cells)]


def test_squeezing_joins_cells_and_leaves_nothing_between() -> None:
    parts = [table(["a", "bcd"]), constant(":", 2), table(["", "x"]), constant("\n", 2)]

    assert squeeze(parts) == b"a:\nbcd:x\n"
