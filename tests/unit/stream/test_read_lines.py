# SPDX-License-Identifier: GPL-2.0-only
"""Blocks of whole lines, and what stands between rows."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpio.errors import RecordingError
from tcpio.stream import read_lines
from tcpio.stream.read_lines import Lines, clean, needed_of, split_at


@given(data=st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b""))), size=st.integers(1, 64))
def test_blocks_are_whole_lines_and_lose_nothing(data: list[bytes], size: int) -> None:
    text = b"".join(line + b"\n" for line in data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read_lines, "BLOCK", size)
        lines = Lines(io.BytesIO(text), "x")
        first = lines.peek()
        blocks = list(lines.blocks())

    assert b"".join(blocks) == text
    assert all(block.endswith(b"\n") for block in blocks)
    assert text.startswith(first)


def test_what_a_pipe_has_is_given_at_once() -> None:
    class Slow(io.BytesIO):
        def read1(self, _size: int | None = -1) -> bytes:
            return self.readline()

    assert list(Lines(Slow(b"a\nb\n"), "x").blocks()) == [b"a\n", b"b\n"]


def test_a_line_that_does_not_end_is_told_with_its_place() -> None:
    blocks = Lines(io.BytesIO(b"one\ntw"), "x").blocks()

    assert next(blocks) == b"one\n"
    with pytest.raises(RecordingError, match="x ends in the middle of a line, at byte 4"):
        next(blocks)


def test_lines_that_match_stand_between_runs_of_others() -> None:
    found = list(split_at(re.compile(rb"^#[^\n]*\n", re.MULTILINE), b"# a\n1\n2\n# b\n# c\n3\n"))

    assert [(length, piece if isinstance(piece, bytes) else piece[0]) for length, piece in found] == [
        (1, b"# a\n"),
        (2, b"1\n2\n"),
        (1, b"# b\n"),
        (1, b"# c\n"),
        (1, b"3\n"),
    ]


def test_zero_bytes_are_not_taken_for_nothing() -> None:
    assert clean(b"1\x002\n") == b"1\x012\n"
    assert clean(b"12\n") == b"12\n"


def test_times_and_the_direction_are_always_needed() -> None:
    assert needed_of(["time", "ts_ns", "dir", "cpu", "seq"], {"cpu"}) == ["time", "ts_ns", "dir", "cpu", ""]
