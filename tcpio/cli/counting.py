# SPDX-License-Identifier: GPL-2.0-only
"""The running summary: what the kernel summed up, read when it is time, and shown."""

import select
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace

import numpy as np

from tcpio.cli.auditing import Auditing
from tcpio.cli.ending import Ending
from tcpio.cli.program import Program
from tcpio.cli.say import say
from tcpio.cli.signals import Signals
from tcpio.cli.summary_options import SummaryOptions
from tcpio.kernel.buckets import Summing
from tcpio.kernel.clock import WallClock
from tcpio.kernel.host import Host
from tcpio.output.as_report import TextReport
from tcpio.output.lines import Chunk
from tcpio.output.report import Report, ReportFormat, Setting
from tcpio.output.report_rows import CsvReport, JsonReport
from tcpio.output.sink import Sink
from tcpio.output.times import TimeCells, find_zone, make_time
from tcpio.schema.counters import Counter
from tcpio.schema.sums import Sums, Values
from tcpio.stream.audit import Audit
from tcpio.stream.counts import SumCounts
from tcpio.stream.fold import Deltas, choose, choose_closed, fold

_FORMATS: Mapping[str, Callable[[Setting], ReportFormat]] = {"text": TextReport, "jsonl": JsonReport, "csv": CsvReport}

_ROUND_S = 0.1
"""How often sockets that closed are taken."""

_CHECK_S = 1.0
"""How often to look at the system's clock."""


def run_counting(options: SummaryOptions, summing: Summing) -> int:
    """Count until told to end, and give the exit status: the program's if one was run.

    Raises:
        TcpioError: Something failed; what could be shown has been.
    """
    with ExitStack() as stack:
        stack.enter_context(summing)
        signals = stack.enter_context(Signals())
        sink = stack.enter_context(Sink(options.write))
        summary = _Summary(options, summing, sink)
        summary.begin()
        program = stack.enter_context(Program(options.program)) if options.program else None
        try:
            summary.run(signals, program)
        finally:
            summary.end()
        return program.wait() if program else 0


def wall_times(zone: str) -> TimeCells:
    """Give what writes wall times, in ns since 1970, as ISO 8601.

    Raises:
        UsageError: There is no such time zone.
    """
    return make_time("iso", find_zone(zone), lambda time_ns: time_ns.astype(np.int64), 0).cells


def describe_where(netns: int | None) -> str:
    """Name what is counted in."""
    return "all network namespaces" if netns is None else f"network namespace {netns}"


