# SPDX-License-Identifier: GPL-2.0-only
"""Sums made up for tests, and what stands in for the programs that count."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType

import numpy as np

from tcpio.kernel.buckets import Counting
from tcpio.kernel.hooks import Hook, Kind, Rung
from tcpio.kernel.source import Source
from tcpio.output.report import Setting
from tcpio.output.times import find_zone, make_time
from tcpio.schema.address import from_text, to_words
from tcpio.schema.bucket import BUCKET, CLOSED, Buckets, parse_by
from tcpio.schema.counters import COUNTERS, Counter, find_counters
from tcpio.schema.sums import Closed, Sums, Values

NETNS = 4026531833
HOOK = Hook(Kind.RAW_TRACEPOINT, "tcp_probe")


@dataclass(frozen=True)
class Row:
    """A bucket.

    Args:
        tuple: ``192.0.2.8 80 192.0.2.40 51000``; ``-`` is what is not part of it.
        counts: nstat's name -> value.
        netns: Its namespace.
    """

    tuple: str
    counts: Mapping[str, int] = field(default_factory=dict)
    netns: int = NETNS


def make_buckets(rows: Iterable[Row], dtype: np.dtype[np.void] = BUCKET) -> Buckets:
    """Give the buckets of rows."""
    rows = list(rows)
    buckets = np.zeros(len(rows), dtype)
    for at, row in enumerate(rows):
        laddr, lport, raddr, rport = row.tuple.split()
        for name, text in (("laddr", laddr), ("raddr", raddr)):
            buckets[name][at] = (0, 0) if text == "-" else to_words(from_text(text))
        for name, text in (("lport", lport), ("rport", rport)):
            buckets[name][at] = 0 if text == "-" else int(text)
        buckets["netns"][at] = row.netns
    return buckets


def make_values(counters: Iterable[Counter], rows: Iterable[Mapping[str, int]]) -> Values:
    """Give the values of counters in rows."""
    keys = [counter.key for counter in counters]
    return np.array([[row.get(key, 0) for key in keys] for row in rows], np.int64).reshape(-1, len(keys))


def make_sums(
    *rows: Row, counters: str = "Socket,Tcp", other: Mapping[str, int] | None = None, overflowed: int = 0
) -> Sums:
    """Give sums."""
    found = find_counters(counters)
    values = make_values(found, [row.counts for row in rows])
    return Sums(found, make_buckets(rows), values, make_values(found, [other or {}])[0], overflowed)


def make_closed(*rows: Row, counters: str = "Socket,Tcp", **figures: int) -> Closed:
    """Give sockets that closed, all with the same figures."""
    found = find_counters(counters)
    sockets = make_buckets(rows, CLOSED)
    for name, value in figures.items():
        sockets[name] = value
    return Closed(found, sockets, make_values(found, [row.counts for row in rows]))


def make_setting(by: str = "tuple", counters: str = "Socket,Tcp", **changed: object) -> Setting:
    """Give a setting; times are written in UTC."""
    usual: dict[str, object] = {
        "by": parse_by(by),
        "counters": find_counters(counters),
        "doubts": {},
        "host": (),
        "filters": (),
        "where": "all network namespaces",
        "has_zeros": False,
        "is_on_close": False,
        "time": make_time("iso", find_zone("UTC"), lambda time_ns: time_ns.astype(np.int64), 0).cells,
    }
    return Setting(**{**usual, **changed})  # type: ignore[arg-type]  # given by name


def key(name: str) -> Counter:
    """Find a counter by nstat's name."""
    return next(counter for counter in COUNTERS if counter.key == name)


class FakeSumming:
    """Stands in for the programs that count.

    Args:
        readings: What each reading gives; the last one stays.
        closed: What each taking of closed sockets gives; then nothing.
    """

    def __init__(self, *readings: Sums, closed: Iterable[Closed] = ()) -> None:
        self.readings = list(readings)
        self.log: list[str] = []
        self.counters = readings[0].counters
        self.doubts: dict[Counter, str] = {}
        self.rung = Rung.TRACEPOINT
        self.source = Source("int run(void *ctx)\n", ())
        self.missed: dict[Hook, int | None] = {HOOK: 0}
        self.lacking: dict[Counter, int] = {}
        self.counting: Counting | None = None
        self.refusal: Exception | None = None
        self.on_read: Callable[[], None] = lambda: None
        self._closed = list(closed)

    def __call__(self, counting: Counting) -> "FakeSumming":
        """Be made."""
        self.counting = counting
        return self

    def attach(self) -> None:
        self.log.append("attach")
        if self.refusal:
            raise self.refusal

    def detach(self) -> None:
        self.log.append("detach")

    def close(self) -> None:
        self.log.append("close")

    def read(self) -> Sums:
        self.log.append("read")
        self.on_read()
        return self.readings.pop(0) if len(self.readings) > 1 else self.readings[0]

    def closed(self) -> Closed:
        self.log.append("closed")
        if self._closed:
            return self._closed.pop(0)
        return Closed(self.counters, np.zeros(0, CLOSED), np.zeros((0, len(self.counters)), np.int64))

    def read_missed(self) -> Mapping[Hook, int | None]:
        return self.missed

    def read_lacking(self) -> Mapping[Counter, int]:
        return self.lacking

    def __enter__(self) -> "FakeSumming":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
