# SPDX-License-Identifier: GPL-2.0-only
"""Read JSON Lines as tcpio writes them; more keys may be in them, which are passed over."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from io import BufferedIOBase
from typing import Any

from tcpio.errors import RecordingError
from tcpio.schema.batch import ClockStep, Lost, Mark, is_possible, read_mark
from tcpio.schema.columns import EVERY
from tcpio.schema.recording import CLOCK_STEP, COUNTED, FOLLOWED, LOST, NOTE
from tcpio.stream.fields import parse_wall_ns
from tcpio.stream.read_lines import BadLineError, Lines, Piece, clean, read_batches, split_at
from tcpio.stream.read_rows import make_json
from tcpio.stream.recording import Recording

_KINDS = (LOST, CLOCK_STEP, COUNTED)  # one of these makes an object a mark
_MARK = re.compile(rb'^[^\n]*"(?:%s)":[^\n]*\n' % "|".join(_KINDS).encode(), re.MULTILINE)

_MARK_SIGNS = tuple(f'"{key}":'.encode() for key in (LOST, CLOCK_STEP))


def read_json(file: BufferedIOBase, name: str, wanted: AbstractSet[str]) -> Recording:
    """Open a file of JSON Lines.

    Raises:
        RecordingError: Its first line is no object with columns.
    """
    lines = Lines(file, name)
    keys: Mapping[str, object] = {}
    for line in lines.peek(lambda data: _MARK.sub(b"", data)).splitlines():
        try:
            keys = _parse(line)
        except ValueError as error:
            raise RecordingError(f"{name}, line 1: {error}") from error
        if keys.keys().isdisjoint(_KINDS):
            break
    columns = [key for key in keys if key in EVERY]
    if not columns:
        raise RecordingError(f"{name}: the first object has no column", hint=f"columns are {', '.join(EVERY)}")
    needed = [key for key in columns if key in wanted or key == "ts_ns"]
    return Recording(frozenset(columns), read_batches(lines, name, _Json(needed or columns)))


class _Json:
    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self._take = make_json(names)

    def pieces(self, block: bytes) -> Iterator[tuple[int, Piece]]:
        for length, piece in split_at(_MARK, block, _MARK_SIGNS):
            yield length, self._of(piece) if isinstance(piece, bytes) else _to_mark(_parse_at(piece[0], 0))

    def _of(self, lines: bytes) -> Piece:
        records = self._take(lines)
        return self._rows(lines) if records is None else records

    def _rows(self, lines: bytes) -> bytes:
        rows = [",".join(map(str, map(row.get, self.names))) for row in _parse_all(lines)]
        text = "\n".join(rows) + "\n"
        if text.count("\n") != len(rows):
            bad = next(number for number, row in enumerate(rows) if "\n" in row)
            raise BadLineError(bad, "a value with a line's end in it")
        # null is nothing; what else is neither a number nor a word is refused by its column.
        return clean(text.replace(str(None), "").encode("ascii", errors="replace"))


def _parse_all(lines: bytes) -> Sequence[Mapping[str, Any]]:
    # All at once, which is faster; if anything is wrong, one by one, to find where.
    each = lines.splitlines()
    try:
        found = json.loads(b"[" + b",".join(each) + b"]")
    except (ValueError, RecursionError):
        found = []
    if len(found) == len(each) and all(type(row) is dict for row in found):
        return list(found)
    return [_parse_at(line, number) for number, line in enumerate(each)]


def _parse_at(line: bytes, number: int) -> Mapping[str, Any]:
    try:
        return _parse(line)
    except ValueError as error:
        raise BadLineError(number, str(error)) from error


def _parse(line: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError("no JSON") from error
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found


def _to_mark(keys: Mapping[str, Any]) -> Mark:
    try:
        mark = _make_mark(keys)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise BadLineError(0, "a mark without its numbers") from error
    if not is_possible(mark):
        raise BadLineError(0, "a mark with numbers that cannot be")
    return mark


def _make_mark(keys: Mapping[str, Any]) -> Mark:
    ts_ns = int(keys["ts_ns"]) if "ts_ns" in keys else parse_wall_ns(str(keys["time"])) if "time" in keys else 0
    if CLOCK_STEP in keys:
        return ClockStep(ts_ns, int(keys[CLOCK_STEP]), is_followed=bool(keys[FOLLOWED]))
    if COUNTED in keys:
        return read_mark(str(keys[NOTE]), ts_ns)
    return Lost(ts_ns, int(keys["cpu"]), int(keys[LOST]))
