# SPDX-License-Identifier: GPL-2.0-only
"""Moments as people write them."""

import time
from datetime import datetime, timedelta, timezone

import pytest

from tcpio.cli.moments import check_moment, to_wall_ns
from tcpio.errors import UsageError

SECOND = 1_000_000_000
ZONE = timezone(timedelta(hours=1))
FIRST_NS = 1_795_303_000 * SECOND
"""2026-11-22 00:16:40 in ZONE, when it is still the day before in UTC."""


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("10:32", "2026-11-22T10:32:00+01:00"),
        ("10:32:05.5", "2026-11-22T10:32:05.500000+01:00"),
        ("2026-11-21 10:32:05.5+01:00", "2026-11-21T10:32:05.500000+01:00"),
        ("2026-11-21T10:32:05Z", "2026-11-21T10:32:05+00:00"),
        ("2026-11-21", "2026-11-21T00:00:00+01:00"),
    ],
)
def test_a_moment_is_of_the_day_of_the_first_segment_and_in_the_zone(text: str, moment: str) -> None:
    expected = round(datetime.fromisoformat(moment).timestamp() * 10) * SECOND // 10

    assert expected == to_wall_ns("--since", text, ZONE, FIRST_NS)


@pytest.mark.usefixtures("berlin")
def test_a_moment_is_in_the_local_zone_where_none_is_named() -> None:
    summer = datetime(2026, 7, 1, 10, 32, tzinfo=timezone(timedelta(hours=2))).timestamp()

    assert int(summer) * SECOND == to_wall_ns("--since", "2026-07-01 10:32", None, FIRST_NS)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("-5min", 300), ("-5 min", 300), ("-90s", 90), ("-1.5h", 5400), ("-2d", 172800), ("-0.25S", 0.25)],
)
def test_a_moment_may_be_so_long_ago(monkeypatch: pytest.MonkeyPatch, text: str, seconds: float) -> None:
    monkeypatch.setattr("tcpio.cli.moments.time.time_ns", lambda: FIRST_NS)

    assert FIRST_NS - int(seconds * SECOND) == to_wall_ns("--since", text, ZONE, 0)


def test_ago_is_before_now() -> None:
    assert abs(to_wall_ns("--since", "-1h", ZONE, 0) - time.time_ns() + 3600 * SECOND) < 60 * SECOND


@pytest.mark.parametrize("text", ["", "yesterday", "25:00", "-5weeks", "-", "2026-13-01", "9" * 1000, "\x00", "1e999"])
def test_what_is_no_moment_is_told(text: str) -> None:
    with pytest.raises(UsageError, match=r"--until .* is no time") as caught:
        check_moment("--until", text)

    assert "-5min" in caught.value.hint
