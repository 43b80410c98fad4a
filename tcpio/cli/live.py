# SPDX-License-Identifier: GPL-2.0-only
"""The running trace: rings -> order -> select -> lines -> file.

Imported while the programs are compiled, see tcpio/cli/trace.py.
"""

import os
import platform
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING

import tcpio
from tcpio.cli.memory import keep_freed_memory
from tcpio.cli.options import DEFAULT_DELAY_S, FILE_DELAY_S, TraceOptions, default_ring_size
from tcpio.cli.say import say
from tcpio.cli.showing import open_writer
from tcpio.cli.signals import Signals
from tcpio.cli.ssh import find_own_session
from tcpio.filter.ast import all_of
from tcpio.filter.to_text import to_text
from tcpio.kernel.clock import WallClock
from tcpio.kernel.cpus import read_online_cpus
from tcpio.kernel.hooks import describe
from tcpio.kernel.load import Attached
from tcpio.kernel.plan import Plan
from tcpio.kernel.ring import Rings
from tcpio.output.writer import Writer
from tcpio.schema.batch import Batch, Lost
from tcpio.schema.record import LOST, UNREADABLE, no_records
from tcpio.stream.counts import Counts
from tcpio.stream.order import NoOrder, Order
from tcpio.stream.select import Limit, Select

if TYPE_CHECKING:
    from tcpio.cli.beside import Beside
    from tcpio.cli.overload import Fallback

_SHORTEST_ROUND_S = 0.010
"""However fast a ring fills: an order by the previous round needs rounds of some length."""

_CHECK_S = 1.0
"""How often to look for new CPUs and for the system's clock."""


def run_live(options: TraceOptions, plan: Plan, attached: Attached) -> int:
    """Trace until told to end, and give the exit status.

    Raises:
        TcpioError: Something failed; what could be printed has been.
    """
    keep_freed_memory()
    with ExitStack() as stack:
        stack.enter_context(attached)
        signals = stack.enter_context(Signals())
        size = options.ring_size or default_ring_size(len(read_online_cpus()))
        rings = stack.enter_context(Rings(size, attached.set_ring, read_online_cpus))
        rings.wait_also_for(signals.fd)
        clock = WallClock()
        facts = _describe(options, plan)
        writer = stack.enter_context(open_writer(options.output, clock.to_wall_ns, time.monotonic_ns(), facts))
        fallback = _enter_fallback(stack, options, attached)
        trace = _Trace(options, attached, rings, signals, clock=clock, writer=writer, fallback=fallback)
        beside = _enter_beside(stack, options)
        attached.attach()
        try:
            trace.begin(plan)
            trace.run()
        finally:
            trace.end()
        if beside:
            beside.show()
    return 0


def _describe(options: TraceOptions, plan: Plan) -> dict[str, str]:
    directions = [direction.value for direction in options.directions]
    wanted = to_text(all_of(options.wanted, options.filters_outside))
    return {
        "version": tcpio.__version__,
        "host": platform.node(),
        "kernel": platform.release(),
        "rung": describe(plan.choices),
        "filter": wanted if len(directions) > 1 else f"dir {directions[0]} and {wanted}",
    }


def _enter_beside(stack: ExitStack, options: TraceOptions) -> "Beside | None":
    if not options.has_summary:
        return None
    from tcpio.cli.beside import Beside  # noqa: PLC0415  most traces do without

    beside = stack.enter_context(Beside(options))
    beside.attach()
    return beside


def _enter_fallback(stack: ExitStack, options: TraceOptions, attached: Attached) -> "Fallback | None":
    if not options.counts_overload:
        return None
    from tcpio.cli.overload import Fallback  # noqa: PLC0415  most traces do without
    from tcpio.kernel.overload import OverloadMaps  # noqa: PLC0415

    return stack.enter_context(Fallback(OverloadMaps(attached)))


