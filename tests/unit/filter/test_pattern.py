# SPDX-License-Identifier: GPL-2.0-only
"""The parts of a filter."""

from tcpio.filter.pattern import ANY, IPV4, to_mask_bytes


def test_mask_of_a_prefix_has_that_many_bits_in_front() -> None:
    assert ANY.mask == to_mask_bytes(0)
    assert bytes([0xFF, 0x80]) + bytes(14) == to_mask_bytes(9)
    assert IPV4.mask == to_mask_bytes(96)
    assert to_mask_bytes(128) == b"\xff" * 16
