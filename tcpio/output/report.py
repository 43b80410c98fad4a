# SPDX-License-Identifier: GPL-2.0-only
"""What a summary shows: the model that its formats render."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np

from tcpio.filter.pattern import Filter
from tcpio.output.cells import squeeze
from tcpio.output.times import TimeCells
from tcpio.schema.address import BITS, IPV4_BITS
from tcpio.schema.arrays import NDArray
from tcpio.schema.bucket import BUCKET, CLOSED, By, Part
from tcpio.schema.counters import Counter
from tcpio.schema.sums import Closed, Sums
from tcpio.stream.audit import Audit

Places: TypeAlias = NDArray[np.intp]
"""Indices of buckets."""

REPORT_FORMATS = {
    "text": "tcpipstat's report",
    "jsonl": "JSON Lines: an object for each bucket",
    "csv": "a header, and a row for each bucket",
}
"""What --format takes: one row each, read by help and by the summary."""

FIGURES = tuple(name for name in CLOSED.names or () if name not in (BUCKET.names or ()) and name != "ts_ns")
"""What the kernel says of a socket that closed, beside the counters; 0 where it does not know."""

_ROWS = 4096  # rendered at once: enough that Python's part does not matter, and few megabytes
_UNKNOWN = 0xFFFFFFFF  # min_rtt_us, see bpf/bucket.h


@dataclass(frozen=True)
class Setting:
    """What all reports of a run have in common.

    Args:
        by: What makes a bucket.
        counters: What is counted.
        doubts: Of those that are not exact, or not counted at all: why.
        host: Those of the kernel's own counters that are shown.
        filters: Which sockets are counted.
        where: The network namespace, in words.
        has_zeros: Whether counters that are 0 are shown.
        is_on_close: Whether sockets are shown when they close.
        time: Writes times, given in ns since 1970.
    """

    by: By
    counters: tuple[Counter, ...]
    doubts: Mapping[Counter, str]
    host: tuple[Counter, ...]
    filters: Sequence[Filter]
    where: str
    has_zeros: bool
    is_on_close: bool
    time: TimeCells

    @property
    def names(self) -> tuple[str, ...]:
        """The members of a bucket that say which it is; sockets of two namespaces may have the same address."""
        return self.by.names + ("netns",) * (self.by.is_socket and "netns" not in self.by.names)


@dataclass(frozen=True)
class Report:
    """What was counted in a stretch of time.

    Args:
        sums: The counters.
        time_ns: Its end, ns since 1970.
        seconds: Its length.
        host: What the kernel itself counted of what belongs to no socket.
        span: What stretch of time that is, in words, if it needs to be said.
        audit: The comparison with the kernel's own counters.
        lacking: What may lack something, since the kernel did not run a program, and at most how much, from the
            beginning on.
    """

    sums: Sums
    time_ns: int
    seconds: float
    host: Mapping[Counter, int] = field(default_factory=dict)
    span: str = ""
    audit: Audit | None = None
    lacking: Mapping[Counter, int] = field(default_factory=dict)


class ReportFormat(Protocol):
    """What a format's module gives; all pieces are whole lines."""

    def begin(self) -> bytes:
        """Give what stands first."""

    def report(self, report: Report) -> Iterable[bytes]:
        """Give all buckets, and what belongs to none."""

    def closed(self, closed: Closed, times_ns: NDArray[np.uint64]) -> Iterable[bytes]:
        """Give sockets that closed, and when: ns since 1970."""

    def end(self) -> bytes:
        """Give what stands last."""


def figure(closed: Closed, name: str, at: Places) -> NDArray[np.int64]:
    """Give one of FIGURES; 0 is not known."""
    values = closed.sockets[name][at].astype(np.int64)
    result: NDArray[np.int64] = np.where(values == _UNKNOWN, 0, values) if name == "min_rtt_us" else values
    return result


def in_order(sums: Sums) -> Iterator[Places]:
    """Give the buckets in the order in which they are shown: local ends first; as many at a time as are rendered."""
    buckets = sums.buckets
    ends = [(np.ascontiguousarray(buckets[name]).view(">u8").T, port) for name, port in _ENDS]
    keys = [buckets["netns"], *(key for words, port in ends for key in (*words, buckets[port]))]
    return in_pieces(np.lexsort(keys[::-1]))


_ENDS = (("laddr", "lport"), ("raddr", "rport"))


def in_pieces(places: Places) -> Iterator[Places]:
    """Give as many at a time as are rendered at once."""
    for start in range(0, len(places), _ROWS):
        yield places[start : start + _ROWS]


def part_text(part: Part) -> str:
    """Write a part of a bucket as ``--by`` takes it."""
    if part.ipv6_bits == BITS:
        return part.name if part.ipv4_bits == IPV4_BITS else f"{part.name}/{part.ipv4_bits}"
    ipv4 = "" if part.ipv4_bits == IPV4_BITS < part.ipv6_bits else f"/{part.ipv4_bits}"
    return f"{part.name}{ipv4}/{part.ipv6_bits}"


def time_text(setting: Setting, time_ns: int) -> str:
    """Write one time."""
    return squeeze([setting.time(np.array([time_ns], np.uint64))]).decode()