class _Trace:
    def __init__(
        self,
        options: TraceOptions,
        attached: Attached,
        rings: Rings,
        signals: Signals,
        *,
        clock: WallClock,
        writer: Writer,
        fallback: "Fallback | None",
    ) -> None:
        self._options = options
        self._attached = attached
        self._rings = rings
        self._signals = signals
        self._clock = clock
        self._writer = writer
        self._fallback = fallback
        self._order = Order() if options.is_ordered else NoOrder()
        self._select = Select(options.filters_outside)
        self._limit = Limit(options.count)
        self._delay_s = options.delay_s or (FILE_DELAY_S if writer.sink.is_regular else DEFAULT_DELAY_S)
        self._drained = self._drained_before = 0  # now, and when the last round ended
        self._marked: dict[int, int] = {}  # CPU -> lost segments that have a mark
        self._checked_s = time.monotonic()

    def begin(self, plan: Plan) -> None:
        """Write the header, and say that the programs run."""
        self._writer.begin()
        if not self._options.is_quiet:
            self._say_ready(plan)

    def _say_ready(self, plan: Plan) -> None:
        count = len(self._rings.cpus)
        where = "all network namespaces" if self._options.netns is None else f"network namespace {self._options.netns}"
        say(f"tcpio: tracing by {describe(plan.choices)} on {count} {'CPU' if count == 1 else 'CPUs'}, {where}")
        session = find_own_session(os.environ, self._options.filters)
        if session and not self._options.output.write:
            say(f"tcpio: this SSH session's own segments are traced too; to leave them out: tcpio '!{session}'")

    def run(self) -> None:
        """Print rounds until something ends it."""
        timeout_s = self._options.timeout_s
        began_s = round_s = time.monotonic()
        deadline_s = began_s + timeout_s if timeout_s else float("inf")
        while not self._is_over() and round_s < deadline_s:
            self._rings.wait(min(round_s + self._delay_s, deadline_s) - time.monotonic())
            self._signals.clear()
            self._take(self._rings.drain())
            now_s = time.monotonic()
            if now_s - round_s >= _SHORTEST_ROUND_S:
                self._end_round()
                round_s = now_s
            if now_s - self._checked_s >= _CHECK_S:
                self._check(now_s)
            if self._signals.take_question():
                say(f"tcpio: {self._count()}")

    def _end_round(self) -> None:
        if self._fallback:
            marks = self._fallback.follow(is_idle=self._drained == self._drained_before)
            self._order.push(Batch(no_records(), marks))
        self._drained_before = self._drained
        self._print(self._order.end_round())

    def _is_over(self) -> bool:
        return self._signals.is_ended or self._limit.is_reached or self._writer.sink.is_closed_by_reader

    def _check(self, now_s: float) -> None:
        self._checked_s = now_s
        self._take(self._rings.follow_cpus())
        step = self._clock.follow()
        if step:
            self._order.push(Batch(no_records(), (step,)))

    def _take(self, batch: Batch) -> None:
        self._drained += len(batch.records)
        if self._fallback:  # what finds no room in a ring is counted instead
            batch = Batch(batch.records)
        for mark in batch.marks:
            if isinstance(mark, Lost):
                self._marked[mark.cpu] = self._marked.get(mark.cpu, 0) + mark.count
        self._order.push(batch)

    def _print(self, batch: Batch) -> None:
        self._writer.write(self._limit(self._select(batch)))

    def end(self) -> None:
        """Detach, print what is left, and say what became of the segments."""
        self._attached.detach()
        self._take(self._rings.drain())
        counted = self._fallback.rest() if self._fallback else ()
        self._order.push(Batch(no_records(), (*counted, *self._marks_of_the_tail())))
        left = self._order.flush()
        try:
            if not self._writer.sink.has_failed:
                self._print(left)
                self._writer.end()
        finally:
            counts = self._count()
            if counts.lost or not self._options.is_quiet:
                say(f"tcpio: {counts}")

    def _lost(self) -> Mapping[int, int]:
        return dict(enumerate(self._attached.read_counts()[LOST]))

    def _marks_of_the_tail(self) -> tuple[Lost, ...]:
        # perf says that something was lost only with what it writes next: what was lost last is the difference.
        now_ns = time.monotonic_ns()
        unmarked = {cpu: count - self._marked.get(cpu, 0) for cpu, count in self._lost().items()}
        return tuple(Lost(now_ns, cpu, count) for cpu, count in unmarked.items() if count > 0)

    def _count(self) -> Counts:
        missed = self._attached.read_missed()
        printed, filtered = self._writer.sink.segments, self._select.dropped
        return Counts(
            printed=printed,
            not_printed=self._drained - self._order.held - self._writer.pending - filtered - printed,
            filtered=filtered,
            counted=self._fallback.counted if self._fallback else None,
            lost={cpu: count for cpu, count in self._lost().items() if count},
            missed=sum(count or 0 for count in missed.values()),
            missed_unknown=tuple(str(hook) for hook, count in missed.items() if count is None),
            late=self._order.late,
            unreadable=sum(self._attached.read_counts()[UNREADABLE]),
        )
