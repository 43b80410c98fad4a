# SPDX-License-Identifier: GPL-2.0-only
"""What all formats have in common whose output is lines: a batch becomes a matrix of characters, column by column."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from tcpio.output.cells import Cells, addresses, compact, constant, digits, join, ports, squeeze, table
from tcpio.output.repeats import Pieces, to_pieces, weave
from tcpio.output.times import TimeFormat
from tcpio.schema.batch import Batch, Mark
from tcpio.schema.columns import Column, Kind
from tcpio.schema.distinct import Indices, distinct, pack
from tcpio.schema.record import RECEIVE, Records, take

_TIMES = (Kind.TIME, Kind.STAMP)
_FEW = 8  # it pays to compact text that so many records share


class Chunk(NamedTuple):
    """A piece of output.

    Args:
        data: Whole lines, or what of another format can be read without what follows; a memoryview is of bytes.
        segments: How many segments are in it; marks are none.
        is_lines: Whether each of these is a line, so that a part of the piece is of use too.
    """

    data: bytes | memoryview
    segments: int
    is_lines: bool = True

    def whole(self, written: int) -> int:
        """Give how many of the first ``written`` bytes can be read."""
        if written == len(self.data):
            return written
        return bytes(self.data).rfind(b"\n", 0, written) + 1 if self.is_lines else 0

    def segments_in(self, written: int) -> int:
        """Give how many segments the first ``written`` bytes hold."""
        if written == len(self.data):
            return self.segments
        return bytes(self.data).count(b"\n", 0, written) if self.is_lines and self.segments else 0


class LineFormat(ABC):
    """From batches to lines.

    Args:
        columns: What a line shows.
        time: Writes the time column.
    """

    pending = 0
    """Segments that were taken and not given out yet: none."""

    def __init__(self, columns: Sequence[Column], time: TimeFormat) -> None:
        self._columns = columns
        self._time = time
        self._front = next((at for at, column in enumerate(columns) if not _is_in_front(column)), len(columns))
        self._parts_at = _find_parts(columns, self._front)

    @abstractmethod
    def header(self) -> bytes:
        """Give what stands above all lines."""

    @abstractmethod
    def _parts(self, places: Iterable[int], records: Records) -> list[Cells]:
        """Write the columns at these places, with what stands before each."""

    @abstractmethod
    def _framed(self, parts: list[Cells], records: Records) -> list[Cells]:
        """Add what stands before and behind a line."""

    @abstractmethod
    def _mark(self, mark: Mark) -> str:
        """Write a mark, without the line's end."""

    def end(self) -> list[Chunk]:
        """Give what is still to be written: nothing."""
        return []

    def chunks(self, batch: Batch) -> list[Chunk]:
        """Give the lines of a batch, each mark at its place."""
        pieces: list[Chunk] = []
        for piece in split(batch):
            if isinstance(piece, np.ndarray):
                pieces.append(self._lines(piece))
            else:
                pieces.append(Chunk(f"{self._mark(piece)}\n".encode(), 0))
        return pieces

    def _lines(self, records: Records) -> Chunk:
        return Chunk(self._woven(records) if self._parts_at else self._written(records), len(records))

    def _woven(self, records: Records) -> bytes | memoryview:
        # What stands in front is written for each segment, each part once for all that are alike in it.
        befores = join(self._parts(range(self._front), records)) if self._front else None
        if befores is not None and not befores.all():
            befores = befores[:, befores.any(axis=0)]
        return weave([self._pieces(places, records) for places in self._parts_at], befores)

    def _pieces(self, places: range, records: Records) -> Pieces:
        different, number = self._find_different(places, records)
        cells = self._parts(places, different)
        is_last = places.stop == len(self._columns)
        return to_pieces(join(self._framed(cells, different) if is_last else cells), number)

    def _written(self, records: Records) -> bytes:
        parts: list[Cells] = []
        for is_shared, group in groupby(range(len(self._columns)), lambda at: self._columns[at].is_shared):
            places = list(group)
            parts += [self._shared_cells(places, records)] if is_shared else self._parts(places, records)
        return squeeze(self._framed(parts, records))

    def _shared_cells(self, places: Sequence[int], records: Records) -> Cells:
        # Written once for all that are alike in them, and taken from there.
        different, number = self._find_different(places, records)
        cells: Cells = join(self._parts(places, different))
        if len(different) * _FEW < len(records):
            cells = compact(cells)
        return cells.take(number, axis=0)

    def _find_different(self, places: Sequence[int], records: Records) -> tuple[Records, Indices]:
        # The first of all that are alike in these columns, and for each record which of them is its like.
        first, number = distinct(pack(records, [member for at in places for member in self._columns[at].members]))
        return take(records, first), number

    def _time_of(self, mark: Mark) -> str:
        return squeeze([self._time.cells(np.array([mark.ts_ns], np.uint64))]).decode()

    def _stamp_of(self, mark: Mark) -> int:
        return int(self._time.to_wall(np.array([mark.ts_ns], np.uint64))[0])


