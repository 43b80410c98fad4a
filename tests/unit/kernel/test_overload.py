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


def test_cpus_are_added_up(maps: FakeMaps) -> None:
    sent = Tally(10, 12, (14, 16, 18, 20, 22, 24, 26, 28))

    assert make(maps).read_tallies() == (sent, Tally())


def test_when_an_overload_is_ended_programs_are_waited_for(maps: FakeMaps, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make(maps)
    waited: list[int] = []
    monkeypatch.setattr(syscall, "wait_for_running_programs", lambda: waited.append(made.read_since()))
    assert made.read_since() == 5
    made.end()

    assert waited == [0]
