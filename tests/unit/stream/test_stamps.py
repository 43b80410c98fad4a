# SPDX-License-Identifier: GPL-2.0-only
"""Times in lines, wherever they stand."""

from datetime import datetime, timezone

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tcpio.stream.stamps import COUNT, EPOCH, ISO, Layout, Stamps, find_layout
from tests.unit.stream.recorded import MOMENT_NS, SECOND, WAYS, Way, epoch, iso, moments, write

MOST_NS = (1 << 63) - 1


def find(lines: list[str], stamps: Stamps | None = None) -> list[int | None]:
    text = np.frombuffer("".join(f"{line}\n" for line in lines).encode(), np.uint8)
    ends = np.flatnonzero(text == ord("\n"))
    starts = np.concatenate((np.zeros(1, np.int64), ends + 1))[:-1]
    found = (stamps or Stamps()).find(text, starts, ends)
    return [key if is_timed else None for key, is_timed in zip(found.keys.tolist(), found.is_timed, strict=True)]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
@given(rows=st.lists(moments(), max_size=20))
def test_times_are_read_however_they_are_written(way: Way, rows: list[tuple[int, int]]) -> None:
    assert find([line[:-1] for line in write(way, rows)]) == [ns for ns, _ in rows]


@given(st.integers(0, MOST_NS - 10**9), st.integers(-1439, 1439))
@example(0, 0)
@example(MOMENT_NS, -1439)
@example(int(datetime(2024, 2, 29, 23, 59, 59, tzinfo=timezone.utc).timestamp()) * SECOND, 1)
@example(int(datetime(2261, 12, 31, 23, 59, 59, tzinfo=timezone.utc).timestamp()) * SECOND, 0)
def test_any_moment_of_any_zone_is_read(moment_ns: int, offset_minutes: int) -> None:
    text = iso(moment_ns, offset_minutes)

    assert find([text]) == [moment_ns if "1970" <= text[:4] <= "2261" else None]


@given(st.integers(10**18, MOST_NS))
def test_any_number_of_nanoseconds_is_read(moment_ns: int) -> None:
    assert find([f"{moment_ns},1"]) == [moment_ns]


@given(st.integers(0, MOST_NS // SECOND * SECOND - 1))
def test_any_epoch_is_read(moment_ns: int) -> None:
    assert find([epoch(moment_ns)]) == [moment_ns]


GOOD = "2026-11-21T22:16:18.731166779+00:00"


@pytest.mark.parametrize(
    "line",
    [
        "",
        GOOD[:-1],
        "2026-13-21T22:16:18.731166779+00:00",
        "2026-00-21T22:16:18.731166779+00:00",
        "2026-02-29T22:16:18.731166779+00:00",
        "2026-11-00T22:16:18.731166779+00:00",
        "2026-11-21T24:16:18.731166779+00:00",
        "2026-11-21T22:60:18.731166779+00:00",
        "2026-11-21T22:16:61.731166779+00:00",
        "2026-11-21T22:16:18.731166779+24:00",
        "2026-11-21T22:16:18.731166779+00:60",
        "1969-12-31T22:16:18.731166779+00:00",
        "2262-11-21T22:16:18.731166779+00:00",
        "2026-11-21T22:16:18.731166779*00:00",
        "2026-11-21 22:16:18.731166779+00:00",
        "2026-11-21T22:16:18.73116677x+00:00",
        "2026-11-21T22:16:18.731166779+00:001",
        "1" + GOOD,
        "9999999999.000000000",
        "1795299378.73116677",
        "11795299378.731166779",
        "1795299378.7311667791",
        "     12.731166779",
        "9999999999999999999",
        "17952993787311667791",
        '{"ts_ns":17952993787311667791}',
        '{"cpu":1795299378731166779}',
        '{"note":"2026-11-21T22:16:18.731166779+00:00"}',
        "\N{FULLWIDTH DIGIT ONE}795299378.731166779",
    ],
)
def test_what_is_no_time_is_not_taken_for_one(line: str) -> None:
    # Alone; and where another line has one at the same place.
    assert find([line]) == [None]
    assert find([GOOD, epoch(MOMENT_NS), f"{MOMENT_NS}", line]) == [MOMENT_NS] * 3 + [None]
    assert find([f"1{GOOD}"[1:], f" {GOOD}", f"x{GOOD}", line])[3] is None


def test_a_leap_second_is_a_time() -> None:
    assert find(["2016-12-31T23:59:60.500000000+00:00"]) == [1_483_228_800 * SECOND + SECOND // 2]


def test_days_before_and_behind_a_zones_change_are_moments() -> None:
    # Summer time ends: the clocks on the wall go back, and sort(1) is wrong.
    lines = ["2024-10-27T02:59:59.999999999+02:00", "2024-10-27T02:00:00.000000000+01:00"]

    assert find(lines) == [1_729_990_800 * SECOND - 1, 1_729_990_800 * SECOND]
    assert sorted(lines) != lines


def test_the_first_time_of_a_line_counts() -> None:
    other = iso(MOMENT_NS + SECOND)

    assert find([f"{GOOD} {other}", f"{other} {GOOD}"]) == [MOMENT_NS, MOMENT_NS + SECOND]


def test_lines_that_begin_with_a_time_are_known() -> None:
    text = np.frombuffer(f"{GOOD} 1\n{epoch(MOMENT_NS)} 1\n1 {GOOD}\nno\n".encode(), np.uint8)
    ends = np.flatnonzero(text == ord("\n"))
    found = Stamps().find(text, np.concatenate(([0], ends[:-1] + 1)), ends)

    assert found.lead.tolist() == [35, 20, 0, 0]


def test_times_at_more_places_than_are_remembered_are_read() -> None:
    stamps = Stamps()
    lines = [f"{'x' * indent}{GOOD}" for indent in range(100)]

    assert find(lines, stamps) == [MOMENT_NS] * 100
    assert find(lines[::-1], stamps) == [MOMENT_NS] * 100
    assert len(stamps._layouts) < 100


def test_places_are_remembered() -> None:
    stamps = Stamps()
    find([GOOD, f" {GOOD}"], stamps)
    find([f" {GOOD}", epoch(MOMENT_NS)], stamps)

    assert stamps._layouts == [Layout(ISO, 0), Layout(ISO, 1), Layout(EPOCH, 0)]


@pytest.mark.parametrize(
    ("line", "layout"),
    [
        (GOOD, Layout(ISO, 0)),
        (f"# {GOOD},{MOMENT_NS}: 137 segments lost on CPU 3", Layout(ISO, 2)),
        (f"1,{MOMENT_NS},2", Layout(COUNT, 2)),
        (f'{{"time":"{GOOD}","ts_ns":{MOMENT_NS}}}', Layout(COUNT, 54)),
        (f'{{"time": "{GOOD}"}}', Layout(ISO, 10)),
        ("192.0.2.8", None),
    ],
)
def test_a_line_is_searched_for_a_time(line: str, layout: Layout | None) -> None:
    assert layout == find_layout(line.encode())


@given(st.binary(max_size=200))
def test_any_bytes_have_times_or_none(data: bytes) -> None:
    lines = data.decode("latin-1").split("\n")

    assert len(find(lines)) == len(lines)


@given(st.lists(st.text("0123456789-T:.+ x", max_size=40), max_size=8))
def test_anything_like_a_time_is_the_same_alone_and_among_others(lines: list[str]) -> None:
    alone = [find([line])[0] for line in lines]

    assert find([*lines, GOOD, f"x{GOOD}", epoch(MOMENT_NS)])[: len(lines)] == alone
