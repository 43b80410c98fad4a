# SPDX-License-Identifier: GPL-2.0-only
"""Find the time in lines of tcpio's output, wherever its column stands.

A time has one width, and in most lines of a file it stands at the same place. So a few lines are searched, and for all
others it is checked at once whether a time stands where it stood in one of those.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tcpio.schema.arrays import NDArray
from tcpio.stream.lines import Integers, Text, windows

Words: TypeAlias = NDArray[np.uint64]
"""Shape (F, N): what eight digits each say."""

_MOST_LAYOUTS = 32
"""Places of the time that are remembered; lines with yet other ones are searched one by one."""

_SECOND_NS = 1_000_000_000
_DIGITS = 8  # that fit into a u64 as text
_FIRST_YEAR, _LAST_YEAR = 1970, 2261  # whose nanoseconds since 1970 fit into an i64

_MONTHS = np.arange(f"{_FIRST_YEAR}-01", f"{_LAST_YEAR + 1}-02", dtype="datetime64[M]").astype("datetime64[D]")
_MONTH_DAYS = _MONTHS.astype(np.int64)
"""Days from 1970 to the first of each month."""


@dataclass(frozen=True)
class Stamp:
    """A way to write a time.

    Args:
        width: Characters.
        digits: Where its digits stand, in groups of eight; some are in two of them.
        marks: Where else what stands: characters, any of which will do.
        to_ns: From the groups to ns since 1970, UTC, and to whether it is one.
        minus: Where a sign stands that is taken into account.
    """

    width: int
    digits: tuple[int, ...]
    marks: tuple[tuple[int, bytes], ...]
    to_ns: Callable[[Words], tuple[Integers, NDArray[np.bool_]]]
    minus: int | None = None


def _iso_ns(words: Words) -> tuple[Integers, NDArray[np.bool_]]:
    # YYYYMMDD, hhmmss and the offset's hours, its minutes and the first six digits of the fraction, its last eight.
    date, clock, mixed, fraction = words
    days, is_date = _to_days(_if_alike(date))
    clock, offset_hours = _split(clock, 100)
    clock, second = _split(clock, 100)
    hour, minute = _split(clock, 100)
    offset_minutes, mixed = _split(mixed, 1_000_000)
    is_time = (hour < 24) & (minute < 60) & (second <= 60)  # noqa: PLR2004  a leap second
    is_time &= (offset_hours < 24) & (offset_minutes < 60)  # noqa: PLR2004
    seconds = days * 86_400 + (hour * 3600 + minute * 60 + second).astype(np.int64)
    return seconds * _SECOND_NS + (mixed // 100_000 * 100_000_000 + fraction).astype(np.int64), is_date & is_time


def _to_days(date: Words) -> tuple[Integers, NDArray[np.bool_]]:
    # From YYYYMMDD to days since 1970.
    months, day = _split(date, 100)
    year, month = _split(months, 100)
    is_date = (year >= _FIRST_YEAR) & (year <= _LAST_YEAR) & (month >= 1) & (month <= 12)  # noqa: PLR2004
    at = np.where(is_date, (year - _FIRST_YEAR) * 12 + month - 1, 0).astype(np.int64)
    first = _MONTH_DAYS[at]
    is_date &= (day >= 1) & (day <= (_MONTH_DAYS[at + 1] - first).astype(np.uint64))
    return first + day.astype(np.int64) - 1, is_date


def _if_alike(values: Words) -> Words:
    # One for all, if they are the same: it then is worked with once.
    return values[:1] if np.all(values == values[:1]) else values


def _split(values: Words, by: int) -> tuple[Words, Words]:
    divisor = np.uint64(by)
    higher = values // divisor
    return higher, values - higher * divisor


def _epoch_ns(words: Words) -> tuple[Integers, NDArray[np.bool_]]:
    # Eight digits of the seconds, two more and six of the fraction, its last eight.
    high, mixed, fraction = words
    low, mixed = _split(mixed, 1_000_000)
    seconds = high * 100 + low
    fits = seconds < np.iinfo(np.int64).max // _SECOND_NS
    ns = np.where(fits, seconds, 0) * _SECOND_NS + mixed // 100_000 * 100_000_000 + fraction
    return ns.astype(np.int64), fits


def _count_ns(words: Words) -> tuple[Integers, NDArray[np.bool_]]:
    # The first eight of nineteen digits, the next eight, the last eight.
    high, middle, low = words
    ns = high * 100_000_000_000 + middle // 100_000 * 100_000_000 + low
    fits = ns <= np.iinfo(np.int64).max
    return np.where(fits, ns, 0).astype(np.int64), fits


ISO = Stamp(
    35,
    (*(0, 1, 2, 3, 5, 6, 8, 9), *(11, 12, 14, 15, 17, 18, 30, 31), *(33, 34, *range(20, 26)), *range(21, 29)),
    ((4, b"-"), (7, b"-"), (10, b"T"), (13, b":"), (16, b":"), (19, b"."), (29, b"+-"), (32, b":")),
    _iso_ns,
    minus=29,
)
EPOCH = Stamp(20, (*range(8), 8, 9, *range(11, 17), *range(12, 20)), ((10, b"."),), _epoch_ns)
COUNT = Stamp(19, (*range(16), *range(11, 19)), (), _count_ns)
"""``ts_ns``: all nanoseconds in one number, of nineteen digits since 2001."""

_ISO_PATTERN = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}[+-]\d\d:\d\d"
_IN_JSON = (
    (COUNT, re.compile(rb'"ts_ns": ?(\d{19})(?!\d)')),
    (ISO, re.compile(rb'"time": ?"(' + _ISO_PATTERN + rb')"')),
)
_ELSEWHERE = (
    (ISO, re.compile(rb"(?<!\d)(" + _ISO_PATTERN + rb")(?!\d)")),
    (EPOCH, re.compile(rb"(?<!\d)(\d{10}\.\d{9})(?!\d)")),
    (COUNT, re.compile(rb"(?<!\d)(\d{19})(?!\d)")),
)


@dataclass(frozen=True)
class Layout:
    """Where a time stands in a line, and how it is written."""

    stamp: Stamp
    offset: int


def find_layout(line: bytes) -> Layout | None:
    """Search a line for a time."""
    for stamp, pattern in _IN_JSON if line.startswith(b"{") else _ELSEWHERE:
        if match := pattern.search(line):
            return Layout(stamp, match.start(1))
    return None


@dataclass(frozen=True)
class Found:
    """The times of lines.

    Args:
        keys: ns since 1970, UTC; shape (N,).
        is_timed: Whether there is one; shape (N,).
        lead: Characters of it, if the line begins with it; else 0; shape (N,).
    """

    keys: Integers
    is_timed: NDArray[np.bool_]
    lead: Integers


class Stamps:
    """Finds times, and remembers where they stood."""

    def __init__(self) -> None:
        self._layouts: list[Layout] = []

    def find(self, text: Text, starts: Integers, ends: Integers) -> Found:
        """Find the time of each line.

        Args:
            text: The lines, each with a newline behind it.
            starts: Where each begins.
            ends: Where the newline of each is.
        """
        count = len(starts)
        found = Found(np.zeros(count, np.int64), np.zeros(count, np.bool_), np.zeros(count, np.int64))
        lines = _Lines(text, starts, ends)
        left: NDArray[np.intp] = np.arange(count)
        for layout in self._layouts:
            left = _read(layout, left, lines, found)
        while len(left):
            line, others = left[:1], left[1:]
            layout_of_line = find_layout(text[starts[line[0]] : ends[line[0]]].tobytes())
            if layout_of_line is None or layout_of_line in self._layouts:  # it is none, or says what cannot be
                left = others
            elif len(self._layouts) == _MOST_LAYOUTS:
                _read(layout_of_line, line, lines, found)
                left = others
            else:
                self._layouts.append(layout_of_line)
                left = _read(layout_of_line, left, lines, found)
        return found


@dataclass(frozen=True)
class _Lines:
    text: Text
    starts: Integers
    ends: Integers


def _read(layout: Layout, which: NDArray[np.intp], lines: _Lines, found: Found) -> NDArray[np.intp]:
    # Note the times of those lines that have one there, and give the others.
    stamp = layout.stamp
    first = lines.starts[which] + layout.offset
    is_long = first + stamp.width <= lines.ends[which]
    inside, first = which[is_long], first[is_long]
    rows = windows(lines.text, first, stamp.width + 1)
    is_time = ~_is_digit(rows[:, -1])
    if layout.offset:
        is_time &= ~_is_digit(lines.text[first - 1])
    for at, characters in stamp.marks:
        is_time &= np.logical_or.reduce([rows[:, at] == character for character in characters])
    words, is_number = _to_words(np.take(rows, stamp.digits, axis=1))
    ns, is_moment = stamp.to_ns(words)
    if stamp.minus is not None:
        ns -= np.where(rows[:, stamp.minus] == ord("-"), -1, 1) * _offset_ns(words)
    is_time &= is_number & is_moment
    timed = inside[is_time]
    found.keys[timed] = ns[is_time]
    found.is_timed[timed] = True
    if not layout.offset:
        found.lead[timed] = stamp.width
    return which[~found.is_timed[which]]


def _offset_ns(words: Words) -> Integers:
    _, clock, mixed, _ = words
    seconds: Words = clock % 100 * 3600 + mixed // 1_000_000 * 60
    return seconds.astype(np.int64) * _SECOND_NS


def _is_digit(characters: Text) -> NDArray[np.bool_]:
    return characters - np.uint8(ord("0")) < 10  # noqa: PLR2004


def _to_words(digits: Text) -> tuple[Words, NDArray[np.bool_]]:
    # Eight digits at once, as one word: neighbours are added up in pairs, then pairs of pairs, then those.
    words = digits.view("<u8").T.astype(np.uint64, order="C")
    high = np.uint64(0x8080808080808080)
    is_digit = (words + np.uint64(0x4646464646464646) | words - np.uint64(0x3030303030303030)) & high == 0
    words = (words & np.uint64(0x0F0F0F0F0F0F0F0F)) * np.uint64(10 << 8 | 1) >> np.uint64(8)
    words = (words & np.uint64(0x00FF00FF00FF00FF)) * np.uint64(100 << 16 | 1) >> np.uint64(16)
    words = (words & np.uint64(0x0000FFFF0000FFFF)) * np.uint64(10_000 << 32 | 1) >> np.uint64(32)
    return words, is_digit.all(axis=0)
