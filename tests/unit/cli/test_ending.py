# SPDX-License-Identifier: GPL-2.0-only
"""What ends a summary."""

import signal

import pytest

from tcpio.cli import ending
from tcpio.cli.ending import Ending

FOREVER = float("inf")


class Stand:
    """Stands in for the signals, for a program, and for the time."""

    def __init__(self) -> None:
        self.is_ended = False
        self.number = signal.SIGHUP
        self.has_ended = False
        self.now_s = 100.0
        self.log: list[str] = []

    def pass_on(self, number: int) -> None:
        self.log.append(f"pass on {number}")

    def send(self, number: int) -> None:
        self.log.append(f"send {number}")

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def stand(monkeypatch: pytest.MonkeyPatch) -> Stand:
    made = Stand()
    monkeypatch.setattr(ending, "time", made)
    return made


def test_a_signal_ends_it(stand: Stand) -> None:
    end = Ending(stand, FOREVER, None)  # type: ignore[arg-type]  # a stand-in

    assert not end.has_come()
    stand.is_ended = True
    assert end.has_come()


def test_a_time_ends_it(stand: Stand) -> None:
    end = Ending(stand, 105.0, None)  # type: ignore[arg-type]  # a stand-in

    assert not end.has_come()
    stand.now_s = 105.0
    assert end.has_come()


def test_a_program_ends_it_and_a_signal_is_passed_on_once(stand: Stand) -> None:
    end = Ending(stand, FOREVER, stand)  # type: ignore[arg-type]  # a stand-in
    assert not end.has_come()

    stand.is_ended = True
    assert [end.has_come(), end.has_come()] == [False, False]
    assert stand.log == [f"pass on {signal.SIGHUP:d}"]

    stand.has_ended = True
    assert end.has_come()


def test_a_time_ends_the_program(stand: Stand) -> None:
    end = Ending(stand, 105.0, stand)  # type: ignore[arg-type]  # a stand-in
    stand.now_s = 106.0

    assert [end.has_come(), end.has_come()] == [False, False]
    assert (stand.log, end.deadline_s) == ([f"send {signal.SIGTERM:d}"], FOREVER)
