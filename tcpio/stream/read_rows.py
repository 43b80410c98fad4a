# SPDX-License-Identifier: GPL-2.0-only
"""Rows of JSON Lines and CSV by pyarrow's readers, where pyarrow is installed: several times as fast as ours.

They are given what they read as ours do. What they do not take is left to ours, which tell what is wrong and where.
"""

import importlib
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np

from tcpio.schema.columns import COLUMNS, Column, Kind
from tcpio.schema.record import RECORD, Records
from tcpio.stream.read_arrow import FAILURES, to_batch

WORTH_BYTES = 1 << 18
"""For less than this it does not pay to import pyarrow."""

_NOT_IN_CSV = (b" ", b"x", b"X", b'"')  # of which pyarrow makes something else

Take: TypeAlias = Callable[[bytes], Records | None]
"""From whole lines to records; None is that it cannot."""

Table = Any
"""pyarrow has no types of its own."""


def make_json(names: Sequence[str]) -> Take:
    """Give what reads JSON Lines.

    Args:
        names: Keys whose values are read.
    """
    return _make(names, "pyarrow.json", _read_json)


def make_csv(names: Sequence[str]) -> Take:
    """Give what reads CSV without its header.

    Args:
        names: Of each value; what has no column's name is passed over.
    """
    return _make(names, "pyarrow.csv", _read_csv)


def _make(names: Sequence[str], module: str, read: Callable[[Any, Any, bytes, Sequence[str]], Table]) -> Take:
    columns = {column.name: column for column in COLUMNS if column.name in names}
    has_times = "ts_ns" in columns
    if has_times:
        columns.pop("time", None)
    is_there = find_spec("pyarrow") is not None and "time" not in columns

    def take(lines: bytes) -> Records | None:
        if not is_there or len(lines) < WORTH_BYTES or not _is_plain(lines):
            return None
        pa, reader = importlib.import_module("pyarrow"), importlib.import_module(module)
        try:
            return _to_records(pa, read(pa, reader, lines, names), columns, lines.count(b"\n"), has_times=has_times)
        except FAILURES:
            return None

    return take


def _is_plain(lines: bytes) -> bool:
    # Nothing but printable ASCII and newlines, all that tcpio writes: pyarrow does not look at what it passes over.
    return lines.isascii() and np.count_nonzero(np.frombuffer(lines, np.uint8) < ord(" ")) == lines.count(b"\n")


def _to_records(pa: Any, table: Table, columns: dict[str, Column], rows: int, *, has_times: bool) -> Records | None:  # noqa: ANN401
    (batch,) = table.combine_chunks().to_batches()
    fields = {name: batch.column(name) for name in columns}
    if batch.num_rows != rows or any(fields[name].null_count for name in columns if not columns[name].is_send_only):
        return None
    return to_batch(pa, fields, rows, 0, has_times=has_times).records


def _schema(pa: Any, names: Sequence[str]) -> dict[str, Any]:  # noqa: ANN401
    return {column.name: _type_of(pa, column) for column in COLUMNS if column.name in names}


def _type_of(pa: Any, column: Column) -> Any:  # noqa: ANN401
    if column.kind in (Kind.NUMBER, Kind.PORT):
        return pa.from_numpy_dtype(RECORD[column.source])
    if column.kind is Kind.STAMP:
        return pa.uint64()
    return pa.uint8() if column.words and all(word.isdecimal() for word in column.words) else pa.utf8()


def _read_json(pa: Any, reader: Any, lines: bytes, names: Sequence[str]) -> Table:  # noqa: ANN401
    return reader.read_json(
        pa.BufferReader(lines),
        read_options=reader.ReadOptions(use_threads=False, block_size=len(lines) + 1),
        parse_options=reader.ParseOptions(
            explicit_schema=pa.schema(list(_schema(pa, names).items())), unexpected_field_behavior="ignore"
        ),
    )


def _read_csv(pa: Any, reader: Any, lines: bytes, names: Sequence[str]) -> Table:  # noqa: ANN401
    if any(word in lines for word in _NOT_IN_CSV):
        raise ValueError("not as tcpio writes it")
    types = _schema(pa, names)
    return reader.read_csv(
        pa.BufferReader(lines),
        read_options=reader.ReadOptions(
            use_threads=False,
            block_size=len(lines) + 1,
            column_names=[name if name in types else f"other {at}" for at, name in enumerate(names)],
        ),
        parse_options=reader.ParseOptions(quote_char=False, ignore_empty_lines=False),
        convert_options=reader.ConvertOptions(
            column_types=types, include_columns=list(types), null_values=[""], strings_can_be_null=True
        ),
    )
