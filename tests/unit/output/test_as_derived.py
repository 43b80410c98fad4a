# SPDX-License-Identifier: GPL-2.0-only
"""Sums, in each format."""

import csv
import json

import pytest

from tcpio.output.as_derived import NOTE, to_lines
from tests.unit.samples import make_segment

COLUMNS = (("laddr", "lport"), ("bytes_sent", "resets_sent"))
SUMS = [[464, 0]]


def lines(name: str, *, lost: int = 0) -> list[str]:
    return to_lines(name, COLUMNS, make_segment(), SUMS, lost=lost).splitlines()


def test_text_leaves_out_what_is_nothing_everywhere() -> None:
    assert lines("text") == [f"# {NOTE}", "    LADDR  LPORT  BYTES_SENT", "192.0.2.8     22         464"]


def test_json_says_that_it_was_derived() -> None:
    (row,) = map(json.loads, lines("jsonl"))

    assert row == {"laddr": "192.0.2.8", "lport": 22, "bytes_sent": 464, "resets_sent": 0, "derived": True}


def test_csv_has_all_and_says_so_too() -> None:
    note, *rows = lines("csv")

    assert note == f"# {NOTE}"
    assert list(csv.reader(rows)) == [[*COLUMNS[0], *COLUMNS[1]], ["192.0.2.8", "22", "464", "0"]]


@pytest.mark.parametrize("name", ["text", "csv"])
def test_what_was_lost_is_told(name: str) -> None:
    assert lines(name, lost=7)[0] == f"# {NOTE}; 7 segments were lost and are missing"
