# SPDX-License-Identifier: GPL-2.0-only
"""The programs' counts of what found no room, with a stand-in for the maps."""

import struct

import pytest

from tcpio.kernel import syscall
from tcpio.kernel.overload import OverloadMaps
from tcpio.schema.record import RECEIVE, SEND
from tcpio.schema.tally import Tally


class FakeMaps:
    """Elements by map and key, as the kernel gives them."""

    def __init__(self) -> None:
        self.elements = {
            ("overload", 0): struct.pack("=Q", 5),
            ("tallies", SEND): struct.pack("=20Q", *range(20)),
            ("tallies", RECEIVE): bytes(160),
            ("tallies", SEND + 2): bytes(160),
            ("tallies", RECEIVE + 2): bytes(160),
        }

    def read_element(self, name: str, key: bytes) -> bytes:
        return self.elements[name, int.from_bytes(key, "little")]

    def set_element(self, name: str, key: bytes, value: bytes) -> None:
        self.elements[name, int.from_bytes(key, "little")] = value


@pytest.fixture
def maps() -> FakeMaps:
    return FakeMaps()


def make(maps: FakeMaps) -> OverloadMaps:
    return OverloadMaps(maps)  # type: ignore[arg-type]  # a stand-in


FIRST = Tally(10, 12, (14, 16, 18, 20, 22, 24, 26, 28))
"""The sum of both CPUs."""


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was waited for."""
    waited: list[str] = []
    monkeypatch.setattr(syscall, "wait_for_running_programs", lambda: waited.append("programs"))
    return waited


def test_cpus_are_added_up(maps: FakeMaps) -> None:
    assert make(maps).read_counted() == FIRST.segments


def test_a_moment_is_told_without_the_bit_of_the_period(maps: FakeMaps) -> None:
    for word, since_ns in ((0, 0), (1, 0), (4, 4), (5, 4)):
        maps.elements["overload", 0] = struct.pack("=Q", word)

        assert make(maps).read_since() == since_ns


def test_when_an_overload_is_ended_programs_are_waited_for(maps: FakeMaps, waits: list[str]) -> None:
    made = make(maps)
    maps.elements["overload", 0] = struct.pack("=Q", 4)

    assert made.end() == (FIRST, Tally())
    assert waits == ["programs"]
    assert maps.elements["overload", 0] == struct.pack("=Q", 1)
    assert made.read_since() == 0


def test_what_comes_while_one_is_ended_belongs_to_the_next(maps: FakeMaps, waits: list[str]) -> None:
    made = make(maps)
    maps.elements["overload", 0] = struct.pack("=Q", 4)
    maps.elements["tallies", RECEIVE + 2] = struct.pack("=Q", 3) + bytes(152)

    assert made.end() == (FIRST, Tally())
    assert made.end() == (Tally(), Tally(3))
    assert made.end() == (Tally(), Tally())
    assert made.read_counted() == 13
    assert len(waits) == 3
