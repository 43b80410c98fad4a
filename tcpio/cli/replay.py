# SPDX-License-Identifier: GPL-2.0-only
"""``tcpio replay``: a recording again, in other columns, another format, or only a part of it."""

import argparse
import os
import re
import select
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from tcpio.cli.memory import keep_freed_memory
from tcpio.cli.moments import check_moment, to_wall_ns
from tcpio.cli.progress import Progress
from tcpio.cli.say import say
from tcpio.cli.showing import (
    OutputOptions,
    add_presentation,
    describe_presentation,
    make_output_options,
    open_writer,
    parse_count,
    parse_timeout,
)
from tcpio.cli.signals import Signals
from tcpio.errors import RecordingError, UsageError
from tcpio.filter.ast import AnyBit, Between, Expr, all_of
from tcpio.filter.parse import parse_filter, to_expr
from tcpio.filter.to_mask import fields_of
from tcpio.output.as_derived import to_lines
from tcpio.output.formats import FORMATS
from tcpio.output.lines import Chunk
from tcpio.output.sink import STDOUT, Sink
from tcpio.output.times import find_zone
from tcpio.schema.arrays import NDArray
from tcpio.schema.batch import Batch, Lost
from tcpio.schema.columns import EVERY
from tcpio.schema.flags import parse_flags
from tcpio.schema.record import RECEIVE, SEND, no_records
from tcpio.stream.counts import Counts
from tcpio.stream.derive import GROUPS, MEASURES, NEEDED, Derived, find_group
from tcpio.stream.follow import Ending, Follower
from tcpio.stream.recording import Recording
from tcpio.stream.replay import open_recording, read_recording
from tcpio.stream.select import Limit, Period, Select

if TYPE_CHECKING:
    from tcpio.output.writer import Writer

_EPILOG = """\
The format of a file is known by how it begins; text must have its header or the default columns, and its times may be
iso or epoch. Several files are read one behind the other ('tcpio sort' merges them). FILE - is the standard input.
What is whole before damage is printed; then the damage is told, and the exit status is 1.

following:
  --follow reads one FILE that is still being written, from its begin, and prints what is appended: it looks ten times
  a second ('tcpio -f arrow' writes once a second, other formats each --delay). All formats but parquet can be followed.
  A line or block that is half written waits for its rest. It is the name that is followed: with --rotate-size or
  --rotate-time that is the file that is open, each to its end and then the next one; closed ones, FILE-TIME, are not
  read, nor is one that was open for less than 0.1 s. A file that is cut is read from its begin again. It ends by ^C,
  -c, --timeout, or a little after --until.

{tables}

examples:
  tcpio replay trace.arrow -t '*:*-*:443'         one remote port, as text with times
  tcpio replay trace.arrow -f pcapng -w x.pcapng  for Wireshark
  tcpio replay trace.csv --since 10:32 --until 10:33 --flags SYN,RST
  tcpio replay trace.jsonl --summary --by raddr   what each remote host sent and was sent
  tcpio replay --follow trace.arrow --since -0s   what is recorded from now on
"""
EPILOG = _EPILOG.format(tables=describe_presentation())

_INODE = re.compile(r"\d{1,10}", re.ASCII)
_PIECE = 1 << 16
_WAIT_S = 0.1  # between looks at a file that is followed
_LATE_NS = 2_000_000_000  # by how much what is recorded may be written later than it passed
_SUMMARIES = ("text", "jsonl", "csv")
_TIMES = frozenset({"time", "ts_ns"})

