# SPDX-License-Identifier: GPL-2.0-only
"""Read text as tcpio prints it, where each value is a word of its own, but for addresses and their ports."""

import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from io import BufferedIOBase
from itertools import islice

from tcpio.errors import RecordingError
from tcpio.schema.batch import parse_mark
from tcpio.schema.columns import COLUMNS, DEFAULT, Column, Kind
from tcpio.schema.recording import HOST
from tcpio.stream.fields import parse_wall_ns
from tcpio.stream.read_lines import Lines, Piece, clean, needed_of, read_batches, split_at
from tcpio.stream.recording import Recording

_COLOR = re.compile(rb"\x1b\[\d*m")
_MARK = rb"(?:([^ \n]+) )?(?:[^ \n]+ +)?# ([^\n]*)"  # with the time and the host, as 'tcpio sort' writes it
_BY_NAME = {column.name: column for column in (*COLUMNS, Column(HOST, "", Kind.WORD, 0))}


def read_text(file: BufferedIOBase, name: str, wanted: AbstractSet[str]) -> Recording:
    """Open a text file.

    Raises:
        RecordingError: It is not tcpio's text, or cannot be read without its header.
    """
    lines = Lines(file, name)
    rows = _first_rows(lines.peek(_tells_columns))
    first = rows[0].decode(errors="replace") if rows else ""
    names = _names_of(first)
    if names:
        names = _with_direction(names, rows[1].decode(errors="replace") if len(rows) > 1 else "")
    else:
        is_timed = re.match(r"\S+\.\d{9}", first)
        names = (*(["time"] * bool(is_timed)), *DEFAULT)
    dialect = _Text(names, first if _names_of(first) else "")
    if rows and not _names_of(first) and not dialect.row.fullmatch(rows[0] + b"\n"):
        raise RecordingError(
            f"{name} is no recording of tcpio that could be read",
            hint="text is read with its header, or with the default columns; other formats by how they begin",
        )
    dialect.names = needed_of(names, wanted)
    return Recording(frozenset(names) - {HOST}, read_batches(lines, name, dialect))


def _first_rows(data: bytes) -> list[bytes]:
    # The header, if there is one, and the line behind it.
    lines = (_COLOR.sub(b"", line) for line in data.splitlines())
    return list(islice((line for line in lines if line and not re.fullmatch(_MARK, line)), 2))


def _tells_columns(data: bytes) -> bool:
    # Where the direction stands, the header alone does not say.
    rows = _first_rows(data)
    return len(rows) > bool(rows and _names_of(rows[0].decode(errors="replace")))


def _names_of(header: str) -> tuple[str, ...]:
    words = header.replace(":", " ").lower().split()
    return tuple(words) if words and header == header.upper() and set(words) <= set(_BY_NAME) else ()


def _with_direction(names: Sequence[str], row: str) -> tuple[str, ...]:
    # The direction has no name in the header.
    arrows = [at for at, word in enumerate(row.split()) if word in ("->", "<-")]
    if not arrows:
        return tuple(names)
    place = 0
    for _ in range(arrows[0]):
        place += 2 if _is_joined(names, place) else 1
    return (*names[:place], "dir", *names[place:])


def _is_joined(names: Sequence[str], at: int) -> bool:
    return at + 1 < len(names) and _BY_NAME[names[at + 1]].joins == names[at]


class _Text:
    def __init__(self, names: Sequence[str], header: str) -> None:
        self.names = names
        columns = [_BY_NAME[name] for name in names]
        parts = [_pattern(column, columns[at - 1] if at else None) for at, column in enumerate(columns)]
        self.row = re.compile(rb"^" + "".join(parts).encode() + rb" *\n", re.MULTILINE)
        self._as_csv = b",".join(b"\\%d" % (at + 1) for at in range(len(columns))) + b"\n"
        self._others = re.compile(rb"^(?:%s|%s)?\n" % (_MARK, re.escape(header.encode())), re.MULTILINE)
        self._signs = [sign for sign in (b"# ", b"\n\n", header.encode()) if sign]

    def pieces(self, block: bytes) -> Iterator[tuple[int, Piece]]:
        text = _COLOR.sub(b"", clean(block))
        for length, piece in split_at(self._others, text, self._signs if text[:1] != b"\n" else (b"\n",)):
            if isinstance(piece, bytes):
                yield length, self._to_csv(piece, length)
            elif piece[2] is not None:
                yield length, parse_mark(piece[2].decode(errors="replace"), _time_of(piece[1]))
            else:
                yield length, None

    def _to_csv(self, piece: bytes, length: int) -> bytes:
        rows = self.row.findall(piece)
        if len(rows) != length:  # one is none, which stays as it is
            return self.row.sub(self._as_csv, piece)
        return b"\n".join(rows if len(self.names) == 1 else map(b",".join, rows)) + b"\n"


def _pattern(column: Column, before: Column | None) -> str:
    lead = " *" if before is None else ":" if column.joins == before.name else " +"
    # No value is longer, which also bounds how long a line is looked at.
    return rf"{lead}\(([^\s,()]{{1,64}})\)" if column.name == "flags" else rf"{lead}([^\s,]{{1,64}})"


def _time_of(word: bytes | None) -> int:
    try:
        # It is a nanosecond earlier than what it stands before, see tcpio/output/as_text.py.
        return parse_wall_ns(word.decode(errors="replace")) + 1 if word else 0
    except ValueError:
        return 0
