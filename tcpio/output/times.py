# SPDX-License-Identifier: GPL-2.0-only
"""The time column: its formats, each of one width, so that text sorts as time does."""

import struct
from collections.abc import Callable
from datetime import datetime, timezone, tzinfo
from typing import NamedTuple, TypeAlias

import numpy as np

from tcpio.errors import UsageError
from tcpio.output.cells import Cells, constant, digits, fixed_digits, pad, put_digits, table
from tcpio.schema.arrays import NDArray

ToWall: TypeAlias = Callable[[NDArray[np.uint64]], NDArray[np.int64]]
"""From CLOCK_MONOTONIC to ns since 1970."""

TimeCells: TypeAlias = Callable[[NDArray[np.uint64]], Cells]
"""From a record's ts_ns, shape (N,), to text; called once for each record that is written, in their order."""


class TimeFormat(NamedTuple):
    """How times are written.

    Args:
        cells: Writes them.
        width: Characters of each.
        to_wall: What they are made from.
    """

    cells: TimeCells
    width: int
    to_wall: ToWall


_SECOND_NS = 1_000_000_000
_NS_DIGITS = 9
_NO_NS = "0" * _NS_DIGITS
_NS_AT = len("2026-11-21T22:16:18.")
_SECONDS_WIDTH = 7  # of the formats that begin at 0: 115 days in one width


def find_zone(name: str) -> tzinfo | None:
    """Find a time zone; empty is the local one, which is None as in ``datetime.astimezone()``.

    Raises:
        UsageError: There is none of this name.
    """
    if not name:
        return None
    from dateutil import tz  # noqa: PLC0415  few name a zone, and it takes a while to import

    try:
        zone = tz.gettz(name)
    except (OSError, ValueError, struct.error):  # a path to what is no zone, or a damaged one
        zone = None
    if zone is None:
        raise UsageError(
            f"there is no time zone {name!r}", hint="zones are called as in /usr/share/zoneinfo, or UTC, or EST5EDT"
        )
    return zone


def make_time(name: str, zone: tzinfo | None, to_wall: ToWall, start_ns: int) -> TimeFormat:
    """Give a format.

    Args:
        name: A key of TIME_FORMATS (tcpio/schema/time_formats.py).
        zone: For ``iso``; see find_zone().
        to_wall: For ``iso`` and ``epoch``.
        start_ns: CLOCK_MONOTONIC when tracing began, for ``since`` and ``delta``.
    """
    writers: dict[str, TimeCells] = {
        "iso": lambda ts_ns: _iso(to_wall(ts_ns), zone),
        "epoch": lambda ts_ns: _epoch(to_wall(ts_ns)),
        "since": lambda ts_ns: _signed(ts_ns.astype(np.int64) - start_ns),
        "delta": _Delta(start_ns),
    }
    like = np.array([start_ns], np.uint64)
    width = _SECONDS_WIDTH + 1 + _NS_DIGITS if name in ("since", "delta") else np.count_nonzero(writers[name](like))
    return TimeFormat(writers[name], width, to_wall)


def _split(wall_ns: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    seconds = wall_ns // _SECOND_NS
    return seconds, wall_ns - seconds * _SECOND_NS


def _iso(wall_ns: NDArray[np.int64], zone: tzinfo | None) -> Cells:
    seconds, ns = _split(wall_ns)
    # Neighbours mostly share their second.
    firsts = np.flatnonzero(np.diff(seconds, prepend=seconds[:1] - 1))
    moments = [datetime.fromtimestamp(second, timezone.utc).astimezone(zone) for second in seconds[firsts].tolist()]
    if not moments:
        return constant("", 0)
    texts = table([moment.strftime(f"%Y-%m-%dT%H:%M:%S.{_NO_NS}") + moment.isoformat()[19:] for moment in moments])
    cells = np.repeat(texts, np.diff(firsts, append=len(seconds)), axis=0)
    put_digits(cells, _NS_AT, ns.astype(np.uint32), _NS_DIGITS)
    return cells


def _epoch(wall_ns: NDArray[np.int64]) -> Cells:
    seconds, ns = _split(wall_ns)
    parts = (digits(_unsigned(seconds)), constant(".", len(ns)), fixed_digits(_unsigned(ns), _NS_DIGITS))
    return np.concatenate(parts, axis=1)


def _signed(ns: NDArray[np.int64]) -> Cells:
    seconds, rest = _split(np.abs(ns))
    sign = table(["", "-"])[(ns < 0).astype(np.intp)]
    whole = pad(np.concatenate((sign, digits(_unsigned(seconds))), axis=1), _SECONDS_WIDTH, is_left=False)
    return np.concatenate((whole, constant(".", len(ns)), fixed_digits(_unsigned(rest), _NS_DIGITS)), axis=1)


class _Delta:
    # Remembers the line before.
    def __init__(self, start_ns: int) -> None:
        self._before = start_ns

    def __call__(self, ts_ns: NDArray[np.uint64]) -> Cells:
        times = ts_ns.astype(np.int64)
        differences = np.diff(times, prepend=self._before)
        if len(times):
            self._before = int(times[-1])
        return _signed(differences)


def _unsigned(values: NDArray[np.int64]) -> NDArray[np.uint64]:
    return values.astype(np.uint64)
