# SPDX-License-Identifier: GPL-2.0-only
"""From monotonic timestamps to wall time, while the system's clock drifts and is set."""

import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpio.kernel.clock import STEP_NS, Reading, WallClock, read_clocks
from tcpio.schema.batch import ClockStep

SECOND = 1_000_000_000
LONGEST_DELAY_S = 60
BOOT = 1_700_000_000 * SECOND
"""The wall time at which the made-up machine's monotonic clock was 0."""


class Clocks:
    """Both clocks of a made-up machine."""

    def __init__(self, now_ns: int = 1000 * SECOND) -> None:
        self.now_ns = now_ns
        self.offset_ns = BOOT

    def read(self) -> Reading:
        return Reading(self.now_ns, self.offset_ns)


def wall(clock: WallClock, *ts_ns: int) -> list[int]:
    found: list[int] = clock.to_wall_ns(np.array(ts_ns, np.uint64)).tolist()
    return found


def test_wall_time_is_monotonic_time_and_the_offset() -> None:
    clock = WallClock(Clocks().read)

    assert [BOOT, BOOT + 1000 * SECOND + 7, BOOT + 2000 * SECOND] == wall(clock, 0, 1000 * SECOND + 7, 2000 * SECOND)


def test_nanoseconds_are_exact() -> None:
    clocks = Clocks(now_ns=(1 << 55) + 1)

    assert [BOOT + (1 << 55) + 1, BOOT + (1 << 55) + 2] == wall(WallClock(clocks.read), (1 << 55) + 1, (1 << 55) + 2)


def test_an_empty_array_stays_empty() -> None:
    assert wall(WallClock(Clocks().read)) == []


def test_a_drift_is_worked_in_without_a_mark() -> None:
    clocks = Clocks()
    clock = WallClock(clocks.read)
    clocks.now_ns += SECOND
    clocks.offset_ns += 5000

    assert clock.follow() is None
    assert [BOOT + clocks.now_ns] == wall(clock, clocks.now_ns)
    assert [clocks.offset_ns + clocks.now_ns + SECOND] == wall(clock, clocks.now_ns + SECOND)


