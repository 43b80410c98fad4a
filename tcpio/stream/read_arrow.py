# SPDX-License-Identifier: GPL-2.0-only
"""Read Arrow IPC streams and Parquet files as tcpio writes them, or as others write what they took from these."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from io import BufferedIOBase
from typing import Any

import numpy as np

from tcpio.errors import RecordingError
from tcpio.schema.address import from_text, to_words
from tcpio.schema.arrays import NDArray
from tcpio.schema.batch import Batch, ClockStep, Lost, Mark, is_possible, read_mark
from tcpio.schema.columns import COLUMNS, EVERY, Column, Kind
from tcpio.schema.pyarrow import import_pyarrow
from tcpio.schema.record import RECEIVE, RECORD, SEND, Records, opaque
from tcpio.schema.recording import (
    CLOCK_STEP,
    COUNTED,
    FACT_PREFIX,
    FOLLOWED,
    LOST,
    MARKS,
    NOTE,
    VERSION,
    VERSION_KEY,
    current_names,
)
from tcpio.stream.fields import word_values
from tcpio.stream.recording import Recording

_ROWS = 1 << 16
_MOST_ROWS = 1 << 20
_AT_ONCE = 1 << 12  # rows that stay in the processor's cache while they are filled, column by column
_LARGEST_READ = 1 << 30
_TIMES = ("ts_ns", "time")
_BY_NAME = {column.name: column for column in COLUMNS}

# What a damaged file makes pyarrow raise, beside its own errors, which are subclasses of these.
FAILURES = (ValueError, TypeError, KeyError, IndexError, OSError, OverflowError, MemoryError, NotImplementedError)

Array = Any
"""pyarrow has no types of its own."""


class _Bounded:
    # A file of which a damaged header cannot ask for more than there can be.
    def __init__(self, file: BufferedIOBase) -> None:
        self._file = file
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        if size > _LARGEST_READ:
            raise ValueError(f"a part of {size} bytes")
        return self._file.read(size)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  all else is the file's
        return getattr(self._file, name)


def read_arrow(file: BufferedIOBase, name: str, wanted: AbstractSet[str]) -> Recording:
    """Open an Arrow IPC stream.

    Raises:
        RecordingError: It cannot be read, or a later version wrote it.
        UsageError: There is no pyarrow.
    """
    pa = import_pyarrow()
    try:
        stream = pa.ipc.open_stream(pa.PythonFile(_Bounded(file), mode="r"))
        schema = stream.schema
        read = _needed(schema, name, wanted)
        if file.seekable():
            file.seek(0)
            options = pa.ipc.IpcReadOptions(included_fields=sorted(schema.names.index(field) for field in read))
            stream = pa.ipc.open_stream(pa.PythonFile(_Bounded(file), mode="r"), options=options)
    except FAILURES as error:
        raise _damaged(name, error) from error
    return _to_recording(pa, schema, name, iter(stream))


def read_parquet(file: BufferedIOBase, name: str, wanted: AbstractSet[str]) -> Recording:
    """Open a Parquet file.

    Raises:
        RecordingError: It cannot be read, or a later version wrote it.
        UsageError: There is no pyarrow.
    """
    pa = import_pyarrow()
    try:
        opened = pa.parquet.ParquetFile(pa.PythonFile(_Bounded(file), mode="r"))
        schema = opened.schema_arrow
        batches = opened.iter_batches(_ROWS, columns=_needed(schema, name, wanted))
    except FAILURES as error:
        raise _damaged(name, error) from error
    return replace(_to_recording(pa, schema, name, batches), rows=opened.metadata.num_rows)


def _damaged(name: str, error: BaseException) -> RecordingError:
    text = " ".join(str(error).split()) or type(error).__name__
    return RecordingError(f"{name} cannot be read: {text}")


def _metadata(schema: Array) -> Mapping[str, str]:
    found = schema.metadata or {}
    return {key.decode(errors="replace"): value.decode(errors="replace") for key, value in found.items()}


def _version(schema: Array, name: str) -> int:
    # Files that others made of tcpio's have lost it, and have today's names.
    text = _metadata(schema).get(VERSION_KEY, str(VERSION))
    version = int(text) if text.isascii() and text.isdecimal() and len(text) < len(str(VERSION)) + 3 else VERSION + 1
    if not 1 <= version <= VERSION:
        raise RecordingError(
            f"{name} is of version {text!r}, and this tcpio reads up to {VERSION}", hint="a newer tcpio reads it"
        )
    return version


def _names(schema: Array, name: str) -> dict[str, str]:
    # Today's names -> those in the file.
    return dict(zip(current_names(schema.names, _version(schema, name)), schema.names, strict=True))


def _needed(schema: Array, name: str, wanted: AbstractSet[str]) -> list[str]:
    names = _names(schema, name)
    if set(EVERY).isdisjoint(names):
        raise RecordingError(f"{name} has none of tcpio's columns")
    times = [time for time in _TIMES if time in names][:1]
    needed = [*times, *(column for column in EVERY if column in wanted and column not in _TIMES), *MARKS, "cpu", "dir"]
    return [names[column] for column in dict.fromkeys(needed) if column in names]


def _to_recording(pa: Array, schema: Array, name: str, batches: Iterator[Array]) -> Recording:
    version = _version(schema, name)
    facts = {
        key.removeprefix(FACT_PREFIX): value
        for key, value in _metadata(schema).items()
        if key.startswith(FACT_PREFIX) and key != VERSION_KEY
    }
    names = _names(schema, name)
    has_times = not set(_TIMES).isdisjoint(names)
    columns = frozenset(names) & set(EVERY) | (set(_TIMES) if has_times else set())
    return Recording(columns, _read(pa, batches, name, version, has_times=has_times), facts)


def _read(pa: Array, batches: Iterator[Array], name: str, version: int, *, has_times: bool) -> Iterator[Batch]:
    row = 0
    parts = _parts(batches)
    while True:
        try:
            part = next(parts, None)
            if part is None:
                return
            fields = dict(zip(current_names(part.schema.names, version), part.columns, strict=True))
            made = to_batch(pa, fields, part.num_rows, row, has_times=has_times)
        except FAILURES as error:
            failure = _damaged(name, error)
            raise RecordingError(f"{failure}, behind row {row}") from error
        row += part.num_rows
        yield made


def _parts(batches: Iterator[Array]) -> Iterator[Array]:
    # Others write batches of any size; tcpio's are smaller, and stay whole, so that marks find their segments.
    for batch in batches:
        batch.validate(full=True)
        for at in range(0, batch.num_rows, _MOST_ROWS):
            yield batch.slice(at, _MOST_ROWS)


def to_batch(pa: Array, fields: Mapping[str, Array], count: int, row: int, *, has_times: bool) -> Batch:
    """Make records of columns.

    Args:
        pa: pyarrow.
        fields: Today's names, and arrays of one length.
        count: This length.
        row: How many rows were before, which is their time if they have none.
        has_times: Whether they have.

    Returns:
        All of them.

    Raises:
        FAILURES: A value is such that a column cannot have it.
    """
    members: dict[str, NDArray[Any]] = {}
    members["ts_ns"] = _times(pa, fields) if has_times else np.arange(row, row + count)
    is_mark = np.zeros(count, np.bool_)
    for name in (LOST, CLOCK_STEP, COUNTED):
        if name in fields and fields[name].null_count < count:
            is_mark |= fields[name].is_valid().to_numpy(zero_copy_only=False)
    for name, array in fields.items():
        column = _BY_NAME.get(name)
        if column and name not in _TIMES:
            members |= _to_members(pa, column, array, has_direction="dir" in fields)
    records = _to_records(members, count)
    if not is_mark.any():
        return Batch(records)
    places = np.flatnonzero(is_mark).tolist()
    marks = tuple(_to_mark(fields, at, int(records["ts_ns"][at]), int(records["cpu"][at])) for at in places)
    if not all(map(is_possible, marks)):
        raise ValueError("a mark with numbers that cannot be")
    return Batch(records[~is_mark], marks)


def _to_records(members: Mapping[str, NDArray[Any]], count: int) -> Records:
    records = np.zeros(count, RECORD)
    columns = [(opaque(records, name), values) for name, values in members.items()]
    for at in range(0, count, _AT_ONCE):
        some = slice(at, at + _AT_ONCE)
        for column, values in columns:
            column[some] = values[some]
    return records


def _to_mark(fields: Mapping[str, Array], at: int, ts_ns: int, cpu: int) -> Mark:
    lost = fields[LOST][at].as_py() if LOST in fields else None
    if lost is not None:
        return Lost(ts_ns, cpu, int(lost))
    if COUNTED in fields and fields[COUNTED][at].is_valid:
        return read_mark(str(fields[NOTE][at]), ts_ns)
    is_followed = bool(fields[FOLLOWED][at].as_py()) if FOLLOWED in fields else False
    return ClockStep(ts_ns, int(fields[CLOCK_STEP][at].as_py()), is_followed=is_followed)


def _times(pa: Array, fields: Mapping[str, Array]) -> NDArray[np.int64]:
    times = fields["ts_ns"] if "ts_ns" in fields else fields["time"].cast(pa.timestamp("ns", "UTC")).cast(pa.int64())
    found: NDArray[np.int64] = _numbers(times, pa.int64())
    if (found < 0).any():
        raise ValueError("a time before 1970")
    return found


def _to_members(pa: Array, column: Column, array: Array, *, has_direction: bool) -> dict[str, NDArray[Any]]:
    # The record's members that a column tells of.
    source = column.source
    if column.kind is Kind.ADDRESS:
        values = _each(array, _parse_address, np.dtype((np.uint64, (2,))))
    elif column.kind is Kind.WORD and not pa.types.is_integer(array.type):
        values = _each(array, word_values(column).__getitem__, RECORD[source])
    else:
        values = _numbers(array, pa.from_numpy_dtype(RECORD[source]))
        if column.words and (values >= len(column.words)).any():
            raise ValueError(f"{column.name} has a value that is none")
    members = {source: values}
    if column.is_send_only and not has_direction:
        is_received = array.is_null().to_numpy(zero_copy_only=False)
        members["dir"] = np.where(is_received, RECEIVE, SEND)
    return members


def _numbers(array: Array, wanted: Array) -> NDArray[Any]:
    found = array if array.type == wanted else array.cast(wanted)
    numbers: NDArray[Any] = (found.fill_null(0) if found.null_count else found).to_numpy(zero_copy_only=False)
    return numbers


def _each(array: Array, parse: Any, dtype: np.dtype[Any]) -> NDArray[Any]:  # noqa: ANN401
    # Each text that there is, once; the last is for where there is none. An address is one opaque item of 16 bytes.
    encoded = array if hasattr(array, "dictionary") else array.dictionary_encode()
    texts: Sequence[str | None] = encoded.dictionary.to_pylist()
    values = np.zeros(len(texts) + 1, dtype)
    for at, text in enumerate(texts):
        if text is not None:
            values[at] = parse(text)
    indices = encoded.indices.fill_null(len(texts)) if encoded.indices.null_count else encoded.indices
    items = values.view(f"V{dtype.itemsize}")[:, 0] if dtype.shape else values
    found: NDArray[Any] = items.take(indices.to_numpy(zero_copy_only=False))
    return found


def _parse_address(text: str) -> tuple[int, int]:
    return to_words(from_text(text))
