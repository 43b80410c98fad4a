# SPDX-License-Identifier: GPL-2.0-only
"""Arrow IPC streams and Parquet files: typed columns for pandas, DuckDB, Spark and the like.

A row is a segment, or a mark: then its times, cpu, and some of MARKS are filled and all others are null.
"""

import io
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tcpio.output.lines import Chunk, split, word_index
from tcpio.output.times import ToWall
from tcpio.schema.address import to_text
from tcpio.schema.arrays import NDArray
from tcpio.schema.batch import Batch, ClockStep, Counted, Lost, Mark, Overload
from tcpio.schema.columns import Column, Kind
from tcpio.schema.distinct import distinct
from tcpio.schema.pyarrow import import_pyarrow
from tcpio.schema.record import RECORD, Records
from tcpio.schema.recording import CLOCK_STEP, COUNTED, FACT_PREFIX, FOLLOWED, HOST, LOST, NOTE, VERSION, VERSION_KEY

_STREAM_ROWS = 1 << 16
_STREAM_S = 1.0
_GROUP_ROWS = 1 << 18
_MICROSECOND_NS = 1000

Array = Any
"""pyarrow has no types of its own."""


class _Collected(io.BytesIO):
    # What pyarrow has written since it was asked for.
    def take(self) -> bytes:
        data = self.getvalue()
        self.seek(0)
        self.truncate()
        return data


