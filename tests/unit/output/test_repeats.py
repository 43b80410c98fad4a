# SPDX-License-Identifier: GPL-2.0-only
"""Lines that are alike are found, and put where they belong."""

import numpy as np
import pytest

from tcpio.output.cells import table
from tcpio.output.repeats import find_repeats, repeat
from tcpio.schema.record import RECORD, Records


def make(count: int, kinds: int) -> Records:
    records = np.zeros(count, RECORD)
    records["bytes"] = np.random.default_rng(count).integers(0, kinds, count)
    records["ts_ns"] = np.arange(count)
    return records


@pytest.mark.parametrize("kinds", [1, 2, 100])
def test_records_that_repeat_are_numbered(kinds: int) -> None:
    records = make(5000, kinds)
    found = find_repeats(records, ["bytes", "flags"])

    assert found
    first, number = found
    assert len(first) == kinds
    assert np.array_equal(records["bytes"][first][number], records["bytes"])


def test_members_that_are_not_asked_for_may_differ() -> None:
    found = find_repeats(make(5000, 5000), ["flags"])

    assert found
    assert len(found[0]) == 1


def test_records_that_mostly_differ_are_left_alone() -> None:
    assert find_repeats(make(5000, 1 << 30), ["bytes"]) is None


@pytest.mark.parametrize("count", [0, 1, 100, 1000])
def test_few_records_are_left_alone(count: int) -> None:
    assert find_repeats(make(count, 1), ["bytes"]) is None


def test_lines_are_repeated() -> None:
    assert repeat(b"one\nthree\n", np.array([1, 0, 1])) == b"three\none\nthree\n"


@pytest.mark.parametrize("befores", [["a ", "b ", "c "], ["a ", "bb ", "c "], [" a", "bb", ""]])
def test_lines_are_repeated_behind_texts_of_their_own(befores: list[str]) -> None:
    found = repeat(b"one\nthree\n", np.array([1, 0, 1]), table(befores))

    assert bytes(found).decode() == "".join(map("".join, zip(befores, ["three\n", "one\n", "three\n"], strict=True)))
