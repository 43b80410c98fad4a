# SPDX-License-Identifier: GPL-2.0-only
"""How segments are shown and where they go: the options that the trace and replay share."""

import argparse
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tcpio.errors import UsageError
from tcpio.output.formats import FORMATS, Format, Setting
from tcpio.output.rotation import Rotation
from tcpio.schema.columns import COLUMNS, DEFAULT, Column, find_columns
from tcpio.schema.time_formats import TIME_FORMATS

if TYPE_CHECKING:  # numpy, which help and the start of a trace do without
    from tcpio.output.times import ToWall
    from tcpio.output.writer import BatchFormat, Writer

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_SIZE = re.compile(r"(\d{1,12})([kmg]?)(i?b)?", re.IGNORECASE | re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_TIME = re.compile(r"(\d{1,6})([smhd]?)", re.ASCII)
_NUMBER = re.compile(r"\d{1,40}", re.ASCII)
_NS = 1_000_000_000


@dataclass(frozen=True)
class OutputOptions:
    """How to show segments.

    Args:
        format: A row of FORMATS.
        columns: What is shown of each.
        time_format: How the time column is written.
        zone: Its zone; empty is the local one.
        color: auto, always or never.
        write: The file to write to; None is the standard output.
        rotation: When to begin another file; None is never.
        is_wide: Whether addresses have room for IPv6.
        has_header: Whether a header comes first.
    """

    format: Format
    columns: tuple[Column, ...]
    time_format: str
    zone: str
    color: str
    write: Path | None
    rotation: Rotation | None
    is_wide: bool
    has_header: bool


def add_presentation(group: argparse._ArgumentGroup) -> None:
    """Add the options."""
    group.add_argument("-t", "--time", action="store_true", help="begin each line with the time")
    group.add_argument(
        "--time-format",
        default="iso",
        metavar="FORMAT",
        help=f"how: {', '.join(TIME_FORMATS)}; see below (default: iso)",
    )
    group.add_argument(
        "--tz",
        default="",
        metavar="ZONE",
        help="time zone of iso: UTC, Europe/Berlin, ... (default: the local one)",
    )
    group.add_argument(
        "-o",
        "--columns",
        default="",
        metavar="LIST",
        help="which columns, in which order; a list that begins with + adds to the default; see below "
        f"(default: {','.join(DEFAULT)}; every one for other formats than text)",
    )
    group.add_argument(
        "-f", "--format", default="text", metavar="FORMAT", help=f"{', '.join(FORMATS)}; see below (default: text)"
    )
    group.add_argument(
        "-w", "--write", type=Path, metavar="FILE", help="write to a file (default: the standard output)"
    )
    group.add_argument("--rotate-size", metavar="SIZE", help="with -w: another file after about so many bytes: 100M")
    group.add_argument("--rotate-time", metavar="TIME", help="with -w: another file after so long: 90s, 10m, 1h, 1d")
    group.add_argument(
        "--rotate-keep", metavar="N", help="keep the last N closed files FILE-TIME, and remove those before"
    )
    group.add_argument("--wide", action="store_true", help="room for IPv6 in all addresses: 39 characters")
    group.add_argument("--no-header", action="store_true", help="no line with the columns' names")
    group.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="SYN green, FIN yellow, RST red; auto is on a terminal, unless NO_COLOR is set (default: auto)",
    )


def describe_presentation() -> str:
    """Give the tables for the end of the help."""
    columns = {column.name: column.help for column in COLUMNS}
    formats = {name: row.help for name, row in FORMATS.items()}
    tables = {
        "columns, for --columns": columns,
        "formats, for --format": formats,
        "formats of the time, for --time-format": TIME_FORMATS,
    }
    return "\n\n".join(f"{title}:\n{_table(rows)}" for title, rows in tables.items())


def _table(rows: Mapping[str, str]) -> str:
    return "\n".join(f"  {name:<8}{text}" for name, text in rows.items())


def read_size(text: str) -> int:
    """Read a number of bytes, or one with k, M or G behind it; what is none gives 0."""
    match = _SIZE.fullmatch(text.strip())
    return int(match[1]) * _UNITS[match[2].lower()] if match else 0


def _parse_size(option: str, text: str) -> int:
    size = read_size(text)
    if not size:
        raise UsageError(f"{option} {text!r} is no size", hint="for example 512k, 4M or 64M")
    return size


def parse_count(option: str, text: str) -> int:
    """Read a positive number.

    Raises:
        UsageError: It is none.
    """
    if not _NUMBER.fullmatch(text) or not int(text):
        raise UsageError(f"{option} {text!r} is no positive number", hint=f"for example {option} 100")
    return int(text)