class _ArrowBase(ABC):
    # Collects segments until they are worth a batch.

    is_due_by_time = False
    rows: int

    def __init__(self, columns: Sequence[Column], to_wall: ToWall, facts: Mapping[str, str]) -> None:
        self._pa = import_pyarrow()
        self._columns = columns
        self._to_wall = to_wall
        self._host = facts.get("host", "")
        self._dictionaries = {
            column.name: self._pa.array(column.words) for column in columns if _is_dictionary_of_words(column)
        }
        self._schema = self._make_schema(facts)
        self._held: list[Batch] = []
        self._first_s = 0.0
        self.pending = 0

    def _make_schema(self, facts: Mapping[str, str]) -> Array:
        pa = self._pa
        fields = [(column.name, self._type_of(column)) for column in self._columns]
        fields += self._mark_fields()
        fields += [(HOST, pa.dictionary(pa.int8(), pa.utf8()))] * bool(self._host)
        metadata = {VERSION_KEY: str(VERSION), **{FACT_PREFIX + name: text for name, text in facts.items()}}
        return pa.schema(fields, metadata=metadata)

    def _mark_fields(self) -> list[tuple[str, Array]]:
        pa = self._pa
        types = {LOST: pa.uint64(), CLOCK_STEP: pa.int64(), FOLLOWED: pa.bool_(), COUNTED: pa.uint64(), NOTE: pa.utf8()}
        return list(types.items())

    def _type_of(self, column: Column) -> Array:
        pa = self._pa
        match column.kind:
            case Kind.TIME:
                return pa.timestamp("us", "UTC")
            case Kind.STAMP:
                return pa.int64()
            case Kind.ADDRESS:
                return pa.dictionary(pa.int32(), pa.utf8())
            case Kind.WORD:
                return pa.dictionary(pa.int16(), pa.utf8()) if _is_dictionary_of_words(column) else pa.uint8()
            case Kind.NUMBER | Kind.PORT:
                return pa.from_numpy_dtype(RECORD[column.source])

    def chunks(self, batch: Batch) -> list[Chunk]:
        """Take a batch, and give what was collected if it is enough."""
        if len(batch.records) or batch.marks:
            self._first_s = self._first_s if self._held else time.monotonic()
            self._held.append(batch)
            self.pending += len(batch.records)
        is_late = self.is_due_by_time and self._held and time.monotonic() - self._first_s >= _STREAM_S
        return [self._flush()] if self.pending >= self.rows or is_late else []

    def _flush(self) -> Chunk:
        segments, held = self.pending, self._held
        self.pending, self._held = 0, []
        pieces = [piece for batch in held for piece in split(batch)]
        arrays = [self._segments(piece) if isinstance(piece, np.ndarray) else self._mark(piece) for piece in pieces]
        batches = [self._pa.RecordBatch.from_arrays(row, schema=self._schema) for row in arrays]
        return Chunk(self._write(batches), segments, is_lines=False)

    def _merged(self, batches: list[Array]) -> Array:
        return self._pa.Table.from_batches(batches).unify_dictionaries().combine_chunks()

    @abstractmethod
    def _write(self, batches: list[Array]) -> bytes:
        """Write batches as one, and give what there is to be written to the file."""

    def _segments(self, records: Records) -> list[Array]:
        pa, count = self._pa, len(records)
        arrays = [self._array(column, records) for column in self._columns]
        arrays += [pa.nulls(count, of) for _, of in self._mark_fields()]
        return arrays + self._hosts(count)

    def _hosts(self, count: int) -> list[Array]:
        if not self._host:
            return []
        return [self._pa.DictionaryArray.from_arrays(np.zeros(count, np.int8), [self._host])]

    def _array(self, column: Column, records: Records) -> Array:
        values = records[column.source]
        match column.kind:
            case Kind.TIME:
                return self._pa.array(self._to_wall(values) // _MICROSECOND_NS, self._type_of(column))
            case Kind.STAMP:
                return self._pa.array(self._to_wall(values))
            case Kind.ADDRESS:
                return self._addresses(values)
            case Kind.WORD:
                return self._words(column, records)
            case Kind.NUMBER | Kind.PORT:
                return self._pa.array(np.ascontiguousarray(values))

    def _addresses(self, values: NDArray[np.uint64]) -> Array:
        first, number = distinct(values)
        texts = [to_text(row.tobytes()) for row in values[first]]
        return self._pa.DictionaryArray.from_arrays(number.astype(np.int32), texts)

    def _words(self, column: Column, records: Records) -> Array:
        index = word_index(column, records)
        is_nothing = index == len(column.words)
        if column.words[0] == "":
            is_nothing |= index == 0
        if column.name not in self._dictionaries:
            return self._pa.array(index.astype(np.uint8), mask=is_nothing)
        indices = self._pa.array(index.astype(np.int16), mask=is_nothing)
        return self._pa.DictionaryArray.from_arrays(indices, self._dictionaries[column.name])

    def _mark(self, mark: Mark) -> list[Array]:
        # A batch of one row.
        wall_ns = int(self._to_wall(np.array([mark.ts_ns], np.uint64))[0])
        known: dict[str, object] = {"ts_ns": wall_ns, "time": wall_ns // _MICROSECOND_NS, HOST: self._host}
        match mark:
            case Lost(_, cpu, count):
                known |= {"cpu": cpu, LOST: count}
            case ClockStep(_, step_ns, is_followed):
                known |= {CLOCK_STEP: step_ns, FOLLOWED: is_followed}
            case Overload():
                known |= {COUNTED: 0, NOTE: str(mark)}
            case Counted():
                known |= {COUNTED: mark.count, NOTE: str(mark)}
        return [self._pa.array([known.get(field.name)], field.type) for field in self._schema]


def _is_dictionary_of_words(column: Column) -> bool:
    # What are numbers anyway need none.
    return column.kind is Kind.WORD and not all(word.isdecimal() for word in column.words)


class ArrowFormat(_ArrowBase):
    """From batches to an Arrow IPC stream, which can be read up to the last batch in it.

    Args:
        columns: The columns.
        to_wall: From ts_ns to wall time.
        facts: For the schema's metadata.
    """

    rows = _STREAM_ROWS
    is_due_by_time = True

    def header(self) -> bytes:
        """Give the schema."""
        self._out = _Collected()
        options = self._pa.ipc.IpcWriteOptions(compression="zstd")
        self._stream = self._pa.ipc.new_stream(self._out, self._schema, options=options)
        return self._out.take()

    def _write(self, batches: list[Array]) -> bytes:
        self._stream.write_table(self._merged(batches))
        return self._out.take()

    def end(self) -> list[Chunk]:
        """Give what was collected, and the end of the stream."""
        chunks = [self._flush()] if self._held else []
        self._stream.close()
        return [*chunks, Chunk(self._out.take(), 0, is_lines=False)]


class ParquetFormat(_ArrowBase):
    """From batches to a Parquet file, which can be read when it has been ended.

    Args:
        columns: The columns.
        to_wall: From ts_ns to wall time.
        facts: For the schema's metadata.
    """

    rows = _GROUP_ROWS

    def header(self) -> bytes:
        """Begin the file."""
        self._out = _Collected()
        self._file = self._pa.parquet.ParquetWriter(self._out, self._schema, compression="zstd")
        return self._out.take()

    def _write(self, batches: list[Array]) -> bytes:
        self._file.write_table(self._merged(batches), row_group_size=_GROUP_ROWS)
        return self._out.take()

    def end(self) -> list[Chunk]:
        """Give what was collected, and the footer."""
        chunks = [self._flush()] if self._held else []
        self._file.close()
        return [*chunks, Chunk(self._out.take(), 0, is_lines=False)]