class BareFormat(LineFormat):
    """Lines for programs: values as short as they are, each behind its lead.

    Args:
        columns: What a line shows.
        time: Writes the time column.
        leads: What stands before the value of each column.
        end: What stands behind the last one.
        words: The text of a column's words, and last what stands where there is nothing to show.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        time: TimeFormat,
        *,
        leads: Sequence[str],
        end: str,
        words: Sequence[Sequence[str]],
    ) -> None:
        super().__init__(columns, time)
        self._leads = leads
        self._end = end
        self._tables = [table(texts) for texts in words]

    def _parts(self, places: Iterable[int], records: Records) -> list[Cells]:
        parts: list[Cells] = []
        for at in places:
            parts += (constant(self._leads[at], len(records)), self._cells(at, records))
        return parts

    def _cells(self, at: int, records: Records) -> Cells:
        column = self._columns[at]
        values = records[column.source]
        match column.kind:
            case Kind.WORD:
                return word_cells(column, self._tables[at], records)
            case Kind.TIME:
                return self._time.cells(values)
            case Kind.STAMP:
                return digits(self._time.to_wall(values).astype(np.uint64))
            case Kind.ADDRESS:
                return addresses(values, 0)
            case Kind.PORT:
                return ports(values, 0)
            case Kind.NUMBER:
                return digits(values)

    def _framed(self, parts: list[Cells], records: Records) -> list[Cells]:
        return [*parts, constant(self._end, len(records))]


def _is_in_front(column: Column) -> bool:
    # If it stands there: it differs from one segment to the next, and is quickly written.
    return column.kind in _TIMES or column.name == "cpu"


def _find_parts(columns: Sequence[Column], start: int) -> tuple[range, ...]:
    # What a connection's segments share, and the rest, if that is the same for many too.
    if any(column.is_own or column.kind in _TIMES for column in columns[start:]):
        return ()
    end = len(columns)
    middle = next((at for at in range(start, end) if not columns[at].is_shared), end)
    return tuple(places for places in (range(start, middle), range(middle, end)) if places)


def split(batch: Batch) -> Iterable[Records | Mark]:
    """Give the records of a batch in pieces, none of them empty, and its marks between these."""
    done = 0
    for mark in batch.marks:
        at = max(done, _place(batch.records, mark))
        if at > done:
            yield batch.records[done:at]
        yield mark
        done = at
    if done < len(batch.records):
        yield batch.records[done:]


def _place(records: Records, mark: Mark) -> int:
    # Before the record whose time it has, which need not be in order; else where it would be if they are.
    same = np.flatnonzero(records["ts_ns"] == mark.ts_ns)
    return int(same[0]) if len(same) else int(np.searchsorted(records["ts_ns"], np.uint64(mark.ts_ns)))


def word_index(column: Column, records: Records) -> Indices:
    """Give which of a column's words each record has; where there is nothing to show, one more than the last."""
    none = len(column.words)
    index = records[column.source] % none
    if column.is_send_only:
        index = np.where(records["dir"] == RECEIVE, none, index)
    return index.astype(np.intp)


def word_cells(column: Column, words: Cells, records: Records) -> Cells:
    """Take a column's words from their table, whose last row is for where there is nothing to show."""
    cells: Cells = words.take(word_index(column, records), axis=0)
    return cells
