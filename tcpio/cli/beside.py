# SPDX-License-Identifier: GPL-2.0-only
"""Counters beside lines: ``tcpio --summary``."""

import time
from types import TracebackType

from tcpio.cli.counting import describe_where, wall_times
from tcpio.cli.options import TraceOptions
from tcpio.cli.say import say
from tcpio.cli.summary_options import make_counting, split_counters
from tcpio.kernel.buckets import Summing
from tcpio.kernel.host import Host
from tcpio.output.as_report import TextReport
from tcpio.output.report import Report, Setting
from tcpio.schema.bucket import parse_by
from tcpio.stream.fold import choose, fold


class Beside:
    """Counts for each socket while segments are traced; what the rings lose is counted all the same.

    Args:
        options: Those of the trace: its filters and its namespace are those of the counters.
    """

    def __init__(self, options: TraceOptions) -> None:
        counters, hosts = split_counters(None)
        self._by = parse_by("tuple")
        counting, self._outside = make_counting(
            self._by, counters, options.filters, netns=options.netns, rung=options.rung, btf=options.btf
        )
        self._summing = Summing(counting)
        self._host = Host(options.netns, hosts)
        self._began_s = 0.0
        self._setting = Setting(
            by=self._by,
            counters=self._summing.counters,
            doubts=self._summing.doubts,
            host=hosts,
            filters=(),
            where=describe_where(options.netns),
            has_zeros=False,
            is_on_close=False,
            time=wall_times(""),
        )

    def attach(self) -> None:
        """Begin to count.

        Raises:
            UnsupportedKernel: The kernel refused.
        """
        self._summing.attach()
        self._host.begin()
        self._began_s = time.monotonic()

    def show(self) -> None:
        """Stop counting, and print the report on the standard error, where lines do not go."""
        self._summing.detach()
        sums = fold(choose(self._summing.read(), self._outside), self._by)
        report = Report(
            sums,
            time.time_ns(),
            time.monotonic() - self._began_s,
            self._host.since_begin(),
            lacking=self._summing.read_lacking(),
        )
        made = TextReport(self._setting)
        for piece in (*made.report(report), made.end()):
            say(piece.decode().removesuffix("\n"))

    def __enter__(self) -> "Beside":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._summing.close()
