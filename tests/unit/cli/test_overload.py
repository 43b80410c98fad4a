# SPDX-License-Identifier: GPL-2.0-only
"""From lines to counts and back, with made-up maps and time."""

import signal
import time
from collections.abc import Iterator

import pytest

from tcpio.cli import overload
from tcpio.cli.overload import Fallback
from tcpio.schema.batch import Counted, Overload
from tcpio.schema.tally import Tally

SECOND = 1_000_000_000
BEGAN = "tcpio: overload: segments are counted, not printed, until the output has caught up\n"


class FakeMaps:
    """What the programs count, and the time."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.since_ns = 0
        self.sent = 0
        self.received = 0
        self._told = (0, 0)

    def begin(self, sent: int, received: int = 0) -> None:
        self.since_ns = self.monotonic_ns() - 7
        self.sent += sent
        self.received += received

    def read_since(self) -> int:
        return self.since_ns

    def end(self) -> tuple[Tally, Tally]:
        self.since_ns = 0
        sent, received = self.sent - self._told[0], self.received - self._told[1]
        self._told = self.sent, self.received
        return Tally(sent, 10 * sent), Tally(received)

    def read_counted(self) -> int:
        return self.sent + self.received

    def monotonic(self) -> float:
        return self.now_s

    def monotonic_ns(self) -> int:
        return int(self.now_s * SECOND)


@pytest.fixture
def maps(monkeypatch: pytest.MonkeyPatch) -> FakeMaps:
    made = FakeMaps()
    monkeypatch.setattr(overload, "time", made)
    return made


@pytest.fixture
def fallback(maps: FakeMaps) -> Iterator[Fallback]:
    with Fallback(maps) as made:  # type: ignore[arg-type]  # a stand-in
        yield made


def idle_s(maps: FakeMaps, fallback: Fallback) -> float:
    """Tell how long it takes to return to lines when nothing is left to print."""
    began_s = maps.now_s
    while not any(isinstance(mark, Counted) for mark in fallback.follow(is_idle=True)):
        maps.now_s += 0.125
    return maps.now_s - began_s


def test_nothing_is_said_without_an_overload(fallback: Fallback, capfd: pytest.CaptureFixture[str]) -> None:
    assert fallback.follow(is_idle=True) == fallback.rest() == ()
    assert fallback.counted == 0
    assert capfd.readouterr().err == ""


def test_the_beginning_is_marked_where_the_first_found_no_room(
    maps: FakeMaps, fallback: Fallback, capfd: pytest.CaptureFixture[str]
) -> None:
    maps.begin(3)

    assert fallback.follow(is_idle=True) == (Overload(1000 * SECOND - 7),)
    assert fallback.follow(is_idle=True) == ()
    assert capfd.readouterr().err == BEGAN


def test_lines_come_back_when_all_is_printed_and_not_at_once(
    maps: FakeMaps, fallback: Fallback, capfd: pytest.CaptureFixture[str]
) -> None:
    maps.begin(3, 4)
    fallback.follow(is_idle=False)
    maps.now_s += 50
    assert fallback.follow(is_idle=False) == ()
    (mark,) = fallback.follow(is_idle=True)

    assert mark == Counted(1050 * SECOND, Tally(3, 30), Tally(4))
    assert maps.since_ns == 0
    assert fallback.counted == 7
    assert capfd.readouterr().err == f"{BEGAN}tcpio: overload is over: {mark}\n"
    assert fallback.rest() == ()


def test_each_time_what_came_since_is_marked(maps: FakeMaps, fallback: Fallback) -> None:
    for count in (3, 5):
        maps.begin(count)
        fallback.follow(is_idle=False)
        maps.now_s += 100
        assert fallback.follow(is_idle=True) == (Counted(maps.monotonic_ns(), Tally(count, 10 * count), Tally()),)
    assert fallback.counted == 8


def test_what_returns_at_once_is_waited_for_longer(maps: FakeMaps, fallback: Fallback) -> None:
    waits = []
    for _ in range(9):
        maps.begin(1)
        waits.append(idle_s(maps, fallback))
    maps.now_s += 64
    maps.begin(1)

    assert waits == [1, 2, 4, 8, 16, 32, 64, 64, 64]
    assert idle_s(maps, fallback) == 1


def test_the_end_of_a_run_ends_it(maps: FakeMaps, fallback: Fallback, capfd: pytest.CaptureFixture[str]) -> None:
    maps.begin(2)
    since_ns = maps.since_ns
    marks = fallback.rest()

    assert marks == (Overload(since_ns), Counted(maps.monotonic_ns(), Tally(2, 20), Tally()))
    assert capfd.readouterr().err == f"{BEGAN}tcpio: overload until the end: {marks[1]}\n"


def test_it_is_told_while_the_output_takes_no_more(
    maps: FakeMaps, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(overload, "_LOOK_S", 0.001)
    maps.begin(1)
    with Fallback(maps):  # type: ignore[arg-type]  # a stand-in
        deadline_s = time.monotonic() + 60
        said = ""
        while not said and time.monotonic() < deadline_s:
            time.sleep(0.001)
            said = capfd.readouterr().err

    assert said == BEGAN
    assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL
