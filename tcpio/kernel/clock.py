# SPDX-License-Identifier: GPL-2.0-only
"""From the kernel's monotonic timestamps to wall time."""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from tcpio.schema.arrays import NDArray
from tcpio.schema.batch import ClockStep

STEP_NS = 1_000_000
"""A difference beyond this is a step of the clock and not its drift."""

_READINGS = 5
_KEPT_NS = 150_000_000_000  # beyond two of the longest rounds (--delay): so old may what is printed be
_DRIFT_NS = 100_000_000  # a drift is worked in over this time: at most STEP_NS in it, so time never goes back


class Reading(NamedTuple):
    """A moment on both clocks.

    Args:
        monotonic_ns: CLOCK_MONOTONIC.
        offset_ns: CLOCK_REALTIME less CLOCK_MONOTONIC.
    """

    monotonic_ns: int
    offset_ns: int


def read_clocks() -> Reading:
    """Read both clocks as nearly at once as can be: the tightest of several readings of one inside the other."""
    best = None
    for _ in range(_READINGS):
        before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        if best is None or after - before < best[0]:
            best = (after - before, (before + after) // 2, wall)
    assert best is not None  # noqa: S101  for the type checker: there was a reading
    _, monotonic_ns, wall = best
    return Reading(monotonic_ns, wall - monotonic_ns)


class WallClock:
    """Wall times that follow the system's clock, and never go back.

    Args:
        read: Reads both clocks.
    """

    def __init__(self, read: Callable[[], Reading] = read_clocks) -> None:
        self._read = read
        first = read()
        self._base_ns = first.offset_ns
        # How far the offset lies from its first value, as straight lines between these moments.
        self._moments = [float(first.monotonic_ns)]
        self._differences = [0.0]
        self._ignored_ns = 0  # steps back that are not followed

    def follow(self) -> ClockStep | None:
        """Compare with the system's clock: work a drift in, follow a step forward.

        Returns:
            A mark, if the clock was set.
        """
        reading = self._read()
        now = float(reading.monotonic_ns)
        difference = reading.offset_ns - self._base_ns - self._ignored_ns
        current = float(np.interp(now, self._moments, self._differences))
        change = int(difference - current)
        if abs(change) <= STEP_NS:
            self._bend((now, current), (now + _DRIFT_NS, float(difference)))
            return None
        # A step forward first takes back what was not followed of steps back: only what leads beyond is followed.
        self._ignored_ns = min(self._ignored_ns + change, 0)
        followed = float(reading.offset_ns - self._base_ns - self._ignored_ns)
        if change > 0:
            self._bend((now, current), (now, followed))
        return ClockStep(reading.monotonic_ns, change, is_followed=followed - current > STEP_NS)

    def _bend(self, *points: tuple[float, float]) -> None:
        # What lies before the first of these stays as it was; what is older than any record to be printed is forgotten,
        # but for the last of it, where the line begins.
        now = points[0][0]
        before = [at for at in zip(self._moments, self._differences, strict=True) if at[0] < now]
        old = sum(moment < now - _KEPT_NS for moment, _ in before)
        line = [*before[max(old - 1, 0) :], *points]
        self._moments = [moment for moment, _ in line]
        self._differences = [difference for _, difference in line]

    def to_wall_ns(self, ts_ns: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Give the wall times of monotonic ones: ns since 1970, UTC; shape as given."""
        differences = np.interp(ts_ns.astype(np.float64), self._moments, self._differences)
        return ts_ns.astype(np.int64) + self._base_ns + np.rint(differences).astype(np.int64)
