# SPDX-License-Identifier: GPL-2.0-only
"""Comma-separated values (RFC 4180). No value needs quotes; marks are comments, which readers can skip."""

from collections.abc import Sequence

from tcpio.output.lines import BareFormat
from tcpio.output.times import TimeFormat
from tcpio.schema.batch import Mark
from tcpio.schema.columns import Column, Kind


class CsvFormat(BareFormat):
    """From batches to rows.

    Args:
        columns: What a row has.
        time: Writes the time column.
    """

    def __init__(self, columns: Sequence[Column], time: TimeFormat) -> None:
        leads = ["", *[","] * (len(columns) - 1)]
        super().__init__(columns, time, leads=leads, end="\n", words=[[*column.words, ""] for column in columns])

    def header(self) -> bytes:
        """Give the row of names."""
        return (",".join(column.name for column in self._columns) + "\n").encode()

    def _mark(self, mark: Mark) -> str:
        times = {Kind.TIME: self._time_of, Kind.STAMP: self._stamp_of}
        cells = [str(times[column.kind](mark)) for column in self._columns if column.kind in times]
        return f"# {','.join(cells)}: {mark}" if cells else f"# {mark}"
