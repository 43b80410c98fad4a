# SPDX-License-Identifier: GPL-2.0-only
"""Lines by the thousand: cut, joined, gathered."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpio.stream.lines import Integers, Lines, gather, is_sorted, join, no_lines, windows
from tests.unit.stream.recorded import make_lines, texts


def gathered(pieces: list[bytes], order: list[int]) -> bytes:
    text = np.frombuffer(b"".join(pieces), np.uint8)
    lengths: Integers = np.array([len(piece) for piece in pieces], np.int64)
    starts = np.cumsum(lengths) - lengths
    return b"".join(part.tobytes() for part in gather(text, starts[order], lengths[order]))


@given(st.data())
def test_any_pieces_in_any_order_are_what_joining_them_gives(data: st.DataObject) -> None:
    pieces = data.draw(st.lists(st.binary(max_size=40), min_size=1, max_size=30))
    order = data.draw(st.lists(st.integers(0, len(pieces) - 1), max_size=60))

    assert gathered(pieces, order) == b"".join(pieces[at] for at in order)


def test_more_than_is_gathered_at_once() -> None:
    pieces = [b"%d\n" % number for number in range(20_000)]
    order = list(range(len(pieces)))[::-1]

    assert gathered(pieces, order) == b"".join(pieces[::-1])


@pytest.mark.parametrize("place", [0, 1, 500, 999, 1000])
def test_a_few_long_pieces_among_short_ones(place: int) -> None:
    pieces = [b"a"] * 1000
    pieces.insert(place, b"b" * 100_000)
    pieces.append(b"c" * 5000)
    order = list(range(len(pieces)))[::-1]

    assert gathered(pieces, order) == b"".join(pieces[::-1])


def test_what_is_in_order_already_is_not_copied() -> None:
    text = np.frombuffer(b"one\ntwo\n", np.uint8)
    (part,) = gather(text, np.array([0, 4]), np.array([4, 4]))

    assert np.shares_memory(part, text)


def test_lines_are_cut_without_copying() -> None:
    lines = make_lines((1, b"one\n"), (2, b"\n"), (3, b"three\n"))
    first, others = lines.cut(2)

    assert (texts(first), texts(others)) == ([b"one\n", b"\n"], [b"three\n"])
    assert np.shares_memory(others.text, lines.text)


def test_joined_lines_are_behind_one_another() -> None:
    one, two = make_lines((1, b"one\n")), make_lines((0, b"two\n"), (5, b"\n"))

    assert texts(join([one, no_lines(), two])) == [b"one\n", b"two\n", b"\n"]
    assert join([one, two]).keys.tolist() == [1, 0, 5]
    assert join([no_lines(), one]) is one
    assert len(join([])) == 0


@given(st.lists(st.tuples(st.integers(0, 5), st.binary(max_size=4)), max_size=20))
def test_sorting_is_pythons(rows: list[tuple[int, bytes]]) -> None:
    lines = make_lines(*rows).sort()

    assert sorted(rows, key=lambda row: row[0]) == list(zip(lines.keys.tolist(), texts(lines), strict=True))


def test_what_is_sorted_is_known() -> None:
    assert is_sorted(np.array([], np.int64))
    assert is_sorted(np.array([1, 1, 2]))
    assert not is_sorted(np.array([1, 2, 1]))


def test_windows_are_bytes_from_places_on() -> None:
    text = np.frombuffer(b"abcdef", np.uint8)

    assert windows(text, np.array([3, 0]), 3).tobytes() == b"defabc"
    assert windows(text, np.array([], np.int64), 9).shape == (0, 9)


def test_no_lines_are_none() -> None:
    none = no_lines()

    assert isinstance(none, Lines)
    assert (len(none), texts(none.sort())) == (0, [])