def test_what_was_before_a_drift_stays() -> None:
    clocks = Clocks()
    clock = WallClock(clocks.read)
    before = wall(clock, clocks.now_ns + SECOND // 2)
    clocks.now_ns += SECOND
    clocks.offset_ns += 5000
    clock.follow()

    assert before == wall(clock, clocks.now_ns - SECOND // 2)


def test_what_waits_for_two_of_the_longest_rounds_has_the_time_of_then() -> None:
    clocks = Clocks()
    clock = WallClock(clocks.read)
    moments = [clocks.now_ns + SECOND // 2]
    before = wall(clock, *moments)
    for _ in range(2 * LONGEST_DELAY_S):
        clocks.now_ns += SECOND
        clocks.offset_ns -= STEP_NS // 2
        clock.follow()

    assert before == wall(clock, *moments)


def test_what_is_older_than_any_record_is_forgotten() -> None:
    clocks = Clocks()
    clock = WallClock(clocks.read)
    for _ in range(1000):
        clocks.now_ns += SECOND
        clocks.offset_ns += 10
        clock.follow()

    assert len(clock._moments) < 320
    half = clocks.now_ns - 100 * SECOND + SECOND // 2

    assert [half + BOOT + 9000] == wall(clock, half)


def test_a_step_forward_is_followed_and_marked() -> None:
    clocks = Clocks()
    clock = WallClock(clocks.read)
    clocks.now_ns += SECOND
    clocks.offset_ns += 3600 * SECOND

    assert clock.follow() == ClockStep(clocks.now_ns, 3600 * SECOND, is_followed=True)
    assert [BOOT + clocks.now_ns - 1] == wall(clock, clocks.now_ns - 1)
    assert [clocks.offset_ns + clocks.now_ns + 1] == wall(clock, clocks.now_ns + 1)


def test_a_step_back_is_marked_and_not_followed() -> None:
    clocks = Clocks()
    clock = WallClock(clocks.read)
    clocks.now_ns += SECOND
    clocks.offset_ns -= 3600 * SECOND

    assert clock.follow() == ClockStep(clocks.now_ns, -3600 * SECOND, is_followed=False)
    assert [BOOT + clocks.now_ns + 1] == wall(clock, clocks.now_ns + 1)


def test_a_step_is_marked_once() -> None:
    clocks = Clocks()
    clock = WallClock(clocks.read)
    for step_ns in (5 * SECOND, -5 * SECOND):
        clocks.now_ns += SECOND
        clocks.offset_ns += step_ns
        clock.follow()
        clocks.now_ns += SECOND

        assert clock.follow() is None


def test_a_drift_after_a_step_back_is_worked_in() -> None:
    clocks = Clocks()
    clock = WallClock(clocks.read)
    clocks.offset_ns -= 3600 * SECOND
    clock.follow()
    clocks.now_ns += SECOND
    clocks.offset_ns += 5000

    assert clock.follow() is None
    assert [BOOT + 5000 + clocks.now_ns + SECOND] == wall(clock, clocks.now_ns + SECOND)


def test_a_step_back_that_is_undone_leaves_the_right_time() -> None:
    clocks = Clocks()
    clock = WallClock(clocks.read)
    clocks.offset_ns -= 5 * SECOND
    clock.follow()
    clocks.now_ns += SECOND
    clocks.offset_ns += 5 * SECOND

    assert clock.follow() == ClockStep(clocks.now_ns, 5 * SECOND, is_followed=False)
    assert [BOOT + clocks.now_ns + SECOND] == wall(clock, clocks.now_ns + SECOND)


def test_a_step_forward_is_followed_as_far_as_it_leads_beyond_these_times() -> None:
    clocks = Clocks()
    clock = WallClock(clocks.read)
    clocks.offset_ns -= 5 * SECOND
    clock.follow()
    clocks.now_ns += SECOND
    clocks.offset_ns += 8 * SECOND

    assert clock.follow() == ClockStep(clocks.now_ns, 8 * SECOND, is_followed=True)
    assert [BOOT + 3 * SECOND + clocks.now_ns + SECOND] == wall(clock, clocks.now_ns + SECOND)


def test_the_largest_drift_is_no_step_and_one_more_is() -> None:
    for difference, is_step in ((STEP_NS, False), (STEP_NS + 1, True), (-STEP_NS, False), (-STEP_NS - 1, True)):
        clocks = Clocks()
        clock = WallClock(clocks.read)
        clocks.now_ns += SECOND
        clocks.offset_ns += difference

        assert (clock.follow() is not None) == is_step


def changes() -> st.SearchStrategy[list[tuple[int, int]]]:
    """How far time goes on, and by how much the offset changes meanwhile."""
    drifts = st.integers(-STEP_NS, STEP_NS)
    steps = st.integers(-(10**13), 10**13)
    return st.lists(st.tuples(st.integers(0, 3 * SECOND), drifts | steps), max_size=40)


@given(changes(), st.lists(st.floats(0, 1), max_size=20))
def test_wall_time_never_goes_back(sequence: Sequence[tuple[int, int]], places: list[float]) -> None:
    clocks = Clocks()
    clock = WallClock(clocks.read)
    printed: list[int] = []
    for passed_ns, change_ns in sequence:
        began_ns = clocks.now_ns
        clocks.now_ns += passed_ns
        moments = sorted(began_ns + int(place * passed_ns) for place in places)
        printed += wall(clock, *moments, *range(clocks.now_ns, clocks.now_ns + 2))
        clocks.now_ns += 1
        clocks.offset_ns += change_ns
        clock.follow()

    assert sorted(printed) == printed


@given(changes())
def test_every_step_and_nothing_else_is_marked(sequence: Sequence[tuple[int, int]]) -> None:
    clocks = Clocks()
    clock = WallClock(clocks.read)
    for passed_ns, change_ns in sequence:
        clocks.now_ns += SECOND + passed_ns  # long enough for the drift before to be worked in
        clocks.offset_ns += change_ns
        step = clock.follow()

        assert (abs(change_ns) > STEP_NS) == (step is not None)
        if step is not None:
            assert change_ns == step.step_ns


@given(changes())
def test_after_any_changes_it_is_not_behind_the_system(sequence: Sequence[tuple[int, int]]) -> None:
    clocks = Clocks()
    clock = WallClock(clocks.read)
    for passed_ns, change_ns in sequence:
        clocks.now_ns += SECOND + passed_ns
        clocks.offset_ns += change_ns
        clock.follow()
    clocks.now_ns += SECOND

    assert [clocks.now_ns + clocks.offset_ns] <= wall(clock, clocks.now_ns)


def test_the_tightest_reading_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    # before, after: the third of the five pairs is the tightest
    monotonic = iter([0, 900, 1000, 1800, 2000, 2010, 3000, 3500, 4000, 4400])
    walls = iter([BOOT + at for at in (100, 1700, 2005, 3001, 4399)])
    monkeypatch.setattr(time, "monotonic_ns", lambda: next(monotonic))
    monkeypatch.setattr(time, "time_ns", lambda: next(walls))

    assert Reading(2005, BOOT) == read_clocks()


def test_the_systems_clocks_are_read() -> None:
    first, second = read_clocks(), read_clocks()

    assert first.monotonic_ns <= second.monotonic_ns
