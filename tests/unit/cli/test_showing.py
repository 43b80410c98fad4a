# SPDX-License-Identifier: GPL-2.0-only
"""How segments are shown: from the command line to a file."""

import argparse
import os
from pathlib import Path

import numpy as np
import pytest

from tcpio.cli.showing import (
    OutputOptions,
    add_presentation,
    describe_presentation,
    make_output_options,
    open_writer,
    parse_count,
    parse_timeout,
)
from tcpio.errors import UsageError
from tcpio.output import sink as sink_module
from tcpio.output.formats import FORMATS
from tcpio.output.rotation import Rotation
from tcpio.schema.batch import Batch
from tcpio.schema.columns import COLUMNS, DEFAULT, EVERY
from tcpio.schema.time_formats import TIME_FORMATS
from tests.unit.samples import make_segment

SECOND = 1_000_000_000


def options(*arguments: str) -> OutputOptions:
    parser = argparse.ArgumentParser()
    add_presentation(parser.add_argument_group("how they are shown"))
    return make_output_options(parser.parse_args(arguments))


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_has_its_columns(name: str) -> None:
    found = options("-f", name, "-w", "x")

    assert found.format is FORMATS[name]
    assert tuple(column.name for column in found.columns) == (DEFAULT if name == "text" else EVERY)


def test_columns_of_a_recording_can_be_chosen() -> None:
    assert [column.name for column in options("-f", "csv", "-o", "cpu,seq", "-t").columns] == ["time", "cpu", "seq"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), None),
        (("--rotate-size", "100M"), Rotation(size=100 << 20)),
        (("--rotate-time", "1h", "--rotate-keep", "3"), Rotation(time_ns=3600 * SECOND, keep=3)),
        (("--rotate-time", "90"), Rotation(time_ns=90 * SECOND)),
        (("--rotate-time", "1d", "--rotate-size", "1k"), Rotation(size=1024, time_ns=86400 * SECOND)),
    ],
)
def test_files_may_be_rotated(arguments: tuple[str, ...], expected: Rotation | None) -> None:
    assert options("-w", "x", *arguments).rotation == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--rotate-size", "1M"), "only files are rotated"),
        (("-w", "x", "--rotate-keep", "1"), "--rotate-keep alone rotates nothing"),
        (("-w", "x", "--rotate-size", "big"), "--rotate-size 'big' is no size"),
        (("-w", "x", "--rotate-time", "0s"), "--rotate-time '0s' is no time"),
        (("-w", "x", "--rotate-time", "1w"), "--rotate-time '1w' is no time"),
        (("-w", "x", "--rotate-time", "1h", "--rotate-keep", "0"), "--rotate-keep '0' is no positive number"),
        (("-f", "csv", "--time-format", "since"), "--time-format is for text; csv has ISO 8601 and ts_ns"),
        (("-f", "pcapng", "-o", "cpu"), "pcapng has no choice of columns"),
        (("-f", "parquet"), "parquet is written to files only"),
        (("-f", "xml"), "there is no format 'xml'"),
    ],
)
def test_what_makes_no_sense_is_told(arguments: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        options(*arguments)

    assert str(caught.value) == message


def test_a_count_may_be_large() -> None:
    assert parse_count("--count", "99999999999999999999") == 99999999999999999999


def test_a_header_can_be_left_out_of_what_people_read_only() -> None:
    assert [options("-f", name, "--no-header").has_header for name in ("text", "csv", "pcapng", "arrow")] == [
        *(False, False),
        *(True, True),
    ]


def test_the_tables_are_in_the_help() -> None:
    lines = [" ".join(line.split()) for line in describe_presentation().splitlines()]
    rows = [*((column.name, column.help) for column in COLUMNS), *TIME_FORMATS.items()]
    rows += [(name, row.help) for name, row in FORMATS.items()]

    assert [name for name, text in rows if f"{name} {text}" not in lines] == []


def write(found: OutputOptions) -> None:
    with open_writer(found, lambda ts_ns: ts_ns.astype(np.int64), 0, {}) as writer:
        writer.begin()
        writer.write(Batch(make_segment()))
        writer.end()


def test_a_writer_writes_as_asked_for(tmp_path: Path) -> None:
    write(options("-f", "csv", "-o", "lport,cpu", "-w", str(tmp_path / "x")))

    assert (tmp_path / "x").read_text() == "lport,cpu\n22,1\n"


def test_what_an_earlier_run_left_is_kept_when_files_are_rotated(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("earlier\n")
    write(options("-o", "lport", "--no-header", "-w", str(path), "--rotate-size", "1k"))

    assert sorted(file.read_text() for file in tmp_path.iterdir()) == [" 22\n", "earlier\n"]


def test_what_nobody_can_read_is_not_for_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, terminal = os.openpty()
    monkeypatch.setattr(sink_module, "STDOUT", terminal)
    try:
        with pytest.raises(UsageError, match="not for a terminal") as caught:
            write(options("-f", "pcapng"))
    finally:
        os.close(reader)
        os.close(terminal)

    assert "--write" in caught.value.hint


def test_a_timeout_may_have_a_fraction() -> None:
    assert [parse_timeout("1"), parse_timeout("0.25")] == [1.0, 0.25]
