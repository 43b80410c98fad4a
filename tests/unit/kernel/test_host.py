# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own counters while something is counted."""

import pytest

from tcpio.kernel import host
from tcpio.kernel.host import Host
from tests.unit.sums import key

COUNTERS = (key("IpReasmReqds"), key("IpReasmOKs"))


def reading(monkeypatch: pytest.MonkeyPatch, *values: int) -> list[int | None]:
    asked: list[int | None] = []
    left = list(values)

    def read(netns: int | None) -> dict[int, dict[str, int]]:
        asked.append(netns)
        return {7: {"IpReasmReqds": left.pop(0)}}

    monkeypatch.setattr(host, "read_mibs", read)
    return asked


def test_differences_are_from_the_beginning_and_from_the_last_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = reading(monkeypatch, 10, 13, 15, 18, 21)
    made = Host(7, COUNTERS)
    made.begin()

    assert made.since_last() == {COUNTERS[0]: 3}
    assert made.since_begin() == {COUNTERS[0]: 5}
    assert made.since_last() == {COUNTERS[0]: 5}
    assert made.since_begin() == {COUNTERS[0]: 11}
    assert asked == [7] * 5


def test_what_is_not_shown_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = reading(monkeypatch)
    made = Host(None, ())
    made.begin()

    assert (made.since_begin(), made.since_last(), asked) == ({}, {}, [])


def test_what_may_not_be_read_is_told_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int | None) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(host, "read_mibs", refuse)
    made = Host(None, COUNTERS)
    made.begin()

    assert made.refusal == "Operation not permitted"
    assert (made.since_begin(), made.read()) == ({}, {})