class _Summary:
    def __init__(self, options: SummaryOptions, summing: Summing, sink: Sink) -> None:
        self._options = options
        self._summing = summing
        self._sink = sink
        self._clock = WallClock()
        self._host = Host(options.netns, options.host)
        self._auditing = Auditing(summing, self._host) if options.has_audit else None
        self._deltas = Deltas()
        self._closed: Values = np.zeros(len(summing.counters), np.int64)  # what sockets that closed took with them
        self._reported = 0
        setting = Setting(
            by=options.by,
            counters=summing.counters,
            doubts=summing.doubts,
            host=options.host,
            filters=options.filters,
            where=describe_where(options.netns),
            has_zeros=options.has_zeros,
            is_on_close=options.counting.on_close,
            time=wall_times(options.zone),
        )
        self._format = _FORMATS[options.format](setting)
        self._began_s = self._shown_s = 0.0

    def begin(self) -> None:
        """Begin to count, and say so."""
        self._summing.attach()
        self._host.begin()
        if self._auditing:
            self._auditing.begin()
        self._began_s = self._shown_s = time.monotonic()
        self._write([self._format.begin()])
        if not self._options.is_quiet:
            self._say_ready()

    def _say_ready(self) -> None:
        inexact = sum(counter in self._summing.counters for counter in self._summing.doubts)
        missing = len(self._summing.doubts) - inexact
        notes = [f"tcpio: counting by {self._summing.rung.value}, {describe_where(self._options.netns)}"]
        notes += [f"counters that are not exact: {inexact} (~)"] * bool(inexact)
        notes += [f"not counted: {missing}"] * bool(missing)
        notes += [f"the kernel's own counters are not read: {self._host.refusal}"] * bool(self._host.refusal)
        say("; ".join(notes))

    def run(self, signals: Signals, program: Program | None) -> None:
        """Show what is due until something ends it."""
        poll = select.poll()
        for fd in (signals.fd, program.fd) if program else (signals.fd,):
            poll.register(fd, select.POLLIN)
        timeout_s, interval_s = (given or float("inf") for given in (self._options.timeout_s, self._options.interval_s))
        ending = Ending(signals, self._began_s + timeout_s, program)
        due_s = self._began_s + interval_s
        checked_s = self._began_s
        while not ending.has_come() and (program or not self._sink.is_closed_by_reader):
            now_s = time.monotonic()
            round_s = now_s + (_ROUND_S if self._options.counting.on_close else _CHECK_S)
            poll.poll(max(min(round_s, due_s, ending.deadline_s) - now_s, 0) * 1000)
            signals.clear()
            self._take_closed()
            now_s = time.monotonic()
            if now_s >= due_s:
                self._show_interval(self._deltas.take(self._summing.read()))
                due_s += interval_s * ((time.monotonic() - due_s) // interval_s + 1)
            if now_s - checked_s >= _CHECK_S:
                checked_s = now_s
                self._clock.follow()
            if signals.take_question():
                self._show(self._summing.read(), self._host.since_begin(), self._began_s, "so far,")

    def _show_interval(self, sums: Sums, audit: Audit | None = None) -> None:
        began_s, self._shown_s = self._shown_s, time.monotonic()
        self._show(sums, self._host.since_last(), began_s, "the last", audit)

    def _show(
        self, sums: Sums, host: Mapping[Counter, int], began_s: float, span: str = "", audit: Audit | None = None
    ) -> None:
        now_ns = time.monotonic_ns()
        wall_ns = int(self._clock.to_wall_ns(np.array([now_ns], np.uint64))[0])
        shown = fold(choose(sums, self._options.filters_outside), self._options.by)
        lacking = self._summing.read_lacking()
        self._write(self._format.report(Report(shown, wall_ns, now_ns / 1e9 - began_s, host, span, audit, lacking)))

    def _take_closed(self) -> None:
        if not self._options.counting.on_close:
            return
        taken = self._summing.closed()
        self._closed += taken.values.sum(axis=0)
        closed = choose_closed(taken, self._options.filters_outside)
        self._reported += len(closed.sockets)
        times_ns = self._clock.to_wall_ns(closed.sockets["ts_ns"]).astype(np.uint64)
        self._write(self._format.closed(closed, times_ns))

    def _write(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self._sink.write([Chunk(piece, 0)])

    def end(self) -> None:
        """Stop counting, show what is left, and say what became of it."""
        (self._auditing or self._summing).detach()
        try:
            if not self._sink.has_failed:
                self._take_closed()  # before the rest is read, so that it is in one of both
                sums = self._summing.read()
                self._show_last(sums, self._auditing.compare(sums, self._closed) if self._auditing else None)
                self._write([self._format.end()])
        finally:
            counts = self._count(self._summing.read())
            if counts.is_trouble or not self._options.is_quiet:
                say(f"tcpio: {counts}")

    def _show_last(self, sums: Sums, audit: Audit | None) -> None:
        if self._options.interval_s:
            sums = self._deltas.take(sums)
            if audit or len(sums.buckets) or sums.other.any():  # an interval may have ended just now
                self._show_interval(sums, audit)
            return
        if self._options.counting.on_close:  # what is still open is not shown
            sums = replace(sums, buckets=sums.buckets[:0], values=sums.values[:0])
        self._show(sums, self._host.since_begin(), self._began_s, audit=audit)

    def _count(self, sums: Sums) -> SumCounts:
        missed = self._summing.read_missed()
        return SumCounts(
            buckets=len(sums.buckets),
            closed=self._reported if self._options.counting.on_close else None,
            overflowed=sums.overflowed,
            missed=sum(count or 0 for count in missed.values()),
            missed_unknown=tuple(str(hook) for hook, count in missed.items() if count is None),
        )
