# SPDX-License-Identifier: GPL-2.0-only
"""Moments as people write them: 10:32, 2026-11-21 10:32:05.5+01:00, -5min."""

import re
import time
from datetime import datetime, timedelta, timezone, tzinfo

from tcpio.errors import UsageError

_UNITS = {"s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600, "d": 86400}
_AGO = re.compile(r"-(\d{1,9})(?:\.(\d{1,9}))?\s*([a-z]*)", re.ASCII)
_SECOND_NS = 1_000_000_000
_BEGIN = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LONGEST = 64


def check_moment(option: str, text: str) -> None:
    """See that this is a moment at all.

    Raises:
        UsageError: It is none.
    """
    to_wall_ns(option, text, timezone.utc, 0)


def to_wall_ns(option: str, text: str, zone: tzinfo | None, first_ns: int) -> int:
    """Give the moment, ns since 1970.

    Args:
        option: For messages.
        text: A time of day, which is on the day of the first segment; a date, with a time or without; or how long ago.
        zone: Of what names none; None is the local one.
        first_ns: Wall time of the first segment.

    Raises:
        UsageError: It is none of these.
    """
    if ago := _AGO.fullmatch(text.strip().lower()):
        if ago[3] in _UNITS:
            ns = int(ago[1]) * _SECOND_NS + int((ago[2] or "0").ljust(9, "0"))
            return time.time_ns() - ns * _UNITS[ago[3]]
        raise _bad(option, text)
    from dateutil import parser, tz  # noqa: PLC0415  not everyone asks for times, and it takes a while to import

    day = (_BEGIN + timedelta(seconds=first_ns // _SECOND_NS)).astimezone(zone or tz.tzlocal())
    try:
        found = parser.parse(text[:_LONGEST], default=day.replace(hour=0, minute=0, second=0, microsecond=0))
        since = found - _BEGIN
    except (ValueError, OverflowError, TypeError) as error:
        raise _bad(option, text) from error
    return (since.days * 86400 + since.seconds) * _SECOND_NS + since.microseconds * 1000


def _bad(option: str, text: str) -> UsageError:
    return UsageError(
        f"{option} {text!r} is no time", hint="for example 10:32, '2026-11-21 10:32:05.5+01:00' or -5min (before now)"
    )
