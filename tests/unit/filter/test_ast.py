# SPDX-License-Identifier: GPL-2.0-only
"""The expression: what it holds, what it refuses."""

import subprocess
import sys

import pytest

from tcpio.filter.ast import ADDRESSES, ALWAYS, LIMITS, NEVER, AllOf, AnyBit, AnyOf, Between, Masked, all_of, any_of
from tcpio.schema.address import BYTES
from tcpio.schema.record import RECORD

HTTPS = Between("rport", 443, 443)
SSH = Between("lport", 22, 22)
SYN = AnyBit("flags", 2)


def test_limits_are_what_the_record_can_hold() -> None:
    for name, limit in LIMITS.items():
        assert (1 << 8 * RECORD[name].itemsize) - 1 == limit
    for name in ADDRESSES:
        assert RECORD[name].itemsize == BYTES


def test_all_of_does_not_nest_and_is_never_if_a_term_is_never() -> None:
    assert all_of() == ALWAYS
    assert all_of(HTTPS) == HTTPS
    assert AllOf((HTTPS, SSH, SYN)) == all_of(HTTPS, AllOf((SSH, SYN)), ALWAYS)
    assert all_of(HTTPS, NEVER) == NEVER


def test_any_of_does_not_nest_and_is_always_if_a_term_is_always() -> None:
    assert any_of() == NEVER
    assert any_of(HTTPS) == HTTPS
    assert AnyOf((HTTPS, SSH, SYN)) == any_of(AnyOf((HTTPS, SSH)), SYN, NEVER)
    assert any_of(HTTPS, ALWAYS) == ALWAYS


def test_words_of_an_address_are_those_that_matter() -> None:
    in_second = Masked("laddr", bytes(8) + b"\xff" * 8, bytes(15) + b"\1")

    assert [(1, (1 << 64) - 1, int.from_bytes(bytes(7) + b"\1", sys.byteorder))] == list(in_second.words())
    assert list(Masked("laddr", bytes(16), bytes(16)).words()) == []


@pytest.mark.parametrize(
    ("field", "mask", "value"),
    [
        ("lport", bytes(16), bytes(16)),
        ("laddr", bytes(4), bytes(4)),
        ("laddr", bytes(16), bytes(4)),
        ("laddr", bytes(16), bytes(15) + b"\1"),
    ],
)
def test_address_of_another_member_or_size_or_with_bits_beside_its_mask_is_refused(
    field: str, mask: bytes, value: bytes
) -> None:
    with pytest.raises(ValueError, match="Masked"):
        Masked(field, mask, value)


@pytest.mark.parametrize(
    ("field", "low", "high"), [("laddr", 0, 0), ("rport; x", 0, 0), ("rport", 2, 1), ("rport", -1, 1), ("dir", 0, 256)]
)
def test_range_that_the_member_cannot_hold_is_refused(field: str, low: int, high: int) -> None:
    with pytest.raises(ValueError, match="Between"):
        Between(field, low, high)


@pytest.mark.parametrize(("field", "bits"), [("raddr", 1), ("flags", 0), ("flags", 1 << 16), ("flags", -1)])
def test_bits_that_the_member_cannot_hold_are_refused(field: str, bits: int) -> None:
    with pytest.raises(ValueError, match="AnyBit"):
        AnyBit(field, bits)


def test_numpy_is_not_waited_for_before_a_mask_is_needed() -> None:
    modules = "tcpio.filter.ast, tcpio.filter.parse, tcpio.filter.to_c, tcpio.filter.to_text"
    check = f"import sys, {modules}; sys.stdout.write(str('numpy' in sys.modules))"

    assert subprocess.run([sys.executable, "-c", check], capture_output=True, check=True).stdout == b"False"
