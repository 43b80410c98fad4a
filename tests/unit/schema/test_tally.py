# SPDX-License-Identifier: GPL-2.0-only
"""What is counted instead of printed, and how it is written and read."""

import pytest

from tcpio.schema.tally import Tally, parse_tally

SOME = Tally(7, 350, (0, 3, 0, 1, 7, 0, 0, 2))


def test_flags_that_were_not_seen_are_not_written() -> None:
    assert str(SOME) == "bytes=350 SYN=3 PUSH=1 ACK=7 CWR=2"


@pytest.mark.parametrize("tally", [Tally(), SOME, Tally(1, 2, (1,) * 8)])
def test_what_is_written_is_read(tally: Tally) -> None:
    assert parse_tally(str(tally.segments), str(tally)) == tally


@pytest.mark.parametrize("text", ["", "bytes=", "bytes=1 ACK=1 SYN=1", "bytes=1  SYN=1", "SYN=1", "bytes=" + "9" * 19])
def test_what_is_no_tally_is_none(text: str) -> None:
    assert parse_tally("1", text) is None


def test_what_came_since_is_the_difference() -> None:
    assert SOME - Tally(2, 50, (0, 1, 0, 0, 2, 0, 0, 0)) == Tally(5, 300, (0, 2, 0, 1, 5, 0, 0, 2))
