# SPDX-License-Identifier: GPL-2.0-only
"""Layouts that others fixed."""

import struct

import numpy as np
import pytest

from tcpio.schema import pcapng
from tcpio.schema.columns import EVERY

LAYOUTS = [
    (pcapng.PACKET_HEAD, "=7I"),
    (pcapng.PACKET_OPTIONS, "=HHIHHI"),
    (pcapng.IPV4, "!BBHHHBBH4s4s"),
    (pcapng.IPV6, "!IHBB16s16s4sI"),
    (pcapng.TCP, "!HHIIHHHH"),
]


@pytest.mark.parametrize(("dtype", "packed"), LAYOUTS)
def test_a_layout_is_as_long_as_its_members(dtype: np.dtype[np.void], packed: str) -> None:
    assert struct.calcsize(packed) == dtype.itemsize


def test_headers_have_their_lengths() -> None:
    assert (pcapng.IPV4.itemsize, pcapng.TCP.itemsize) == (pcapng.IPV4_BYTES, pcapng.TCP_BYTES)
    assert pcapng.IPV6.itemsize == pcapng.IPV6_BYTES + pcapng.JUMBO_BYTES


def test_what_a_packet_has_a_place_for_are_columns() -> None:
    assert set(pcapng.IN_PACKET) <= set(EVERY)