Unsigned: TypeAlias = NDArray[np.uint64]
Signed: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class ReplayOptions:
    """What to read, and how to show it.

    Args:
        files: None is the standard input.
        filters: Which segments.
        since: The first moment; empty is the first one there is.
        until: The last moment; empty is the last one there is.
        count: How many segments; None is no limit.
        output: How they are shown.
        named: Columns that were asked for by name: that one is missing is an error.
        group: What to group by; None shows segments.
        is_quiet: Whether the counts stay unsaid.
        is_followed: Whether what is appended to the only file is waited for.
        timeout_s: For how long; None is no limit.
    """

    files: tuple[Path | None, ...]
    filters: Expr
    since: str
    until: str
    count: int | None
    output: OutputOptions
    named: frozenset[str]
    group: tuple[str, ...] | None
    is_quiet: bool
    is_followed: bool
    timeout_s: float | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options, files and filters."""
    parser.usage = "tcpio replay [OPTION...] FILE... [FILTER...]"
    parser.add_argument("files", nargs="+", metavar="FILE", help="recordings, then filters as those of 'tcpio trace'")
    parser.add_argument("--follow", action="store_true", help="go on with what is appended to FILE; see below")
    parser.add_argument("--timeout", metavar="SECONDS", help="with --follow: end after this time")
    chosen = parser.add_argument_group("which segments")
    chosen.add_argument("-c", "--count", metavar="N", help="print N segments and end")
    chosen.add_argument(
        "--since", default="", metavar="TIME", help="from then on: 10:32, '2026-11-21 10:32:05.5+01:00', -5min"
    )
    chosen.add_argument("--until", default="", metavar="TIME", help="up to then")
    chosen.add_argument("--netns", metavar="INODE", help="only this network namespace")
    chosen.add_argument("--dir", choices=("send", "receive"), help="only one direction (default: both)")
    chosen.add_argument("--flags", metavar="LIST", help="only segments with any of these flags: SYN,FIN,RST")
    shown = parser.add_argument_group("how they are shown")
    add_presentation(shown)
    shown.add_argument("-q", "--quiet", action="store_true", help="say nothing on standard error but errors and losses")
    derived = parser.add_argument_group("sums instead of segments")
    derived.add_argument("--summary", action="store_true", help="what can be derived from segments, for each group")
    derived.add_argument(
        "--by", default="tuple", metavar="GROUP", help=f"{', '.join(GROUPS)}, or several as laddr,rport"
    )


def make_options(args: argparse.Namespace) -> ReplayOptions:
    """Check what the command line says.

    Raises:
        UsageError: Something in it is wrong.
    """
    files, filters = _split(args.files)
    _check_following(args, files)
    terms = [to_expr([parse_filter(text) for text in filters])]
    if args.flags is not None:
        terms.append(AnyBit("flags", parse_flags(args.flags)))
    if args.dir is not None:
        direction = SEND if args.dir == "send" else RECEIVE
        terms.append(Between("dir", direction, direction))
    if args.netns is not None:
        terms.append(_to_netns(args.netns))
    for option, text in (("--since", args.since), ("--until", args.until)):
        if text:
            check_moment(option, text)
    if args.summary and args.format not in _SUMMARIES:
        raise UsageError(f"--summary is not written as {args.format}", hint=f"formats are {', '.join(_SUMMARIES)}")
    output = make_output_options(args)
    named = {name.strip().lower() for name in args.columns.removeprefix("+").split(",")} if args.columns else set()
    return ReplayOptions(
        files=files,
        filters=all_of(*terms),
        since=args.since,
        until=args.until,
        count=None if args.count is None else parse_count("--count", args.count),
        output=output,
        named=frozenset(named | ({"time"} if args.time else set())),
        group=find_group(args.by) if args.summary else None,
        is_quiet=args.quiet,
        is_followed=args.follow,
        timeout_s=None if args.timeout is None else parse_timeout(args.timeout),
    )


def _check_following(args: argparse.Namespace, files: tuple[Path | None, ...]) -> None:
    if not args.follow:
        if args.timeout is not None:
            raise UsageError("--timeout is for --follow: a replay ends by itself")
        return
    if len(files) > 1 or files[0] is None:
        raise UsageError("--follow follows one file by its name", hint="tcpio replay --follow FILE [FILTER...]")
    if not files[0].exists():
        raise UsageError(f"there is no {files[0]} to be followed", hint="begin to record first")
    if not files[0].is_file():
        raise UsageError(f"{files[0]} is no regular file, so it cannot be followed", hint="a pipe is read as it comes")


def _split(words: list[str]) -> tuple[tuple[Path | None, ...], list[str]]:
    # A filter has a colon behind a hyphen or an exclamation mark; a file that looks so is written ./FILE.
    filters = [word for word in words if word.startswith("!") or re.fullmatch(r"[^/]*:[^/]*-[^/]*(/\d+)?.*:.*", word)]
    filters = [word for word in filters if not Path(word).exists()]
    files = tuple(None if word == "-" else Path(word) for word in words if word not in filters)
    if not files:
        raise UsageError("no recording is named", hint="tcpio replay FILE... [FILTER...]")
    return files, filters


def _to_netns(text: str) -> Expr:
    if not _INODE.fullmatch(text) or int(text) >= 1 << 32:
        raise UsageError(f"--netns {text!r} is no inode", hint="a recording knows namespaces by inode: column netns")
    return Between("netns", int(text), int(text))


def run(args: argparse.Namespace) -> int:
    """Print recordings, and give the exit status.

    Raises:
        TcpioError: Something cannot be read or written; what could be has been.
    """
    options = make_options(args)
    keep_freed_memory()
    with Signals() as signals, ExitStack() as stack:
        _Run(options, signals, stack).run()
    return 0


class _Run:
    # From files to what is shown of them, until something ends it.

    def __init__(self, options: ReplayOptions, signals: Signals, stack: ExitStack) -> None:
        self._options = options
        self._signals = signals
        self._stack = stack
        self._progress = stack.enter_context(Progress(_count_bytes(options)))
        if options.is_followed or (options.output.write is None and os.isatty(STDOUT)):
            self._progress.hide()
        self._replay = _Replay(options, self._progress)
        self._shown: _Segments | _Sums | None = None
        self._deadline_s = time.monotonic() + (options.timeout_s or float("inf"))

    def run(self) -> None:
        """Show all there is."""
        with closing(self._replay.batches(self._wait)) as batches:
            try:
                for recording, batch in batches:
                    self._shown = self._shown or _open(self._options, recording, self._stack)
                    self._shown.take(batch)
                    if self._is_over():
                        break
            finally:
                self._progress.hide()
                if self._shown:
                    self._end(self._shown)
        if not self._shown:  # it was followed in vain
            self._tell()

    def _wait(self) -> bool:
        # For more to be appended; what is shown may have held something back until now.
        select.select([self._signals.fd], [], [], max(min(_WAIT_S, self._deadline_s - time.monotonic()), 0))
        self._signals.clear()
        if self._shown:
            self._shown.take(Batch(no_records()))
        self._replay.newest_ns = time.time_ns()
        return not self._is_over()

    def _is_over(self) -> bool:
        if self._signals.take_question():
            self._progress.wipe()
            say(f"tcpio: {self._count()}")
        is_unseen = self._shown is not None and self._shown.is_closed_by_reader
        if self._signals.is_ended or self._replay.limit.is_reached or is_unseen:
            return True
        return self._options.is_followed and (time.monotonic() >= self._deadline_s or self._replay.is_past)

    def _end(self, shown: "_Segments | _Sums") -> None:
        try:
            shown.end(self._replay.lost)
        finally:
            self._tell()

    def _tell(self) -> None:
        counts = self._count()
        if counts.lost or not self._options.is_quiet:
            say(f"tcpio: {counts}")

    def _count(self) -> Counts:
        return self._replay.count(self._shown.printed if self._shown else 0)


class _Replay:
    # From files to batches of what is wanted of them.

    def __init__(self, options: ReplayOptions, progress: Progress) -> None:
        self.newest_ns = 0  # of what there was up to now
        self.limit = Limit(options.count)
        self.lost: dict[int, int] = {}
        self._options = options
        self._progress = progress
        self._needed = _find_needed(options)
        self._wanted = self._needed | _shown(options)
        self._select = Select(options.filters)
        self._period: Period | None = None
        self._taken = 0

    @property
    def is_past(self) -> bool:
        """Whether what is still to come is behind --until, since what has been there was."""
        if not self._options.until:
            return False
        until_ns = (self._period or _make_period(self._options, self.newest_ns)).until_ns
        return until_ns is not None and self.newest_ns > until_ns + _LATE_NS

    def batches(self, wait: Callable[[], bool]) -> Generator[tuple[Recording, Batch], None, None]:
        """Give at least one batch of each file, which may be empty.

        Args:
            wait: See Follower.
        """
        if self._options.is_followed and self._options.files[0]:
            yield from self._followed(self._options.files[0], wait)
            return
        for path in self._options.files:
            with open_recording(path, self._wanted) as recording:
                yield from self._of(recording, path)

    def _followed(self, path: Path, wait: Callable[[], bool]) -> Iterator[tuple[Recording, Batch]]:
        follower = Follower(path, wait, lambda text: say(f"tcpio: {text}"))
        for file in follower.files():
            try:
                yield from self._of(read_recording(file, str(path), self._wanted, is_growing=True), path)
            except RecordingError as error:
                if follower.ending is None:
                    raise
                if follower.ending is Ending.REPLACED:
                    say(f"tcpio: {error}")

    def _of(self, recording: Recording, path: Path | None) -> Iterator[tuple[Recording, Batch]]:
        _require(recording, path, self._needed)
        yield recording, Batch(no_records())
        count = read = 0
        for batch in recording.batches:
            for piece in _pieces(batch):
                self._taken += len(piece.records)
                count += len(piece.records)
                before, read = read, _count_read(recording, count)
                self._progress.add(read - before, len(piece.records))
                yield recording, self._choose(piece)

    def _choose(self, batch: Batch) -> Batch:
        if len(batch.records):
            self.newest_ns = max(self.newest_ns, int(batch.records["ts_ns"][-1]))
            if self._period is None and (self._options.since or self._options.until):
                self._period = _make_period(self._options, int(batch.records["ts_ns"][0]))
        chosen = self._select(self._period(batch) if self._period else batch)
        for mark in chosen.marks:
            if isinstance(mark, Lost):
                self.lost[mark.cpu] = self.lost.get(mark.cpu, 0) + mark.count
        return self.limit(chosen)

    def count(self, printed: int) -> Counts:
        """Give what became of the segments that were read."""
        filtered = self._select.dropped + (self._period.dropped if self._period else 0)
        return Counts(printed=printed, not_printed=self._taken - filtered - printed, filtered=filtered, lost=self.lost)


def _count_bytes(options: ReplayOptions) -> int | None:
    # What is read, if it is known.
    if not all(path and path.is_file() for path in options.files):
        return None
    return sum(path.stat().st_size for path in options.files if path)


def _count_read(recording: Recording, count: int) -> int:
    # Of what is not read from its begin to its end, the segments tell.
    if recording.rows:
        return recording.size * count // recording.rows
    return recording.read_bytes()


def _pieces(batch: Batch) -> Iterator[Batch]:
    # Text of so many segments stays in the processor's cache while it is made.
    if batch.marks:
        yield batch
        return
    for at in range(0, len(batch.records), _PIECE):
        yield Batch(batch.records[at : at + _PIECE])


def _make_period(options: ReplayOptions, first_ns: int) -> Period:
    zone = find_zone(options.output.zone)
    since, until = (
        to_wall_ns(option, text, zone, first_ns) if text else None
        for option, text in (("--since", options.since), ("--until", options.until))
    )
    return Period(since, until)


def _shown(options: ReplayOptions) -> set[str]:
    if options.group:
        return set()
    return {column.name for column in options.output.columns} if options.output.format.has_choice else set(EVERY)


def _find_needed(options: ReplayOptions) -> set[str]:
    # The columns without which there is nothing to be done.
    needed = fields_of(options.filters) | options.named
    if options.since or options.until:
        needed.add("ts_ns")
    if options.group:
        needed |= NEEDED | set(options.group)
    if not options.output.format.has_choice:
        needed |= {"ts_ns", "laddr", "lport", "raddr", "rport", "dir", "bytes", "flags"}
    return needed


def _require(recording: Recording, path: Path | None, needed: AbstractSet[str]) -> None:
    missing = [name for name in EVERY if name in needed and name not in _with_times(recording.columns)]
    if missing:
        names = ", ".join(name for name in EVERY if name in recording.columns)
        raise UsageError(
            f"{path or 'standard input'} has no column {missing[0]}, which is wanted here", hint=f"it has {names}"
        )


def _with_times(columns: AbstractSet[str]) -> AbstractSet[str]:
    # Either of these tells the other.
    return columns if columns.isdisjoint(_TIMES) else columns | _TIMES


def _open(options: ReplayOptions, recording: Recording, stack: ExitStack) -> "_Segments | _Sums":
    return _Sums(options, stack) if options.group else _Segments(options, recording, stack)


class _Segments:
    # Segments, one by one.

    def __init__(self, options: ReplayOptions, recording: Recording, stack: ExitStack) -> None:
        held = _with_times(recording.columns)
        columns = tuple(column for column in options.output.columns if column.name in held)
        self._output = replace(options.output, columns=columns)
        self._facts = recording.facts
        # What comes bit by bit is shown at once.
        self._is_ahead = _count_bytes(options) is not None and not options.is_followed
        self._stack = stack
        self._writer: Writer | None = None

    def take(self, batch: Batch) -> None:
        """Write a batch; times may be told from the first."""
        if self._writer is None and (len(batch.records) or batch.marks):
            times = [*batch.records["ts_ns"][:1].tolist(), *(mark.ts_ns for mark in batch.marks)]
            self._begin(min(times))
        if self._writer:
            self._writer.write(batch)

    def _begin(self, start_ns: int) -> "Writer":
        writer = open_writer(self._output, _identity, start_ns, self._facts, is_ahead=self._is_ahead)
        self._writer = self._stack.enter_context(writer)
        self._writer.begin()
        return self._writer

    @property
    def printed(self) -> int:
        """Segments written."""
        return self._writer.sink.segments if self._writer else 0

    @property
    def is_closed_by_reader(self) -> bool:
        """Whether nobody reads what is written."""
        return self._writer is not None and self._writer.sink.is_closed_by_reader

    def end(self, _lost: Mapping[int, int]) -> None:
        """Write what is left."""
        (self._writer or self._begin(0)).end()


class _Sums:
    # What is derived from them.

    def __init__(self, options: ReplayOptions, stack: ExitStack) -> None:
        self._options = options
        self._sink = stack.enter_context(Sink(options.output.write))
        self._group = options.group or ()
        self._derived = Derived(self._group)
        self.printed = 0
        self.is_closed_by_reader = False

    def take(self, batch: Batch) -> None:
        """Add a batch."""
        self._derived.add(batch.records)
        self.printed += len(batch.records)

    def end(self, lost: Mapping[int, int]) -> None:
        """Write the sums."""
        groups, sums = self._derived.result()
        names = [measure.name for measure in MEASURES]
        name = next(name for name, row in FORMATS.items() if row is self._options.output.format)
        text = to_lines(name, (self._group, names), groups, sums.tolist(), lost=sum(lost.values()))
        self._sink.write([Chunk(text.encode(), 0)])


def _identity(ts_ns: Unsigned) -> Signed:
    return ts_ns.astype(np.int64)
