# SPDX-License-Identifier: GPL-2.0-only
"""The options of the trace: from the command line to values that are checked."""

import argparse
import mmap
import re
from dataclasses import dataclass
from pathlib import Path

from tcpio.cli.showing import OutputOptions, make_output_options, parse_count, parse_timeout, read_size
from tcpio.errors import UsageError
from tcpio.filter.ast import ALWAYS, AllOf, AnyBit, Between, Expr
from tcpio.filter.parse import parse_filter, to_expr
from tcpio.filter.to_c import is_compilable
from tcpio.kernel.hooks import Direction, Rung
from tcpio.kernel.netns import find_netns
from tcpio.schema.flags import parse_flags

_NUMBER = re.compile(r"\d{1,40}", re.ASCII)
_LARGEST_RING = 1 << 30
_ALL_RINGS = 64 << 20
_DEFAULT_RINGS = (256 << 10, 16 << 20)
DEFAULT_RING = "16M, or less, so that those of up to 256 CPUs take 64M together"
DEFAULT_DELAY_S = 0.1
FILE_DELAY_S = 0.25
"""Of a regular file, which nobody watches as it grows: fewer, longer rounds cost less."""
DEFAULT_DELAY = f"{DEFAULT_DELAY_S * 1000:.0f}, of a regular file {FILE_DELAY_S * 1000:.0f}"
_SHORTEST_DELAY_MS = 10
_LONGEST_DELAY_MS = 60_000


@dataclass(frozen=True)
class TraceOptions:
    """What to trace, and how to show it.

    Args:
        wanted: Which segments the programs submit.
        filters: Which segments the filters leave.
        filters_outside: The filters again, if they are too many for the programs; else what is always true.
        netns: Inode of the only namespace; None is all.
        directions: Sent, received, or both.
        rung: The only way to attach; None is the best one.
        btf: A file with the kernel's types, for kernels that do not have their own at hand.
        ring_size: Bytes of each CPU's ring: what it must hold while the output is written; None is by their number.
        delay_s: Length of a round: how long a segment may be held so that another CPU's can come before it; None is by
            where the output goes.
        is_ordered: Whether segments are put in the order of time.
        count: How many to print; None is no limit.
        timeout_s: How long to trace; None is no limit.
        output: How they are shown, and where.
        is_quiet: Whether what is not an error stays unsaid.
        prints_bpf: Whether to print the programs instead of running them.
        has_summary: Whether the counters of each socket are printed at the end.
        counts_overload: Whether segments are counted when the rings are full, until the output has caught up.
    """

    wanted: Expr
    filters: Expr
    filters_outside: Expr
    netns: int | None
    directions: tuple[Direction, ...]
    rung: Rung | None
    btf: Path | None
    ring_size: int | None
    delay_s: float | None
    is_ordered: bool
    count: int | None
    timeout_s: float | None
    output: OutputOptions
    is_quiet: bool
    prints_bpf: bool
    has_summary: bool
    counts_overload: bool


def parse_size(text: str) -> int:
    """Read the size of a ring: a number of bytes, or with k, M or G behind it; rounded up to what a ring can have.

    Raises:
        UsageError: It is no size, or none that a ring can have.
    """
    size = read_size(text)
    if not 0 < size <= _LARGEST_RING:
        raise UsageError(f"--buffer-size {text!r} is not between one page and 1G", hint="for example 512k, 4M or 64M")
    pages = -(-size // mmap.PAGESIZE)
    return mmap.PAGESIZE << (pages - 1).bit_length()


def default_ring_size(cpus: int) -> int:
    """Give the bytes of each CPU's ring that are shared out where none were asked for."""
    least, most = _DEFAULT_RINGS
    return min(max(1 << (_ALL_RINGS // cpus).bit_length() - 1, least), most)


def parse_delay(text: str) -> float:
    """Read the length of a round, in ms; give seconds.

    Raises:
        UsageError: It is none.
    """
    if not _NUMBER.fullmatch(text) or not _SHORTEST_DELAY_MS <= int(text) <= _LONGEST_DELAY_MS:
        raise UsageError(
            f"--delay {text!r} is not between {_SHORTEST_DELAY_MS} and {_LONGEST_DELAY_MS} ms",
            hint=f"the default is {DEFAULT_DELAY}; --no-order does without",
        )
    return int(text) / 1000


def make_options(args: argparse.Namespace) -> TraceOptions:
    """Check what the command line says.

    Raises:
        UsageError: Something in it is wrong, or is not there.
    """
    filters = to_expr([parse_filter(text) for text in args.filters])
    netns = find_netns(args.netns)
    is_inside = is_compilable(filters)
    terms = [filters] if is_inside else []
    if netns is not None:
        terms.append(Between("netns", netns, netns))
    if args.flags is not None:
        terms.append(AnyBit("flags", parse_flags(args.flags)))
    output = make_output_options(args)
    if output.format.is_whole and output.rotation is None:
        raise UsageError(
            f"{args.format} is complete only when a file is closed",
            hint="add --rotate-time or --rotate-size, or write arrow and turn it into parquet with 'tcpio replay'",
        )
    return TraceOptions(
        wanted=AllOf(tuple(terms)),
        filters=filters,
        filters_outside=ALWAYS if is_inside else filters,
        netns=netns,
        directions=tuple(Direction) if args.dir is None else (Direction(args.dir),),
        rung=None if args.attach == "auto" else Rung(args.attach),
        btf=args.btf,
        ring_size=None if args.buffer_size is None else parse_size(args.buffer_size),
        delay_s=None if args.delay is None else parse_delay(args.delay),
        is_ordered=not args.no_order,
        count=None if args.count is None else parse_count("--count", args.count),
        timeout_s=None if args.timeout is None else parse_timeout(args.timeout),
        output=output,
        is_quiet=args.quiet,
        prints_bpf=args.print_bpf,
        has_summary=args.summary,
        counts_overload=args.on_overload == "summary",
    )
