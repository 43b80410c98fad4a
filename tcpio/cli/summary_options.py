# SPDX-License-Identifier: GPL-2.0-only
"""The options of the summary: from the command line to values that are checked."""

import argparse
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from tcpio.cli.showing import parse_timeout
from tcpio.cli.tcpipstat import take_words
from tcpio.errors import UnsupportedKernel, UsageError
from tcpio.filter.ast import ALWAYS, Between, Expr, all_of
from tcpio.filter.parse import parse_filter, to_expr
from tcpio.filter.pattern import Filter
from tcpio.filter.to_c import is_compilable
from tcpio.kernel.buckets import Counting, Summing
from tcpio.kernel.hooks import Rung
from tcpio.kernel.netns import find_netns
from tcpio.output.report import REPORT_FORMATS
from tcpio.schema.bucket import PARTS, By, Part, parse_by
from tcpio.schema.counters import COUNTERS, Counter, find_counters

_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
EVERYTHING = By(tuple(Part(name) for name in PARTS))
"""Each socket, and its namespace."""


@dataclass(frozen=True)
class SummaryOptions:
    """What to count, and how to show it.

    Args:
        counting: What the programs count.
        by: What makes a bucket that is shown; the programs' are finer where filters are applied outside.
        filters: The filters, as they were given.
        filters_outside: What they ask, if they are too many for the programs; else what is always true.
        host: The kernel's own counters that are shown.
        netns: Inode of the only namespace; None is all.
        interval_s: Between reports; None is one at the end.
        timeout_s: How long to count; None is no limit.
        program: What to run meanwhile, with its arguments; empty is nothing.
        format: One of REPORT_FORMATS.
        zone: Time zone; empty is the local one.
        write: The file to write to; None is the standard output.
        has_zeros: Whether counters that are 0 are shown.
        has_audit: Whether the kernel's own counters are compared at the end.
        is_quiet: Whether what is not an error stays unsaid.
        prints_bpf: Whether to print the programs instead of running them.
    """

    counting: Counting
    by: By
    filters: tuple[Filter, ...]
    filters_outside: Expr
    host: tuple[Counter, ...]
    netns: int | None
    interval_s: float | None
    timeout_s: float | None
    program: tuple[str, ...]
    format: str
    zone: str
    write: Path | None
    has_zeros: bool
    has_audit: bool
    is_quiet: bool
    prints_bpf: bool


def parse_interval(text: str) -> float:
    """Read the seconds between two reports.

    Raises:
        UsageError: It is no positive number.
    """
    match = re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII)
    if not match or not float(text):
        raise UsageError(f"--interval {text!r} is no positive number of seconds", hint="for example --interval 5")
    return float(text)


def parse_max_buckets(text: str) -> int:
    """Read how many buckets there may be.

    Raises:
        UsageError: It is no positive number.
    """
    if not _NUMBER.fullmatch(text) or not int(text):
        raise UsageError(f"--max-buckets {text!r} is no positive number", hint="for example --max-buckets 100000")
    return int(text)


def split_counters(text: str | None) -> tuple[tuple[Counter, ...], tuple[Counter, ...]]:
    """Read a list of counters; None is all.

    Returns:
        Those that tcpio counts, and those that the kernel keeps for a whole namespace.

    Raises:
        UsageError: There is no such counter.
    """
    chosen = COUNTERS if text is None else find_counters(text)
    return tuple(one for one in chosen if not one.is_hosts), tuple(one for one in chosen if one.is_hosts)


def make_counting(
    by: By,
    counters: tuple[Counter, ...],
    asked: Expr,
    *,
    netns: int | None,
    max_buckets: int | None = None,
    on_close: bool = False,
    rung: Rung | None = None,
    btf: Path | None = None,
) -> tuple[Counting, Expr]:
    """Decide what the programs count.

    Args:
        by: What makes a bucket.
        counters: Those of sockets.
        asked: Which sockets.
        netns: Inode of the only namespace; None is all.
        max_buckets: As in Counting.
        on_close: As in Counting.
        rung: As in Counting.
        btf: As in Counting.

    Returns:
        It, and what is left to be asked of their buckets, which then have all parts.
    """
    is_inside = is_compilable(asked)
    wanted = all_of(asked if is_inside else ALWAYS, ALWAYS if netns is None else Between("netns", netns, netns))
    counting = Counting(counters, by if is_inside else EVERYTHING, wanted, max_buckets, on_close, rung, btf)
    return counting, ALWAYS if is_inside else asked


def require_counted(summing: Summing, asked: Collection[Counter]) -> None:
    """See that at least one of the counters that were asked for is counted here.

    Raises:
        UnsupportedKernel: None is.
    """
    if asked and not summing.counters:
        counter, reason = next(iter(summing.doubts.items()))
        raise UnsupportedKernel(
            f"{counter.key} is not counted here: {reason}", hint="see 'tcpio doctor', or choose other --counters"
        )


def make_summary_options(args: argparse.Namespace) -> SummaryOptions:
    """Check what the command line says.

    Raises:
        UsageError: Something in it is wrong, or is not there.
    """
    filters = tuple(parse_filter(text) for text in take_words(args, args.filters))
    by = parse_by(args.by)
    counters, host = split_counters(args.counters)
    netns = find_netns(args.netns)
    if args.format not in REPORT_FORMATS:
        raise UsageError(f"there is no format {args.format!r}", hint=f"the formats are {', '.join(REPORT_FORMATS)}")
    _check_together(args, by, filters)
    counting, outside = make_counting(
        by,
        counters,
        to_expr(filters),
        netns=netns,
        max_buckets=None if args.max_buckets is None else parse_max_buckets(args.max_buckets),
        on_close=args.on_close,
        rung=None if args.attach == "auto" else Rung(args.attach),
        btf=args.btf,
    )
    return SummaryOptions(
        counting=counting,
        by=by,
        filters=filters,
        filters_outside=outside,
        host=host,
        netns=netns,
        interval_s=None if args.interval is None else parse_interval(args.interval),
        timeout_s=None if args.timeout is None else parse_timeout(args.timeout),
        program=tuple(args.program),
        format=args.format,
        zone=args.tz,
        write=args.write,
        has_zeros=args.zeros,
        has_audit=args.audit,
        is_quiet=args.quiet,
        prints_bpf=args.print_bpf,
    )


def _check_together(args: argparse.Namespace, by: By, filters: Sequence[Filter]) -> None:
    if args.on_close and not by.is_socket:
        raise UsageError("sockets close, groups of them do not", hint="--on-close is for --by tuple")
    if args.on_close and args.interval is not None:
        raise UsageError("--on-close and --interval exclude each other", hint="choose when reports are printed")
    if args.audit and filters:
        raise UsageError(
            "--audit compares all sockets with the kernel's counters, and filters leave some out",
            hint="leave out the filters, or choose a network namespace with --netns",
        )
