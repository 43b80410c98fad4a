# SPDX-License-Identifier: GPL-2.0-only
"""Streams that are merged, and those that are nearly in order."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpio.stream.lines import Lines, no_lines
from tcpio.stream.merge import Window, merge
from tests.unit.stream.recorded import make_lines, rows, split

STREAMS = st.lists(st.lists(st.integers(0, 9), max_size=12).map(sorted), max_size=5)
"""Few keys, so that many are equal."""


def blocks(keys: list[int], name: str, sizes: list[int]) -> Iterator[Lines]:
    made = [(key, f"{key}{name}{at}\n".encode()) for at, key in enumerate(keys)]
    for size in sizes * len(made):
        if not made:
            return
        yield make_lines(*made[:size])
        made = made[size:]


def expected(streams: list[list[int]]) -> list[bytes]:
    made = [
        (key, f"{key}{number}{at}\n".encode()) for number, keys in enumerate(streams) for at, key in enumerate(keys)
    ]
    return [line for _, line in sorted(made, key=lambda row: row[0])]


@given(STREAMS, st.lists(st.integers(0, 5), min_size=1, max_size=4).filter(any), st.integers(1, 20))
def test_any_streams_in_any_blocks_are_merged_as_python_sorts(
    streams: list[list[int]], sizes: list[int], least: int
) -> None:
    made = [blocks(keys, str(number), sizes) for number, keys in enumerate(streams)]

    assert split(merge(made, least)) == expected(streams)


def test_one_stream_is_given_as_it_comes() -> None:
    asked: list[int] = []

    def stream() -> Iterator[Lines]:
        for key in range(3):
            asked.append(key)
            yield make_lines((key, b"%d\n" % key))

    merged = merge([stream()])

    assert next(merged).tobytes() == b"0\n"
    assert asked == [0]


def test_nothing_is_given_before_every_stream_has_begun() -> None:
    begun: list[str] = []

    def stream(name: str, key: int) -> Iterator[Lines]:
        begun.append(name)
        yield make_lines((key, b"%d\n" % key))

    merged = merge([stream("one", 1), stream("two", 5), iter([no_lines()])])

    assert next(merged).tobytes() == b"1\n"
    assert begun == ["one", "two"]


def test_no_streams_are_nothing() -> None:
    assert list(merge([])) == []


def windowed(window: Window, *parts: list[int]) -> list[list[int]]:
    # The keys that are known when each part has been read, and at the end.
    given: list[list[int]] = [[]]

    def read() -> Iterator[Lines]:
        for part in parts:
            yield make_lines(*((key, b"%d\n" % key) for key in part))
            given.append([])

    for lines in window(read()):
        given[-1] += [int(line) for _, line in rows([lines])]
    return given


def test_lines_are_given_when_no_later_one_can_precede_them() -> None:
    window = Window(10)

    assert windowed(window, [5, 3], [14], [15, 1], [30]) == [[], [3], [1, 5], [14, 15], [30]]
    assert window.late == 1


def test_a_line_that_is_late_is_given_at_once() -> None:
    window = Window(2)

    assert windowed(window, [10, 20], [5, 21], [40]) == [[10], [5], [20, 21], [40]]
    assert window.late == 1


def test_without_a_window_what_is_in_order_is_given_at_once() -> None:
    window = Window(0)

    assert windowed(window, [1, 2], [2, 3], []) == [[1, 2], [2, 3], [], []]
    assert window.late == 0


def test_late_lines_keep_what_follows_in_order() -> None:
    window = Window(0)
    keys = [key for key, _ in rows(window(iter([make_lines((9, b"a\n")), make_lines((1, b"b\n"), (9, b"c\n"))])))]

    assert keys == [9, 9, 9]


@given(st.lists(st.lists(st.integers(0, 60), max_size=8), max_size=8), st.integers(0, 60))
def test_within_a_window_lines_are_in_order(parts: list[list[int]], width: int) -> None:
    window = Window(width)
    given = [key for part in windowed(window, *parts) for key in part]
    all_keys = [key for part in parts for key in part]
    furthest = max((before - key for at, key in enumerate(all_keys) for before in all_keys[:at]), default=0)

    assert sorted(given) == sorted(all_keys)
    if furthest <= width:
        assert (sorted(given), window.late) == (given, 0)


@given(st.lists(st.integers(0, 3), max_size=30), st.integers(1, 4))
def test_within_a_window_equal_keys_stay_in_their_order(keys: list[int], size: int) -> None:
    lines = [row for lines in Window(10)(blocks(keys, "x", [size])) for row in rows([lines])]

    assert [line for _, line in lines] == [
        line
        for _, line in sorted(((key, f"{key}x{at}\n".encode()) for at, key in enumerate(keys)), key=lambda row: row[0])
    ]


@pytest.mark.parametrize("blocks", [[], [no_lines()]])
def test_nothing_is_nothing(blocks: list[Lines]) -> None:
    assert list(Window(5)(iter(blocks))) == []
