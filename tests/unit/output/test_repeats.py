# SPDX-License-Identifier: GPL-2.0-only
"""Lines are put together from pieces, each of which is written once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpio.output.cells import table
from tcpio.output.repeats import Pieces, to_pieces, weave

WORDS = st.lists(st.text("abc", max_size=5), min_size=1, max_size=6)


def pieces(words: list[str], number: list[int]) -> Pieces:
    return to_pieces(table(words), np.array(number, np.intp))


def test_lines_are_repeated() -> None:
    assert weave([pieces(["one\n", "three\n"], [1, 0, 1])]) == b"three\none\nthree\n"


def test_pieces_of_one_length_are_taken_as_they_lie() -> None:
    assert pieces(["abc", "def"], [1, 0]).text == b"abcdef"


def test_what_is_nothing_is_left_out_of_a_piece() -> None:
    found = to_pieces(np.frombuffer(b"a\0b\0\0cd\0", np.uint8).reshape(2, 4), np.array([0, 1]))

    assert (found.text, found.sizes.tolist()) == (b"abcd", [2, 2])


@pytest.mark.parametrize("befores", [["a ", "b ", "c "], ["a ", "bb ", "c "], [" a", "bb", ""]])
def test_lines_are_repeated_behind_texts_of_their_own(befores: list[str]) -> None:
    found = weave([pieces(["one\n", "three\n"], [1, 0, 1])], table(befores))

    assert bytes(found).decode() == "".join(map("".join, zip(befores, ["three\n", "one\n", "three\n"], strict=True)))


@given(st.data(), st.lists(WORDS, min_size=1, max_size=3), st.integers(1, 30), st.integers(0, 3))
def test_each_line_has_its_piece_of_each_part(
    data: st.DataObject, parts: list[list[str]], count: int, ahead: int
) -> None:
    numbers = [data.draw(st.lists(st.integers(0, len(words) - 1), min_size=count, max_size=count)) for words in parts]
    befores = [str(at) * ahead for at in range(count)]
    found = weave(
        [pieces(words, number) for words, number in zip(parts, numbers, strict=True)], table(befores) if ahead else None
    )
    lines = zip(*([words[at] for at in number] for words, number in zip(parts, numbers, strict=True)), strict=True)

    assert bytes(found).decode() == "".join(map("".join, zip(befores, map("".join, lines), strict=True)))


def test_more_pieces_than_are_written_at_once_come_in_order() -> None:
    count = 20_000
    number = (np.arange(count) * 7 % 5).tolist()
    heads, tails = ["<", "<<", "<<<<<<<<", "", "<"], ["1\n", "22\n", "\n", "4444444\n", "5\n"]
    found = weave([pieces(heads, number), pieces(tails, number[::-1])])

    assert bytes(found).decode() == "".join(
        heads[head] + tails[tail] for head, tail in zip(number, reversed(number), strict=True)
    )
