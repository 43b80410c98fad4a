# SPDX-License-Identifier: GPL-2.0-only
"""Read CSV as tcpio writes it; more columns may be in it, which are passed over."""

import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from io import BufferedIOBase

from tcpio.errors import RecordingError
from tcpio.schema.batch import Mark, parse_mark
from tcpio.schema.columns import EVERY
from tcpio.stream.fields import parse_wall_ns
from tcpio.stream.read_lines import Lines, Piece, clean, needed_of, read_batches, split_at
from tcpio.stream.read_rows import make_csv
from tcpio.stream.recording import Recording

_HOST = re.compile(r" \(\S{1,64}\)$")


def read_csv(file: BufferedIOBase, name: str, wanted: AbstractSet[str]) -> Recording:
    """Open a CSV file.

    Raises:
        RecordingError: Its first row does not name columns.
    """
    lines = Lines(file, name)
    first = _first_row(lines.peek(_first_row))
    names = [cell.strip() for cell in first.decode(errors="replace").split(",")]
    if set(EVERY).isdisjoint(names):
        if len(names) != len(EVERY):
            raise RecordingError(f"{name}: the first row names no column", hint=f"columns are {', '.join(EVERY)}")
        names = list(EVERY)
    dialect = _Csv(needed_of(names, wanted), first)
    return Recording(frozenset(names) & set(EVERY), read_batches(lines, name, dialect))


def _first_row(data: bytes) -> bytes:
    return next((line for line in data.splitlines() if not line.startswith(b"#")), b"")


class _Csv:
    def __init__(self, names: Sequence[str], header: bytes) -> None:
        self.names = names
        self._take = make_csv(names)
        self._signs = (b"#", b"\n\n", header)
        # Files that were put behind one another have more than one header.
        self._others = re.compile(rb"^(?:#[^\n]*|%s)?\n" % re.escape(header), re.MULTILINE)
        if set(EVERY).isdisjoint(header.decode(errors="replace").split(",")):
            self._others = re.compile(rb"^(?:#[^\n]*)?\n", re.MULTILINE)

    def pieces(self, block: bytes) -> Iterator[tuple[int, Piece]]:
        lines = clean(block).replace(b"\r\n", b"\n")
        signs = (b"",) if lines.startswith(b"\n") else self._signs
        for length, piece in split_at(self._others, lines, signs):
            yield length, self._of(piece) if isinstance(piece, bytes) else to_mark(piece[0].strip())

    def _of(self, lines: bytes) -> Piece:
        records = self._take(lines)
        return lines if records is None else records


def to_mark(line: bytes) -> Mark | None:
    """Read a comment, which may be a mark."""
    # 'tcpio sort' writes the host behind it.
    text = _HOST.sub("", line.decode(errors="replace").removeprefix("# "))
    times, colon, behind = text.partition(": ")
    if not colon or " " in times:
        return parse_mark(text, 0)
    try:
        return parse_mark(behind, parse_wall_ns(times.rpartition(",")[2]))
    except ValueError:
        return None
