# SPDX-License-Identifier: GPL-2.0-only
"""Lines as tcpio.d prints them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from tcpio.output.cells import Cells, addresses, constant, numbers, pad, ports, table
from tcpio.output.lines import LineFormat, word_cells
from tcpio.output.times import TimeFormat
from tcpio.schema.batch import Mark
from tcpio.schema.columns import Column, Kind
from tcpio.schema.record import Records

WIDE = 39
"""Characters of the longest IPv6 address."""

EMPTY = "-"
"""What stands where there is nothing to show, so that every line has as many words."""

_FIN, _SYN, _RST = 0x01, 0x02, 0x04


class Colors(NamedTuple):
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


class TextFormat(LineFormat):
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
        super().__init__(columns, time)
        self._is_wide = is_wide
        self._colors = colors
        if colors:  # their codes stand before the times
            self._parts_at = ()
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

    def _parts(self, places: Iterable[int], records: Records) -> list[Cells]:
        parts: list[Cells] = []
        for at in places:
            parts += (constant(self._leads[at], len(records)), self._cells(self._columns[at], at, records))
        return parts

    def _cells(self, column: Column, at: int, records: Records) -> Cells:
        values = records[column.source]
        width = self._width(column, at)
        match column.kind:
            case Kind.WORD:
                return word_cells(column, self._tables[column.name], records)
            case Kind.TIME:
                return self._time.cells(values)
            case Kind.STAMP:
                return numbers(self._time.to_wall(values).astype(np.uint64), width)
            case Kind.ADDRESS:
                return addresses(values, width)
            case Kind.PORT:
                return ports(values, width)
            case Kind.NUMBER:
                return numbers(values, width)

    def _framed(self, parts: list[Cells], records: Records) -> list[Cells]:
        if self._colors is None:
            return [*parts, constant("\n", len(records))]
        flags = records["flags"]
        which = np.select([flags & _RST != 0, flags & _SYN != 0, flags & _FIN != 0], [1, 2, 3], 0)
        before = table(["", self._colors.rst, self._colors.syn, self._colors.fin])
        behind = table(["\n", *[self._colors.end + "\n"] * 3])
        return [before[which], *parts, behind[which]]

    def _mark(self, mark: Mark) -> str:
        # A nanosecond earlier than what it stands before, so that sort(1) leaves it there.
        earlier = replace(mark, ts_ns=max(mark.ts_ns, 1) - 1)
        time = f"{self._time_of(earlier)} " if self._columns[0].kind is Kind.TIME else ""
        line = f"{time}# {mark}"
        return f"{self._colors.mark}{line}{self._colors.end}" if self._colors else line


def _lead(columns: Sequence[Column], at: int) -> str:
    column = columns[at]
    if not at:
        return column.lead
    return ":" if column.joins == columns[at - 1].name else column.lead or " "


def _words(column: Column, width: int) -> Cells:
    # The padded text of each value, and last that of none.
    words = [word or EMPTY for word in column.text_words or column.words]
    return pad(table([*words, EMPTY]), width, is_left=column.is_left)
