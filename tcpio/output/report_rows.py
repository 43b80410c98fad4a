# SPDX-License-Identifier: GPL-2.0-only
"""Reports for programs: JSON Lines, and CSV.

In both a row is a bucket, a socket that closed, or one of what belongs to no bucket; ``kind`` tells which. A counter
has nstat's name, with ``~`` in front if it is not exact.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from tcpio.filter.to_text import to_filter_text
from tcpio.output.cells import Cells, constant, squeeze
from tcpio.output.report import FIGURES, Report, Setting, figure, in_order, in_pieces, part_text, time_text
from tcpio.output.report_cells import integers, labelled, part_cells
from tcpio.schema.arrays import NDArray
from tcpio.schema.bucket import ADDRESSES, Buckets, Part
from tcpio.schema.counters import Counter
from tcpio.schema.sums import Closed, Values

BUCKET, CLOSED, OTHER, HOST, KERNEL, DIFFERENCE = "bucket", "closed", "other", "host", "kernel", "difference"
"""Kinds of rows: the last two are of an audit."""

LACKING = "lacking"
"""A kind of row: how much counters lack at most, since the kernel did not run a program."""

OVERFLOWED = "overflowed"
"""In what belongs to no socket: how often something found no room for its bucket."""


class RowReport(ABC):
    """Reports for programs.

    Args:
        setting: What all reports have in common.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        asked = {part.name: part for part in setting.by.parts}
        self._parts = tuple(asked.get(name, Part(name)) for name in setting.names)

    @abstractmethod
    def begin(self) -> bytes:
        """Give what stands first."""

    @abstractmethod
    def _rows(
        self, kind: str, times: Cells, seconds: str, buckets: Buckets, values: Mapping[str, NDArray[np.int64]]
    ) -> list[Cells]:
        """Write a row for each bucket."""

    @abstractmethod
    def _row(self, kind: str, time: str, seconds: str, values: Mapping[str, int]) -> bytes:
        """Write what belongs to no bucket."""

    def end(self) -> bytes:
        """Give nothing: rows say all."""
        return b""

    def _key(self, counter: Counter) -> str:
        return f"{'~' * (counter in self._setting.doubts)}{counter.key}"

    def _columns(self, counters: Sequence[Counter], values: Values) -> dict[str, NDArray[np.int64]]:
        return {self._key(counter): values[:, column] for column, counter in enumerate(counters)}

    def report(self, report: Report) -> Iterator[bytes]:
        """Give all buckets, then what belongs to none."""
        sums, time, seconds = report.sums, time_text(self._setting, report.time_ns), f"{report.seconds:.3f}"
        for at in in_order(sums):
            values = self._columns(sums.counters, sums.values[at])
            yield squeeze(self._rows(BUCKET, constant(time, len(at)), seconds, sums.buckets[at], values))
        for kind, row in self._rest(report):
            yield self._row(kind, time, seconds, row)

    def _rest(self, report: Report) -> Iterator[tuple[str, dict[str, int]]]:
        other = dict(zip(map(self._key, report.sums.counters), report.sums.other.tolist(), strict=True))
        yield OTHER, self._shown({**other, OVERFLOWED: report.sums.overflowed})
        yield HOST, self._shown({counter.key: value for counter, value in report.host.items()})
        if report.lacking:
            yield LACKING, {self._key(counter): count for counter, count in report.lacking.items()}
        if report.audit:
            yield KERNEL, {self._key(row.counter): row.kernel for row in report.audit.rows}
            yield DIFFERENCE, {self._key(row.counter): row.difference for row in report.audit.rows}

    def _shown(self, values: Mapping[str, int]) -> dict[str, int]:
        return {key: value for key, value in values.items() if value or self._setting.has_zeros}

    def closed(self, closed: Closed, times_ns: NDArray[np.uint64]) -> Iterator[bytes]:
        """Give the sockets that closed, in the order they did."""
        for at in in_pieces(np.arange(len(times_ns))):
            values = {name: figure(closed, name, at) for name in FIGURES}
            values |= self._columns(closed.counters, closed.values[at])
            yield squeeze(self._rows(CLOSED, self._setting.time(times_ns[at]), "", closed.sockets[at], values))


class JsonReport(RowReport):
    """JSON Lines (https://jsonlines.org). The first object says what is counted, and what is not exact and why."""

    def begin(self) -> bytes:
        """Give the first object."""
        counted = self._setting.counters
        doubts: dict[bool, dict[str, str]] = {is_counted: {} for is_counted in (True, False)}
        for counter, reason in self._setting.doubts.items():
            doubts[counter in counted][counter.key] = reason
        about = {
            "kind": "about",
            "by": [part_text(part) for part in self._parts],
            "filters": [to_filter_text(one) for one in self._setting.filters],
            "where": self._setting.where,
            "inexact": doubts[True],
            "not_counted": doubts[False],
        }
        return _dump(about)

    def _rows(
        self, kind: str, times: Cells, seconds: str, buckets: Buckets, values: Mapping[str, NDArray[np.int64]]
    ) -> list[Cells]:
        count = len(buckets)
        row = [constant(f'{{"kind":"{kind}","time":"', count), times]
        row.append(constant(f'","seconds":{seconds}' if seconds else '"', count))
        for part in self._parts:
            quote = '"' if part.name in ADDRESSES else ""
            row += [constant(f',"{part.name}":{quote}', count), part_cells(part, buckets), constant(quote, count)]
        for key, numbers in values.items():
            row += labelled(f',"{key}":', numbers, "", has_zeros=self._setting.has_zeros)
        return [*row, constant("}\n", count)]

    def _row(self, kind: str, time: str, seconds: str, values: Mapping[str, int]) -> bytes:
        return _dump({"kind": kind, "time": time, "seconds": float(seconds), **values}) if values else b""


class CsvReport(RowReport):
    """CSV (RFC 4180, but for the line ends): all columns in each row, empty where there is nothing."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        figures = FIGURES if setting.is_on_close else ()
        counted = [*map(self._key, setting.counters), *(counter.key for counter in setting.host)]
        self._names = (*figures, *counted, OVERFLOWED)

    def begin(self) -> bytes:
        """Give the header."""
        return (",".join(("kind", "time", "seconds", *self._setting.names, *self._names)) + "\n").encode()

    def _rows(
        self, kind: str, times: Cells, seconds: str, buckets: Buckets, values: Mapping[str, NDArray[np.int64]]
    ) -> list[Cells]:
        count = len(buckets)
        row = [constant(f"{kind},", count), times, constant(f",{seconds}", count)]
        for part in self._parts:
            row += [constant(",", count), part_cells(part, buckets)]
        for name in self._names:
            row += [constant(",", count), integers(values[name]) if name in values else constant("", count)]
        return [*row, constant("\n", count)]

    def _row(self, kind: str, time: str, seconds: str, values: Mapping[str, int]) -> bytes:
        if not values:
            return b""
        cells = [kind, time, seconds, *("" for _ in self._parts), *(str(values.get(name, "")) for name in self._names)]
        return (",".join(cells) + "\n").encode()


def _dump(row: Mapping[str, object]) -> bytes:
    return (json.dumps(row, separators=(",", ":")) + "\n").encode()
