# SPDX-License-Identifier: GPL-2.0-only
"""From the text of values to records: what tcpio/output/cells.py does, the other way round."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from functools import cache
from typing import Any, TypeAlias

import numpy as np

from tcpio.schema.address import from_text, to_words
from tcpio.schema.arrays import NDArray
from tcpio.schema.batch import LAST_NS
from tcpio.schema.columns import COLUMNS, Column, Kind
from tcpio.schema.distinct import distinct
from tcpio.schema.record import RECEIVE, RECORD, Records

Bytes: TypeAlias = NDArray[np.uint8]
Places: TypeAlias = NDArray[np.int64]

WIDEST = 64
"""Characters that a value has at most."""

_BY_NAME: Mapping[str, Column] = {column.name: column for column in COLUMNS}

_ZERO = ord("0")
_MOST_DIGITS = 19  # what an i64 always holds, but for its last value
_SECOND_NS = 1_000_000_000
_NS_DIGITS = 9
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d(:\d\d)?", re.ASCII)
_EPOCH = re.compile(r"\d{9,10}", re.ASCII)  # fewer digits are seconds since tracing began
_EPOCH_BEGIN = datetime(1970, 1, 1, tzinfo=timezone.utc)


class BadValueError(ValueError):
    """A value that its column cannot have.

    Args:
        row: Which one.
        column: Of which column.
        text: What stands there.
    """

    def __init__(self, row: int, column: str, text: str) -> None:
        super().__init__(f"{column} cannot be {text!r}" if text else f"{column} is missing")
        self.row = row


def to_records(text: Bytes, starts: Places, ends: Places, names: Sequence[str]) -> Records:
    """Give the records of which ``text`` has the values.

    Args:
        text: All characters.
        starts: Shape (N, K): where each value begins.
        ends: Shape (N, K): where it ends.
        names: The K columns; what is not a column is left out.

    Raises:
        BadValueError: There is a value that its column cannot have. It is the first such row's.
    """
    records = np.zeros(len(starts), RECORD)
    if not len(records):
        return records
    errors: list[BadValueError] = []
    for at, name in enumerate(names):
        column = _BY_NAME.get(name)
        if column is None or (name == "time" and "ts_ns" in names):
            continue
        try:
            cells = _gather(text, starts[:, at], ends[:, at], name)
            _fill(records, column, cells, has_direction="dir" in names)
        except BadValueError as error:
            errors.append(error)
    if errors:
        raise min(errors, key=lambda error: error.row)
    return records


def _gather(text: Bytes, starts: Places, ends: Places, name: str) -> Bytes:
    # Shape (N, W), right-aligned, zero bytes in front.
    lengths = ends - starts
    width = max(int(lengths.max()), 1)
    if width > WIDEST:
        row = int(np.argmax(lengths > WIDEST))
        raise BadValueError(row, name, text[starts[row] : starts[row] + WIDEST].tobytes().decode(errors="replace"))
    places = ends[:, np.newaxis] - np.arange(width, 0, -1)
    cells: Bytes = text[np.maximum(places, 0)]
    cells[places < starts[:, np.newaxis]] = 0
    return cells


def _fill(records: Records, column: Column, cells: Bytes, *, has_direction: bool) -> None:
    match column.kind:
        case Kind.TIME:
            records["ts_ns"] = _times(cells, column)
        case Kind.STAMP:
            records["ts_ns"] = _numbers(cells, column, np.iinfo(np.int64).max)
        case Kind.NUMBER | Kind.PORT:
            records[column.source] = _numbers(cells, column, int(np.iinfo(RECORD[column.source]).max))
        case Kind.ADDRESS:
            records[column.source] = _each_text(cells, column, _parse_address, np.dtype((np.uint64, (2,))))
        case Kind.WORD:
            is_nothing = ~cells.any(axis=1)
            words = _each_text(cells, column, word_values(column).__getitem__, np.dtype(np.int64))
            records[column.source] = words
            if column.is_send_only and not has_direction:
                # Then only this tells what was received.
                records["dir"][is_nothing] = RECEIVE


def _numbers(cells: Bytes, column: Column, most: int) -> NDArray[np.uint64]:
    values = np.where(cells == 0, 0, cells - np.uint8(_ZERO))
    is_bad = (values > 9).any(axis=1) | (cells[:, -1] == 0)  # noqa: PLR2004  digits
    if values.shape[1] > _MOST_DIGITS:
        is_bad |= values[:, :-_MOST_DIGITS].any(axis=1)
        values = values[:, -_MOST_DIGITS:]
    numbers = np.zeros(len(cells), np.uint64)
    for digit in values.T:
        numbers = numbers * np.uint64(10) + digit
    is_bad |= numbers > most
    if is_bad.any():
        raise _bad(cells, int(np.argmax(is_bad)), column)
    return numbers


def _times(cells: Bytes, column: Column) -> NDArray[np.int64]:
    # Seconds are parsed where they differ, and what is behind their point for all rows at once.
    point = int(np.argmax(cells[0] == ord(".")))
    behind = point + 1 + _NS_DIGITS
    is_bad = (cells[:, point] != ord(".")) | (behind > cells.shape[1])
    if is_bad.any():
        raise _bad(cells, int(np.argmax(is_bad)), column)
    whole = np.concatenate([cells[:, :point], cells[:, behind:]], axis=1)
    try:
        ns = _numbers(cells[:, point + 1 : behind], column, _SECOND_NS)
        seconds: NDArray[np.int64] = _each_text(whole, column, _parse_seconds, np.dtype(np.int64))
    except BadValueError as error:
        raise _bad(cells, error.row, column) from error
    return seconds * _SECOND_NS + ns.astype(np.int64)


def _each_text(cells: Bytes, column: Column, parse: Callable[[str], object], dtype: np.dtype[Any]) -> NDArray[Any]:
    # Each text that there is, once.
    width = -cells.shape[1] % 8
    words = np.concatenate([np.zeros((len(cells), width), np.uint8), cells], axis=1).view(np.uint64)
    first, number = distinct(words)
    values = np.zeros(len(first), dtype)
    rows: list[int] = []
    for at, row in enumerate(first.tolist()):
        try:
            values[at] = parse(_text(cells, row))
        except (ValueError, KeyError, OverflowError):
            rows.append(row)
    if rows:
        raise _bad(cells, min(rows), column)
    found: NDArray[Any] = values[number]
    return found


def _text(cells: Bytes, row: int) -> str:
    text: bytes = cells[row].tobytes()
    return text.lstrip(b"\0").decode("ascii", errors="replace")


def _bad(cells: Bytes, row: int, column: Column) -> BadValueError:
    return BadValueError(row, column.name, _text(cells, row))


def _parse_address(text: str) -> tuple[int, int]:
    return to_words(from_text(text))


@cache
def word_values(column: Column) -> Mapping[str, int]:
    """Give the value of each word of a column, as text output and all others have it."""
    values: dict[str, int] = {"-": 0, "": 0} if column.is_send_only else {}
    for words in (column.text_words, column.words):
        values |= {word: value for value, word in enumerate(words)}
    return values


def _parse_seconds(text: str) -> int:
    if _ISO.fullmatch(text):
        since = datetime.fromisoformat(text) - _EPOCH_BEGIN
        seconds = since.days * 86400 + since.seconds
    elif _EPOCH.fullmatch(text):
        seconds = int(text)
    else:
        raise ValueError(text)
    if not 0 <= seconds < LAST_NS // _SECOND_NS:
        raise ValueError(text)
    return seconds


def parse_wall_ns(text: str) -> int:
    """Read a moment as the columns time and ts_ns have it.

    Raises:
        ValueError: It is none.
    """
    if text.isdecimal() and len(text) <= _MOST_DIGITS:
        return int(text)
    whole, _, behind = text.partition(".")
    ns = behind[:_NS_DIGITS]
    if len(ns) != _NS_DIGITS or not ns.isdecimal():
        raise ValueError(text)
    return _parse_seconds(whole + behind[_NS_DIGITS:]) * _SECOND_NS + int(ns)
