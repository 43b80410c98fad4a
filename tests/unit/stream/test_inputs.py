# SPDX-License-Identifier: GPL-2.0-only
"""What is read from files: keys, headers, marks, and what cannot be read."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tcpio.errors import RecordingError
from tcpio.stream.agreement import Agreement
from tcpio.stream.inputs import LONGEST_LINE, Input, Unreadable
from tests.unit.stream.recorded import MOMENT_NS, SECOND, WAYS, Way, iso, moments, rows, write

LINES = [f"{iso(MOMENT_NS + at)} {at}\n".encode() for at in range(4)]
KEYS = [MOMENT_NS + at for at in range(4)]
ONE, TWO, THREE, FOUR = LINES
GARBAGE = b"what is this?\n"
MARK = b"# 5 segments lost on CPU 1\n"


class Pieces:
    """Stands for what the kernel gives piece by piece."""

    def __init__(self, *pieces: bytes) -> None:
        self.left = [piece for piece in pieces if piece]

    def read(self, _fd: int, _size: int) -> bytes:
        return self.left.pop(0) if self.left else b""


class Reader:
    """Reads pieces as one input.

    Args:
        is_dropped: Whether unreadable lines are left out.
        host: Of all lines.
        at_once: Bytes to read before lines are given.
    """

    def __init__(self, *, is_dropped: bool = False, host: str = "", at_once: int = 1) -> None:
        self.agreement = Agreement(len(host))
        self.unreadable = Unreadable(is_dropped=is_dropped)
        self._host = host
        self._at_once = at_once

    def __call__(self, *pieces: bytes) -> list[tuple[int, bytes]]:
        return [row for part in self.parts(*pieces) for row in part]

    def parts(self, *pieces: bytes) -> Iterator[list[tuple[int, bytes]]]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "read", Pieces(*pieces).read)
            made = Input(
                7,
                "file",
                host=self._host,
                agreement=self.agreement,
                unreadable=self.unreadable,
                at_once=self._at_once,
            )
            for lines in made.read():
                yield rows([lines])


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
@given(
    times=st.lists(moments(), max_size=12), cuts=st.lists(st.integers(1, 90), min_size=1, max_size=4), data=st.data()
)
def test_any_lines_in_any_pieces_are_read(
    way: Way, times: list[tuple[int, int]], cuts: list[int], data: st.DataObject
) -> None:
    lines = write(way, times)
    whole = (way.header + "".join(lines)).encode()
    pieces = []
    while whole:
        size = data.draw(st.sampled_from(cuts))
        pieces.append(whole[:size])
        whole = whole[size:]
    reader = Reader(at_once=data.draw(st.integers(1, 200)))

    assert reader(*pieces) == [(ns, line.encode()) for (ns, _), line in zip(times, lines, strict=True)]
    assert reader.agreement.header == way.header.encode()
    assert reader.unreadable.count == 0


def test_lines_are_given_as_soon_as_they_are_there() -> None:
    assert list(Reader().parts(ONE + TWO[:3], TWO[3:])) == [[(KEYS[0], ONE)], [(KEYS[1], TWO)]]


def test_more_is_read_at_once_if_that_is_asked_for() -> None:
    assert list(Reader(at_once=1000).parts(ONE, TWO)) == [list(zip(KEYS[:2], LINES[:2], strict=True))]


def test_a_last_line_without_its_end_gets_one() -> None:
    assert Reader()(ONE + TWO[:-1]) == [(KEYS[0], ONE), (KEYS[1], TWO)]


def test_an_empty_input_has_no_lines() -> None:
    assert Reader()() == []


def test_a_line_without_a_time_stays_before_the_next() -> None:
    assert Reader()(ONE + MARK + MARK + THREE + TWO) == [
        (KEYS[0], ONE),
        (KEYS[2], MARK),
        (KEYS[2], MARK),
        (KEYS[2], THREE),
        (KEYS[1], TWO),
    ]


def test_a_line_without_a_time_waits_for_the_next() -> None:
    assert list(Reader().parts(ONE + MARK, TWO)) == [[(KEYS[0], ONE)], [(KEYS[1], MARK), (KEYS[1], TWO)]]


def test_a_line_without_a_time_at_the_end_stays_there() -> None:
    assert Reader()(TWO + ONE + MARK) == [(KEYS[1], TWO), (KEYS[0], ONE), (KEYS[0], MARK)]
    assert Reader()(TWO, ONE, MARK) == [(KEYS[1], TWO), (KEYS[0], ONE), (KEYS[0], MARK)]


def test_marks_alone_are_kept() -> None:
    assert Reader()(MARK) == [(0, MARK)]


def test_marks_are_not_unreadable() -> None:
    reader = Reader(is_dropped=True)

    assert len(reader(ONE + MARK + b'{"cpu":3,"lost":7}\n' + TWO)) == 4
    assert reader.unreadable.count == 0


@pytest.mark.parametrize("is_dropped", [False, True])
def test_unreadable_lines_are_told_with_their_numbers(is_dropped: bool) -> None:  # noqa: FBT001
    reader = Reader(is_dropped=is_dropped)
    found = reader(b"TIME CPU\n", ONE + GARBAGE + TWO, b"\n", THREE, FOUR[:20])
    lines = [line for _, line in found]

    assert reader.unreadable.first == [
        ("file", 3, GARBAGE),
        ("file", 5, b"\n"),
        ("file", 7, FOUR[:20] + b"\n"),
    ]
    assert reader.unreadable.count == 3
    assert lines == ([ONE, TWO, THREE] if is_dropped else [ONE, GARBAGE, TWO, b"\n", THREE, FOUR[:20] + b"\n"])


def test_of_many_unreadable_lines_the_first_are_told() -> None:
    reader = Reader()
    reader(ONE + GARBAGE * 1000)

    assert reader.unreadable.count == 1000
    assert [number for _, number, _ in reader.unreadable.first] == list(range(2, 12))


@pytest.mark.parametrize(
    ("data", "line", "hint"),
    [
        (GARBAGE * 3, 1, "record with -t, or with -f jsonl or csv"),
        (b" CPU           LADDR:LPORT\n   1  192.0.2.8:22\n", 2, "record with -t, or with -f jsonl or csv"),
        (b"TIME CPU\n      0.049448651   1\n", 2, "record with --time-format iso or epoch"),
        (b"\x0a\x0d\x0d\x0a" + bytes(100), 1, "record with -t, or with -f jsonl or csv"),
        (MARK + GARBAGE, 2, "record with -t, or with -f jsonl or csv"),
    ],
)
@pytest.mark.parametrize("is_dropped", [False, True])
def test_what_has_no_times_at_all_is_refused(data: bytes, line: int, hint: str, is_dropped: bool) -> None:  # noqa: FBT001
    with pytest.raises(RecordingError) as caught:
        Reader(is_dropped=is_dropped)(data)

    assert str(caught.value) == f"cannot sort file: line {line} has no date and time, nor has any other"
    assert caught.value.hint == hint


def test_a_time_is_not_waited_for_forever() -> None:
    with pytest.raises(RecordingError, match=r"^cannot sort file: line 1 has no date and time"):
        Reader()(GARBAGE * (LONGEST_LINE // len(GARBAGE) + 2), ONE)


def test_what_comes_before_the_first_time_is_waited_for() -> None:
    assert Reader()(GARBAGE, GARBAGE, ONE) == [(KEYS[0], GARBAGE), (KEYS[0], GARBAGE), (KEYS[0], ONE)]


def test_much_without_a_time_does_not_fill_the_memory() -> None:
    reader = Reader()
    much = GARBAGE * (LONGEST_LINE // len(GARBAGE) + 1)
    parts = list(reader.parts(ONE, much, much, GARBAGE, TWO))

    assert [len(part) for part in parts] == [1, len(much) // len(GARBAGE), len(much) // len(GARBAGE), 2]
    assert {key for key, line in parts[1] + parts[2] if line == GARBAGE} == {KEYS[0]}
    assert parts[3] == [(KEYS[1], GARBAGE), (KEYS[1], TWO)]
    assert reader.unreadable.count == 2 * (len(much) // len(GARBAGE)) + 1


def test_a_line_that_never_ends_is_refused() -> None:
    reader = Reader()
    with pytest.raises(RecordingError, match=f"^cannot read file: line 3 has more than {LONGEST_LINE} bytes$"):
        reader(ONE + TWO, *[b"x" * LONGEST_LINE] * 3)


def test_headers_are_left_out_wherever_they_are() -> None:
    reader = Reader()

    assert reader(b"TIME CPU\n" + ONE + b"TIME CPU\n" + TWO) == [(KEYS[0], ONE), (KEYS[1], TWO)]
    assert reader.agreement.header == b"TIME CPU\n"
    assert reader.unreadable.count == 0


def test_a_header_alone_is_kept() -> None:
    reader = Reader()

    assert reader(b"time,cpu\n") == []
    assert reader.agreement.header == b"time,cpu\n"


def test_hosts_are_written_into_lines_and_marks() -> None:
    reader = Reader(host="web")
    found = [line for _, line in reader(f"{'TIME':<35} CPU\n".encode() + ONE + MARK + GARBAGE + TWO)]

    assert found == [
        ONE[:35] + b" web" + ONE[35:],
        b"web " + MARK,
        GARBAGE,
        TWO[:35] + b" web" + TWO[35:],
    ]
    assert reader.agreement.header.decode() == f"{'TIME':<35} HOST CPU\n"


def test_hosts_are_written_where_unreadable_lines_are_left_out() -> None:
    reader = Reader(host="web", is_dropped=True)

    assert [line for _, line in reader(ONE + GARBAGE)] == [ONE[:35] + b" web" + ONE[35:]]
    assert [line for _, line in reader(b"TIME HOSTNAME\n")] == []


def test_an_input_that_changes_its_columns_is_refused() -> None:
    reader = Reader()
    with pytest.raises(RecordingError, match="has other columns than file"):
        reader(b"TIME CPU\n" + ONE + b"TIME CPU FLAGS\n")


def test_an_error_of_reading_is_told(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    made = Input(fd, "file", host="", agreement=Agreement(0), unreadable=Unreadable(is_dropped=False), at_once=1)
    with pytest.raises(RecordingError, match=r"^cannot read file: Is a directory$"):
        list(made.read())
    os.close(fd)


@example([b" ", b"TIME CPU\n"])
@example([b"A", b"TIME CPU\n"])
@given(st.lists(st.binary(max_size=80) | st.sampled_from([ONE, TWO, MARK, GARBAGE, b"TIME CPU\n", b"\n"]), max_size=12))
def test_any_bytes_are_kept_or_refused(pieces: list[bytes]) -> None:
    reader = Reader()
    whole = b"".join(pieces)
    try:
        found = reader(*pieces)
    except RecordingError:
        return
    lines = whole.split(b"\n")[: -1 if whole.endswith(b"\n") or not whole else None]

    left = [line for line in lines if line.split() != [b"TIME", b"CPU"]]
    assert b"".join(line for _, line in found) == b"".join(line + b"\n" for line in left)


def test_zones_do_not_matter() -> None:
    lines = [f"{iso(MOMENT_NS + at * SECOND, offset)}\n".encode() for at, offset in enumerate([0, 60, -60])]

    assert [key for key, _ in Reader()(*lines)] == [MOMENT_NS + at * SECOND for at in range(3)]
