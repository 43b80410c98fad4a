# SPDX-License-Identifier: GPL-2.0-only
"""The time column: formats, zones, widths."""

from datetime import datetime, timedelta, timezone, tzinfo
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from dateutil import tz
from hypothesis import given
from hypothesis import strategies as st

from tcpio.errors import UsageError
from tcpio.output.times import find_zone, make_time
from tcpio.schema.time_formats import TIME_FORMATS

SECOND = 1_000_000_000
BOOT = 1_700_000_000 * SECOND  # 2023-11-14T22:13:20Z
START = 1000 * SECOND


def to_wall(ts_ns: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    return ts_ns.astype(np.int64) + BOOT


def written(name: str, *ts_ns: int, zone: tzinfo | None = timezone.utc) -> list[str]:
    cells = make_time(name, zone, to_wall, START).cells(np.array(ts_ns, np.uint64))
    return [row.tobytes().replace(b"\0", b"").decode() for row in cells]


def test_iso_has_nanoseconds_and_the_offset() -> None:
    assert ["2023-11-14T22:13:20.000000000+00:00", "2023-11-14T22:13:21.000000007+00:00"] == written(
        "iso", 0, SECOND + 7
    )


def test_iso_is_in_the_zone_that_was_asked_for() -> None:
    zone = timezone(timedelta(hours=-3, minutes=-30))

    assert written("iso", 5, zone=zone) == ["2023-11-14T18:43:20.000000005-03:30"]


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize("name", ["", "Europe/Berlin"])
def test_iso_follows_a_zones_summer_time(name: str) -> None:
    end_of_summer = int(datetime(2024, 10, 27, 1, tzinfo=timezone.utc).timestamp()) * SECOND - BOOT

    assert written("iso", end_of_summer - 1, end_of_summer, zone=find_zone(name)) == [
        "2024-10-27T02:59:59.999999999+02:00",
        "2024-10-27T02:00:00.000000000+01:00",
    ]


def test_epoch_is_seconds_and_nanoseconds() -> None:
    assert written("epoch", 0, 1, SECOND) == ["1700000000.000000000", "1700000000.000000001", "1700000001.000000000"]


def test_since_begins_when_tracing_did() -> None:
    assert written("since", START, START + 1, START + 61 * SECOND) == [
        "      0.000000000",
        "      0.000000001",
        "     61.000000000",
    ]


def test_what_was_before_the_start_is_negative() -> None:
    assert written("since", START - 1, START - SECOND - SECOND // 2) == ["     -0.000000001", "     -1.500000000"]


def test_delta_is_since_the_line_before() -> None:
    assert written("delta", START + 5, START + 6, START + 6, START + 4) == [
        "      0.000000005",
        "      0.000000001",
        "      0.000000000",
        "     -0.000000002",
    ]


def test_delta_goes_on_from_one_batch_to_the_next() -> None:
    delta = make_time("delta", timezone.utc, to_wall, START).cells
    found = [delta(np.array(batch, np.uint64)) for batch in ([START + 5], [], [START + 7])]

    assert [b"      0.000000005", b"", b"      0.000000002"] == [cells.tobytes().replace(b"\0", b"") for cells in found]


def test_the_width_can_be_asked_for_without_a_line() -> None:
    delta = make_time("delta", timezone.utc, to_wall, START)

    assert delta.width == 17
    assert b"      0.000000005" == delta.cells(np.array([START + 5], np.uint64)).tobytes().replace(b"\0", b"")


MOMENTS = st.lists(st.integers(START, START + 9_999_999 * SECOND), max_size=20)


@pytest.mark.parametrize("name", TIME_FORMATS)
@given(moments=MOMENTS)
def test_every_format_has_one_width(name: str, moments: list[int]) -> None:
    time = make_time(name, timezone.utc, to_wall, START)
    moments = sorted(moments)

    assert {time.width} >= {len(row.tobytes().replace(b"\0", b"")) for row in time.cells(np.array(moments, np.uint64))}


@pytest.mark.parametrize("name", ["iso", "epoch", "since"])
@given(moments=MOMENTS)
def test_text_sorts_as_time_does(name: str, moments: list[int]) -> None:
    assert written(name, *sorted(moments)) == sorted(written(name, *moments))


@given(st.integers(START, START + 9_999_999 * SECOND))
def test_iso_is_pythons(moment: int) -> None:
    second, ns = divmod(moment + BOOT, SECOND)
    expected = datetime.fromtimestamp(second, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ns:09d}+00:00"

    assert [expected] == written("iso", moment)


def test_no_times_are_written_as_nothing() -> None:
    assert {name: [] for name in TIME_FORMATS} == {name: written(name) for name in TIME_FORMATS}


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "EST5EDT", "Asia/Kolkata"])
def test_zones_are_found_by_name(name: str) -> None:
    assert tz.gettz(name) == find_zone(name)


def test_a_zone_can_be_a_file() -> None:
    zone = find_zone("/usr/share/zoneinfo/Europe/Berlin")

    assert datetime(2024, 7, 1, tzinfo=zone).utcoffset() == timedelta(hours=2)


def check_is_refused(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_zone(name)

    assert f"there is no time zone {name!r}" == str(caught.value)
    assert caught.value.hint == "zones are called as in /usr/share/zoneinfo, or UTC, or EST5EDT"


@pytest.mark.parametrize("name", ["Europe/Berln", "nowhere", "/nowhere", "/usr/share/zoneinfo"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    check_is_refused(name)


@pytest.mark.parametrize("content", [b"", b"this is no zone", b"TZif", b"TZif2" + bytes(30)])
def test_a_file_that_is_no_zone_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "zone"
    path.write_bytes(content)

    check_is_refused(str(path))


@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=20))
def test_any_name_is_found_or_refused(name: str) -> None:
    try:
        zone = find_zone(name)
    except UsageError:
        return
    assert isinstance(zone, tzinfo)


@given(st.text("ESTDUC0123456789+-,M./:", min_size=1, max_size=12))
def test_any_name_like_a_zone_is_found_or_refused(name: str) -> None:
    try:
        zone = find_zone(name)
    except UsageError:
        return
    assert datetime.fromtimestamp(0, zone).tzinfo is zone
