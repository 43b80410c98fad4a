# SPDX-License-Identifier: GPL-2.0-only
"""``tcpio sort``: put recorded output in the order of time."""

import argparse
import re
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tcpio.cli.showing import read_size
from tcpio.errors import UsageError

EPILOG = """\
input:
  What 'tcpio -t' printed, with --time-format iso (any zone) or epoch, whichever column the time is in; JSON Lines
  and CSV with a column time or ts_ns. All files of one kind, with the same columns. '-' is the standard input.
  Lines of one time stay in the order of the files, and of the lines in them. A header is written once. A line that
  tells of losses has its time in front, or stays before the line that it stands before; so do unreadable lines.

sort(1):
  Text with the time in front and without a header sorts as text too: tcpio -t --no-header >f; LC_ALL=C sort f.
  Not so where the zone's offset changes, as it does when summer time ends, or between files of several zones: sort(1)
  compares what the clocks on the wall said, 'tcpio sort' compares moments.

memory:
  Lines that need more than --memory are sorted in a temporary file of about the size of the input. With --window there
  is none: what is in order but for so many seconds is merged as it is read, which also works for what is still being
  written to a pipe, and memory holds the lines of so many seconds. Later ones are printed all the same, and counted.

exit status:
  0 done (also with unreadable or late lines, which are told), 1 failed while running, 2 usage

examples:
  tcpio sort trace.txt
  tcpio sort -w both.txt web=one.txt db=two.txt      two hosts in one file, with a column that says which
  tcpio sort --host-from-name traces/*.csv           the same: files called as the hosts are
  tcpio -t --no-order | tcpio sort --window 1        in order, a second later
"""

DEFAULT_MEMORY = "128M"
_LEAST_MEMORY = 1 << 20
_MOST_MEMORY = 1 << 40
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)
_SECONDS = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_STDIN = "-"


@dataclass(frozen=True)
class Source:
    """What to read.

    Args:
        path: The file; None is the standard input.
        host: What the column of hosts says of its lines; empty is no such column.
    """

    path: Path | None
    host: str

    @property
    def name(self) -> str:
        """What users know it by."""
        return str(self.path) if self.path else "standard input"


@dataclass(frozen=True)
class SortOptions:
    """What to sort, and how.

    Args:
        sources: At least one; all have hosts, or none has.
        write: The file to write to; None is the standard output.
        has_header: Whether a header that was found is written.
        drops_unreadable: Whether lines that cannot be read are left out.
        window_ns: By how much lines may be out of order, if they are to be merged as they are read; None sorts all.
        memory: Bytes of lines to hold.
        temp: Folder for what memory does not hold.
    """

    sources: tuple[Source, ...]
    write: Path | None
    has_header: bool
    drops_unreadable: bool
    window_ns: int | None
    memory: int
    temp: Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the files and the options."""
    parser.add_argument(
        "files", nargs="*", metavar="[NAME=]FILE", help="what to sort; NAME is its host. Default: the standard input"
    )
    parser.add_argument(
        "--host-from-name", action="store_true", help="add a column that says the host: the file's name, without .txt"
    )
    parser.add_argument(
        "--unreadable",
        choices=("keep", "drop"),
        default="keep",
        help="what to do with lines that have no time (default: keep); they are told with file and line number",
    )
    parser.add_argument(
        "--window", metavar="SECONDS", help="input is in order but for so much: merge it as it comes; see below"
    )
    parser.add_argument("--no-header", action="store_true", help="no line with the columns' names")
    parser.add_argument(
        "-w",
        "--write",
        type=Path,
        metavar="FILE",
        help="write to a file, which appears when it is finished (with --window: at once), and may be one of the input",
    )
    parser.add_argument(
        "--memory",
        default=DEFAULT_MEMORY,
        metavar="SIZE",
        help=f"how much of the input to hold in memory: 64M, 1G, ... (default: {DEFAULT_MEMORY})",
    )
    parser.add_argument(
        "--temp", type=Path, metavar="FOLDER", help="where to keep what memory does not hold (default: TMPDIR, or /tmp)"
    )


def run(args: argparse.Namespace) -> int:
    """Sort, and give the exit status."""
    options = make_options(args)
    from tcpio.cli.sorting import run_sort  # noqa: PLC0415  numpy takes a while to import, and the usage may be wrong

    return run_sort(options)


def make_options(args: argparse.Namespace) -> SortOptions:
    """Check what the command line says.

    Raises:
        UsageError: Something in it is wrong, or is not there.
    """
    sources = tuple(find_source(text, is_named=args.host_from_name) for text in args.files or [_STDIN])
    if len({bool(source.host) for source in sources}) > 1:
        unnamed = next(source.name for source in sources if not source.host)
        raise UsageError(f"{unnamed} has no host, but others have", hint="give all of them as NAME=FILE")
    temp = args.temp or Path(tempfile.gettempdir())
    if not temp.is_dir():
        raise UsageError(f"--temp {temp} is no folder")
    if args.window is not None and args.write:
        _check_apart(args.write, sources)
    return SortOptions(
        sources=sources,
        write=args.write,
        has_header=not args.no_header,
        drops_unreadable=args.unreadable == "drop",
        window_ns=None if args.window is None else parse_window(args.window),
        memory=parse_memory(args.memory),
        temp=temp,
    )


def find_source(text: str, *, is_named: bool) -> Source:
    """Read ``FILE`` or ``NAME=FILE``. A file whose name has a ``=`` is given with its folder: ``./a=b``.

    Args:
        text: As it was given.
        is_named: Whether a file's name says the host, where nothing else does.

    Raises:
        UsageError: There is no such file, or its name says no host.
    """
    host, separator, file = text.partition("=")
    if not separator or not _HOST.fullmatch(host):
        host, file = "", text
    path = None if file == _STDIN else Path(file)
    if path:
        _check(path)
    if is_named and not host:
        host = path.stem if path else ""
        if not _HOST.fullmatch(host):
            raise UsageError(f"the name of {path or 'the standard input'} says no host", hint="give it as NAME=FILE")
    return Source(path, host)


def _check(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot read {path}: {getattr(error, 'strerror', error)}", hint="give files that exist, or -"
        ) from error
    if stat.S_ISDIR(mode):
        raise UsageError(f"cannot read {path}: it is a folder", hint="give the files in it")


def _check_apart(write: Path, sources: Sequence[Source]) -> None:
    if write.exists() and any(source.path and source.path.samefile(write) for source in sources):
        raise UsageError(
            f"{write} would be written while it is read", hint="without --window it is written when all has been read"
        )


def parse_window(text: str) -> int:
    """Read how far lines may be out of order, in seconds; give ns.

    Raises:
        UsageError: It is no number.
    """
    if not _SECONDS.fullmatch(text):
        raise UsageError(f"--window {text!r} is no number of seconds", hint="for example --window 1, or 0.1")
    return round(float(text) * 1e9)


def parse_memory(text: str) -> int:
    """Read how much to hold in memory; give bytes.

    Raises:
        UsageError: It is no size, or none that does.
    """
    size = read_size(text)
    if not _LEAST_MEMORY <= size <= _MOST_MEMORY:
        raise UsageError(f"--memory {text!r} is not between 1M and 1024G", hint="for example 64M or 1G")
    return size
