# SPDX-License-Identifier: GPL-2.0-only
"""Lines as tcpio.d prints them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from tcpio.output.cells import Cells, addresses, compact, constant, join, numbers, pad, ports, squeeze, table
from tcpio.output.times import TimeFormat
from tcpio.schema.batch import Batch, Mark
from tcpio.schema.columns import FLOW, Column, Kind
from tcpio.schema.distinct import distinct, pack
from tcpio.schema.record import RECEIVE, Records, take

WIDE = 39
"""Characters of the longest IPv6 address."""

EMPTY = "-"
"""What stands where there is nothing to show, so that every line has as many words."""

_FEW = 8  # it pays to compact text that so many records share

_FIN, _SYN, _RST = 0x01, 0x02, 0x04


@dataclass(frozen=True)
class Colors:
    """What to write before a line with these flags, and behind it.

    Args:
        syn: Before a line with SYN.
        fin: Before a line with FIN.
        rst: Before a line with RST, whatever else is set.
        mark: Before a mark.
        end: Behind each of these.
    """

    syn: str
    fin: str
    rst: str
    mark: str
    end: str


@dataclass(frozen=True)
class Chunk:
    """A piece of output.

    Args:
        data: Whole lines.
        segments: How many of them are segments and not marks.
    """

    data: bytes
    segments: int


class TextFormat:
    """From batches to lines.

    Args:
        columns: What a line shows.
        time: Writes the time column.
        is_wide: Whether all addresses have room for IPv6.
        colors: None is without.
    """

    def __init__(
        self, columns: Sequence[Column], time: TimeFormat, *, is_wide: bool = False, colors: Colors | None = None
    ) -> None:
        self._columns = columns
        self._time = time
        self._is_wide = is_wide
        self._colors = colors
        self._leads = [_lead(columns, at) for at in range(len(columns))]
        self._tables = {column.name: _words(column, self._width(column, at)) for at, column in enumerate(columns)}

    def header(self) -> bytes:
        """Give the line above all others."""
        return ("".join(self._head(at) for at in range(len(self._columns))).rstrip() + "\n").encode()

    def _width(self, column: Column, at: int) -> int:
        if at == len(self._columns) - 1 and column.is_left:
            return 0  # nothing behind it has to be in line
        return WIDE if self._is_wide and column.kind is Kind.ADDRESS else column.width

    def _head(self, at: int) -> str:
        column = self._columns[at]
        width = self._width(column, at) + column.head_extra
        if column.kind is Kind.TIME:
            width = self._time.width
        text = column.name.upper() if column.has_head else ""
        return self._leads[at] + (text.ljust(width) if column.is_left else text.rjust(width))

    def chunks(self, batch: Batch) -> list[Chunk]:
        """Give the lines of a batch, each mark at its place."""
        pieces: list[Chunk] = []
        done = 0
        for mark in batch.marks:
            at = max(done, _place(batch.records, mark))
            pieces += self._lines(batch.records[done:at])
            pieces.append(Chunk(self._mark(mark), 0))
            done = at
        return pieces + self._lines(batch.records[done:])

    def _lines(self, records: Records) -> list[Chunk]:
        if not len(records):
            return []
        parts: list[Cells] = []
        for is_of_flow, group in groupby(range(len(self._columns)), lambda at: self._columns[at].is_of_flow):
            places = list(group)
            parts += [self._flow_cells(places, records)] if is_of_flow else self._parts(places, records)
        return [Chunk(squeeze(self._colored(parts, records)), len(records))]

    def _flow_cells(self, places: Sequence[int], records: Records) -> Cells:
        # Written once for each connection and direction, and taken from there.
        first, number = distinct(pack(records, FLOW))
        cells: Cells = join(self._parts(places, take(records, first)))
        if len(first) * _FEW < len(records):
            cells = compact(cells)
        return np.take(cells, number, axis=0)

    def _parts(self, places: Iterable[int], records: Records) -> list[Cells]:
        parts: list[Cells] = []
        for at in places:
            parts += (constant(self._leads[at], len(records)), self._cells(self._columns[at], at, records))
        return parts

    def _cells(self, column: Column, at: int, records: Records) -> Cells:
        values = records[column.source]
        if column.kind is Kind.WORD:
            words = self._tables[column.name]
            index = values % (len(words) - 1)
            cells: Cells = words[
                np.where(records["dir"] == RECEIVE, len(words) - 1, index) if column.is_send_only else index
            ]
            return cells
        if column.kind is Kind.TIME:
            return self._time.cells(values)
        width = self._width(column, at)
        if column.kind is Kind.ADDRESS:
            return addresses(values, width)
        if column.kind is Kind.PORT:
            return ports(values, width)
        return numbers(values, width)

    def _colored(self, parts: list[Cells], records: Records) -> list[Cells]:
        if self._colors is None:
            return [*parts, constant("\n", len(records))]
        flags = records["flags"]
        which = np.select([flags & _RST != 0, flags & _SYN != 0, flags & _FIN != 0], [1, 2, 3], 0)
        before = table(["", self._colors.rst, self._colors.syn, self._colors.fin])
        behind = table(["\n", *[self._colors.end + "\n"] * 3])
        return [before[which], *parts, behind[which]]

    def _mark(self, mark: Mark) -> bytes:
        time = ""
        if self._columns[0].kind is Kind.TIME:
            # A nanosecond earlier than what it stands before, so that sort(1) leaves it there.
            time = squeeze([self._time.cells(np.array([max(mark.ts_ns, 1) - 1], np.uint64))]).decode() + " "
        line = f"{time}# {mark}"
        if self._colors:
            line = f"{self._colors.mark}{line}{self._colors.end}"
        return f"{line}\n".encode()


def _place(records: Records, mark: Mark) -> int:
    # Before the record whose time it has, which need not be in order; else where it would be if they are.
    same = np.flatnonzero(records["ts_ns"] == mark.ts_ns)
    return int(same[0]) if len(same) else int(np.searchsorted(records["ts_ns"], mark.ts_ns))


def _lead(columns: Sequence[Column], at: int) -> str:
    column = columns[at]
    if not at:
        return column.lead
    return ":" if column.joins == columns[at - 1].name else column.lead or " "


def _words(column: Column, width: int) -> Cells:
    # The padded text of each value, and last that of none.
    words = [word or EMPTY for word in column.text_words or column.words]
    return pad(table([*words, EMPTY]), width, is_left=column.is_left)
