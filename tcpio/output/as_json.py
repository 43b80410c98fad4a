# SPDX-License-Identifier: GPL-2.0-only
"""JSON Lines: an object for each segment, whose keys are the columns' names (https://jsonlines.org)."""

import json
from collections.abc import Sequence

from tcpio.output.lines import BareFormat
from tcpio.output.times import TimeFormat
from tcpio.schema.batch import ClockStep, Counted, Lost, Mark, Overload
from tcpio.schema.columns import Column, Kind
from tcpio.schema.recording import CLOCK_STEP, COUNTED, FOLLOWED, LOST, NOTE

NOTHING = "null"


class JsonFormat(BareFormat):
    """From batches to objects.

    Args:
        columns: The keys.
        time: Writes the time column.
    """

    def __init__(self, columns: Sequence[Column], time: TimeFormat) -> None:
        quotes = [_quote(column) for column in columns]
        names = [f'"{column.name}":' for column in columns]
        # What closes one value stands before the next.
        leads = [before + name + quote for before, name, quote in zip(_closings(quotes), names, quotes, strict=True)]
        words = [[*map(_word, column.words), NOTHING] for column in columns]
        super().__init__(columns, time, leads=leads, end=f"{quotes[-1]}}}\n", words=words)

    def header(self) -> bytes:
        """Give nothing: each object has its keys."""
        return b""

    def _mark(self, mark: Mark) -> str:
        kinds = {column.kind for column in self._columns}
        keys: dict[str, object] = {}
        if Kind.TIME in kinds:
            keys["time"] = self._time_of(mark)
        if Kind.STAMP in kinds:
            keys["ts_ns"] = self._stamp_of(mark)
        match mark:
            case Lost(_, cpu, count):
                keys |= {"cpu": cpu, LOST: count}
            case ClockStep(_, step_ns, is_followed):
                keys |= {CLOCK_STEP: step_ns, FOLLOWED: is_followed}
            case Overload():
                keys |= {COUNTED: 0, NOTE: str(mark)}
            case Counted():
                keys |= {COUNTED: mark.count, NOTE: str(mark)}
        return json.dumps(keys, separators=(",", ":"))


def _quote(column: Column) -> str:
    # Words have theirs in their table, since what is nothing has none.
    return '"' if column.kind in (Kind.TIME, Kind.ADDRESS) else ""


def _closings(quotes: Sequence[str]) -> list[str]:
    return ["{", *(f"{quote}," for quote in quotes[:-1])]


def _word(word: str) -> str:
    if not word:
        return NOTHING
    return word if word.isdecimal() else f'"{word}"'