def parse_timeout(text: str) -> float:
    """Read how long to run, in seconds.

    Raises:
        UsageError: It is no positive number.
    """
    match = re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII)
    if not match or not float(text):
        raise UsageError(f"--timeout {text!r} is no positive number of seconds", hint="for example --timeout 10")
    return float(text)


def _parse_duration(option: str, text: str) -> int:
    match = _TIME.fullmatch(text.strip().lower())
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    if not seconds:
        raise UsageError(f"{option} {text!r} is no time", hint="for example 90s, 10m, 1h or 1d")
    return seconds * _NS


def _make_rotation(args: argparse.Namespace) -> Rotation | None:
    given = (args.rotate_size, args.rotate_time, args.rotate_keep)
    if not any(text is not None for text in given):
        return None
    if args.write is None:
        raise UsageError("only files are rotated", hint="name one with --write")
    size, time, keep = given
    if size is None and time is None:
        raise UsageError("--rotate-keep alone rotates nothing", hint="add --rotate-size or --rotate-time")
    return Rotation(
        None if size is None else _parse_size("--rotate-size", size),
        None if time is None else _parse_duration("--rotate-time", time),
        None if keep is None else parse_count("--rotate-keep", keep),
    )


def make_output_options(args: argparse.Namespace) -> OutputOptions:
    """Check what the command line says.

    Raises:
        UsageError: Something in it is wrong, or is not there.
    """
    if args.format not in FORMATS:
        raise UsageError(f"there is no format {args.format!r}", hint=f"the formats are {', '.join(FORMATS)}")
    if args.time_format not in TIME_FORMATS:
        raise UsageError(
            f"there is no time format {args.time_format!r}", hint=f"the formats are {', '.join(TIME_FORMATS)}"
        )
    row = FORMATS[args.format]
    if args.format != "text" and args.time_format != "iso":
        raise UsageError(f"--time-format is for text; {args.format} has ISO 8601 and ts_ns")
    if args.columns and not row.has_choice:
        raise UsageError(f"{args.format} has no choice of columns")
    if row.is_whole and args.write is None:
        raise UsageError(f"{args.format} is written to files only", hint="name one with --write")
    return OutputOptions(
        format=row,
        columns=find_columns(args.columns, with_time=args.time, default=row.columns),
        time_format=args.time_format,
        zone=args.tz,
        color=args.color,
        write=args.write,
        rotation=_make_rotation(args),
        is_wide=args.wide,
        has_header=not args.no_header or not row.is_text,
    )


@contextmanager
def open_writer(
    options: OutputOptions, to_wall: "ToWall", start_ns: int, facts: Mapping[str, str], *, is_ahead: bool = False
) -> "Iterator[Writer]":
    """Open what segments are written to.

    Args:
        options: How to show them.
        to_wall: From a record's ts_ns to wall time.
        start_ns: When it began, for times that count from there.
        facts: What is said of the whole recording.
        is_ahead: Whether a batch may be made while the one before it is written, in a thread of its own. What is
            written is one batch late then.

    Raises:
        UsageError: It cannot be opened.
    """
    from tcpio.cli.colors import make_colors  # noqa: PLC0415  numpy, see above
    from tcpio.output.sink import Sink  # noqa: PLC0415
    from tcpio.output.times import find_zone, make_time  # noqa: PLC0415
    from tcpio.output.writer import Writer, save_earlier  # noqa: PLC0415

    if options.rotation and options.write:
        save_earlier(options.write)
    time = make_time(options.time_format, find_zone(options.zone), to_wall, start_ns)
    with Sink(options.write, is_whole=options.format.is_whole) as sink:
        if sink.is_terminal and not options.format.is_text:
            raise UsageError("this format is not for a terminal", hint="write it to a file with --write, or to a pipe")
        setting = Setting(options.columns, time, options.is_wide, make_colors(options.color, sink), facts)
        yield Writer(
            _make_format(options, setting, is_ahead=is_ahead),
            sink,
            path=options.write if options.rotation else None,
            rotation=options.rotation or Rotation(),
            to_wall=to_wall,
            has_header=options.has_header,
        )


def _make_format(options: OutputOptions, setting: Setting, *, is_ahead: bool) -> "BatchFormat":
    made = options.format.make(setting)
    if not is_ahead or options.rotation:  # which goes by what has been written
        return made
    from tcpio.output.ahead import Ahead  # noqa: PLC0415

    return Ahead(made)
