# SPDX-License-Identifier: GPL-2.0-only
"""``tcpio.trace``: segments from Python, as numpy arrays."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from tcpio.cli.options import default_ring_size
from tcpio.errors import UsageError
from tcpio.filter.ast import ALWAYS, AnyBit, Between, all_of
from tcpio.filter.parse import parse_filter, to_expr
from tcpio.filter.to_c import is_compilable, to_c
from tcpio.kernel.cpus import read_online_cpus
from tcpio.kernel.features import require_privileges
from tcpio.kernel.hooks import Direction, Rung
from tcpio.kernel.load import Attached
from tcpio.kernel.netns import find_netns
from tcpio.kernel.plan import make_plan
from tcpio.kernel.ring import Rings
from tcpio.schema.batch import Batch, Lost
from tcpio.schema.flags import parse_flags
from tcpio.schema.record import LOST, no_records
from tcpio.stream.order import NoOrder, Order
from tcpio.stream.select import Select

_CHECK_S = 1.0  # how often to look for new CPUs


def trace(
    *filters: str,
    netns: str = "all",
    direction: str | None = None,
    flags: str | None = None,
    attach: str = "auto",
    ring_bytes: int | None = None,
    round_s: float = 0.1,
    is_ordered: bool = True,
    timeout_s: float | None = None,
    btf: Path | None = None,
) -> Iterator[Batch]:
    """Give the segments that this host sends and receives, a batch for each round.

    ::

        for batch in tcpio.trace("*:*-*:443", flags="SYN"):
            print(len(batch.records), batch.records["rport"])

    Tracing begins with the first batch asked for, and ends when the iterator is closed, or is not used any more.

    Args:
        *filters: As on the command line.
        netns: As ``--netns`` takes it.
        direction: ``send`` or ``receive``; None is both.
        flags: As ``--flags`` takes it.
        attach: ``auto``, ``fentry``, ``kprobe`` or ``tracepoint``.
        ring_bytes: Of each CPU, a power of two of pages; None is 64 MB for all, 1 to 16 MB for each.
        round_s: Length of a round: a segment is held as long so that another CPU's can come before it.
        is_ordered: Whether segments are put in the order of time.
        timeout_s: How long to trace; None is until the iterator is closed.
        btf: The kernel's types, where it has none of its own.

    Yields:
        Batch: ``records``, shape (N,), dtype ``tcpio.RECORD`` (bpf/record.h says what its members are), in order; and
        ``marks``, what was lost and where. There is one for each round, also if nothing is in it.

    Raises:
        UsageError: An argument is not as described.
        UnsupportedKernel: The kernel, or its set-up, lacks something.
    """
    asked = to_expr([parse_filter(text) for text in filters])
    is_inside = is_compilable(asked)
    inode = find_netns(netns)
    wanted = all_of(
        asked if is_inside else ALWAYS,
        ALWAYS if inode is None else Between("netns", inode, inode),
        ALWAYS if flags is None else AnyBit("flags", parse_flags(flags)),
    )
    try:
        directions = tuple(Direction) if direction is None else (Direction(direction),)
        rung = None if attach == "auto" else Rung(attach)
    except ValueError as error:
        raise UsageError(str(error)) from None
    require_privileges()
    plan = make_plan(btf, rung=rung, directions=directions)
    load = plan.start_loading(to_c(wanted))
    with ExitStack() as stack:
        attached = stack.enter_context(load())
        size = ring_bytes or default_ring_size(len(read_online_cpus()))
        rings = stack.enter_context(Rings(size, attached.set_ring, read_online_cpus))
        running = _Running(
            attached, rings, Order() if is_ordered else NoOrder(), Select(ALWAYS if is_inside else asked)
        )
        attached.attach()
        yield from running.rounds(round_s, float("inf") if timeout_s is None else timeout_s)
        attached.detach()
        yield running.rest()


class _Running:
    def __init__(self, attached: Attached, rings: Rings, order: Order, select: Select) -> None:
        self._attached = attached
        self._rings = rings
        self._order = order
        self._select = select
        self._marked: dict[int, int] = {}  # CPU -> lost segments that have a mark

    def rounds(self, round_s: float, timeout_s: float) -> Iterator[Batch]:
        now_s = checked_s = time.monotonic()
        deadline_s = now_s + timeout_s
        while now_s < deadline_s:
            end_s = min(now_s + round_s, deadline_s)
            while now_s < end_s:
                self._rings.wait(end_s - now_s)
                self._take(self._rings.drain())
                now_s = time.monotonic()
            if now_s - checked_s >= _CHECK_S:
                checked_s = now_s
                self._take(self._rings.follow_cpus())
            yield self._select(self._order.end_round())
            now_s = time.monotonic()

    def rest(self) -> Batch:
        self._take(self._rings.drain())
        # perf says that something was lost only with what it writes next: what was lost last is the difference.
        now_ns = time.monotonic_ns()
        lost = {cpu: count - self._marked.get(cpu, 0) for cpu, count in enumerate(self._attached.read_counts()[LOST])}
        self._order.push(
            Batch(no_records(), tuple(Lost(now_ns, cpu, count) for cpu, count in lost.items() if count > 0))
        )
        return self._select(self._order.flush())

    def _take(self, batch: Batch) -> None:
        for mark in batch.marks:
            if isinstance(mark, Lost):
                self._marked[mark.cpu] = self._marked.get(mark.cpu, 0) + mark.count
        self._order.push(batch)
