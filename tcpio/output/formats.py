# SPDX-License-Identifier: GPL-2.0-only
"""The output formats: one row each, read by help, by the trace and by replay."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tcpio.schema.columns import DEFAULT, EVERY, Column

if TYPE_CHECKING:  # numpy takes long to import, and help does without
    from collections.abc import Callable, Mapping

    from tcpio.output.as_text import Colors
    from tcpio.output.times import TimeFormat
    from tcpio.output.writer import BatchFormat


class Setting(NamedTuple):
    """What a format is made with; each takes what it needs.

    Args:
        columns: What is written of a segment.
        time: Writes times.
        is_wide: Whether addresses have room for IPv6.
        colors: For lines on a terminal.
        facts: What is said of the whole recording: version, host, kernel, rung, filter.
    """

    columns: tuple[Column, ...]
    time: TimeFormat
    is_wide: bool
    colors: Colors | None
    facts: Mapping[str, str]


class Format(NamedTuple):
    """One format.

    Args:
        help: What it is.
        make: Makes it.
        columns: What is written of a segment if nothing else is asked for.
        is_text: Whether people can read it; then it may have a header, or none.
        is_whole: Whether a file is of use only when it is finished.
        has_choice: Whether columns can be chosen.
    """

    help: str
    make: Callable[[Setting], BatchFormat]
    columns: tuple[str, ...] = EVERY
    is_text: bool = False
    is_whole: bool = False
    has_choice: bool = True


def _make_text(setting: Setting) -> BatchFormat:
    from tcpio.output.as_text import TextFormat  # noqa: PLC0415  as the others, only when it is wanted

    return TextFormat(setting.columns, setting.time, is_wide=setting.is_wide, colors=setting.colors)


def _make_json(setting: Setting) -> BatchFormat:
    from tcpio.output.as_json import JsonFormat  # noqa: PLC0415

    return JsonFormat(setting.columns, setting.time)


def _make_csv(setting: Setting) -> BatchFormat:
    from tcpio.output.as_csv import CsvFormat  # noqa: PLC0415

    return CsvFormat(setting.columns, setting.time)


def _make_pcapng(setting: Setting) -> BatchFormat:
    from tcpio.output.as_pcapng import PcapngFormat  # noqa: PLC0415

    return PcapngFormat(setting.time.to_wall, setting.facts)


def _make_arrow(setting: Setting) -> BatchFormat:
    from tcpio.output.as_arrow import ArrowFormat  # noqa: PLC0415

    return ArrowFormat(setting.columns, setting.time.to_wall, setting.facts)


def _make_parquet(setting: Setting) -> BatchFormat:
    from tcpio.output.as_arrow import ParquetFormat  # noqa: PLC0415

    return ParquetFormat(setting.columns, setting.time.to_wall, setting.facts)


FORMATS = {
    "text": Format("lines as tcpio.d prints them", _make_text, columns=DEFAULT, is_text=True),
    "jsonl": Format("JSON Lines: an object for each segment, with every column", _make_json, is_text=True),
    "csv": Format("comma-separated values, with every column; lines with # are comments", _make_csv, is_text=True),
    "pcapng": Format("packets rebuilt, for Wireshark; without payload and TCP options", _make_pcapng, has_choice=False),
    "arrow": Format("Arrow IPC stream, compressed: the cheapest way to keep everything (wants pyarrow)", _make_arrow),
    "parquet": Format(
        "Parquet, for replay -w and for rotated files (wants pyarrow)",
        _make_parquet,
        is_whole=True,
    ),
}
"""What --format takes."""
