# SPDX-License-Identifier: GPL-2.0-only
"""Batches to files, and from one file to the next."""

import os
from collections.abc import Sequence
from datetime import timezone
from pathlib import Path

import numpy as np
import pytest

from tcpio.errors import OutputError, UsageError
from tcpio.output.as_csv import CsvFormat
from tcpio.output.lines import Chunk
from tcpio.output.rotation import Rotation, find_closed
from tcpio.output.sink import Sink
from tcpio.output.times import make_time
from tcpio.output.writer import Writer, save_earlier
from tcpio.schema.batch import Batch, Lost
from tcpio.schema.columns import find_columns
from tests.unit.samples import make_records

SECOND = 1_000_000_000
BEGAN_NS = 1_795_299_378 * SECOND


def write(path: Path, batches: Sequence[Batch], rotation: Rotation | None, *, has_header: bool = True) -> Sink:
    time = make_time("iso", timezone.utc, lambda ts_ns: ts_ns.astype(np.int64) + BEGAN_NS, 0)
    with Sink(path) as sink:
        writer = Writer(
            CsvFormat(find_columns("lport", with_time=False), time),
            sink,
            path=path if rotation else None,
            rotation=rotation or Rotation(),
            to_wall=time.to_wall,
            has_header=has_header,
        )
        writer.begin()
        for batch in batches:
            writer.write(batch)
        writer.end()
    return sink


def batch(*ts_ns: int, marks: tuple[Lost, ...] = ()) -> Batch:
    return Batch(make_records(ts_ns, lport=[ts % 50_000 for ts in ts_ns]), marks)


def closed(path: Path) -> list[str]:
    return [file.read_text() for file in find_closed(path)]


def test_without_rotation_all_goes_to_the_file(tmp_path: Path) -> None:
    sink = write(tmp_path / "x.csv", [batch(1, 2), batch(3)], None)

    assert (tmp_path / "x.csv").read_text() == "lport\n1\n2\n3\n"
    assert sink.segments == 3


def test_a_header_can_be_left_out(tmp_path: Path) -> None:
    write(tmp_path / "x.csv", [batch(1)], None, has_header=False)

    assert (tmp_path / "x.csv").read_text() == "1\n"


def test_each_file_is_of_so_long_a_time_and_has_a_header(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    sink = write(path, [batch(1, 2, 10), batch(11, 12, 35, 36)], Rotation(time_ns=10))

    assert closed(path) == ["lport\n1\n2\n10\n", "lport\n11\n12\n", "lport\n35\n36\n"]
    assert not path.exists()
    assert sink.segments == 7


@pytest.mark.parametrize("size", [1, 20, 100, 1000])
def test_files_are_of_about_a_size_and_lose_nothing(tmp_path: Path, size: int) -> None:
    path = tmp_path / "x.csv"
    write(path, [batch(*range(at, at + 100)) for at in range(10_000, 11_000, 100)], Rotation(size=size))
    texts = closed(path)

    assert [str(number) for number in range(10_000, 11_000)] == [
        line for text in texts for line in text.splitlines() if line != "lport"
    ]
    assert all(text.startswith("lport\n") for text in texts)
    assert max(map(len, texts)) <= size + 6 * 256
    assert len(texts) >= 6000 // (size + 6 * 256)


def test_marks_stay_at_their_place(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    marks = tuple(Lost(ts_ns, 0, ts_ns) for ts_ns in (2, 11, 99))
    write(path, [batch(1, 2, 11, 12, marks=marks)], Rotation(time_ns=10))

    assert closed(path) == [
        "lport\n1\n# 2 segments lost on CPU 0\n2\n",
        "lport\n# 11 segments lost on CPU 0\n11\n12\n# 99 segments lost on CPU 0\n",
    ]


def test_old_files_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    write(path, [batch(*range(0, 100_000, 1000))], Rotation(time_ns=1000, keep=3))

    assert closed(path) == ["lport\n47000\n", "lport\n48000\n", "lport\n49000\n"]


def test_what_had_no_segment_is_not_renamed(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    write(path, [Batch(make_records([]), (Lost(1, 0, 1),))], Rotation(size=1))

    assert closed(path) == []
    assert path.read_text() == "lport\n# 1 segment lost on CPU 0\n"


@pytest.mark.parametrize("is_rotated", [False, True])
def test_what_is_held_back_is_given_while_nothing_comes(tmp_path: Path, *, is_rotated: bool) -> None:
    class Slow(CsvFormat):
        def chunks(self, batch: Batch) -> list[Chunk]:
            return [] if len(batch.records) else [Chunk(b"now\n", 1)]

    path = tmp_path / "x.csv"
    time = make_time("iso", timezone.utc, lambda ts_ns: ts_ns.astype(np.int64), 0)
    with Sink(path) as sink:
        writer = Writer(
            Slow(find_columns("lport", with_time=False), time),
            sink,
            path=path if is_rotated else None,
            rotation=Rotation(size=1 << 20),
            to_wall=time.to_wall,
            has_header=False,
        )
        writer.write(batch(1))
        assert path.read_text() == ""
        writer.write(batch())
        assert path.read_text() == "now\n"


def test_after_a_failure_nothing_more_is_written() -> None:
    full = Path("/dev/full")
    with Sink(full) as sink:
        time = make_time("iso", timezone.utc, lambda ts_ns: ts_ns.astype(np.int64), 0)
        made = CsvFormat(find_columns("lport", with_time=False), time)
        writer = Writer(made, sink, path=None, rotation=Rotation(), to_wall=time.to_wall, has_header=True)
        with pytest.raises(OutputError):
            writer.begin()
        writer.end()

        assert writer.pending == 0


def test_a_file_that_was_there_is_kept_under_its_lasting_name(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("earlier\n")
    os.utime(path, ns=(BEGAN_NS, BEGAN_NS))
    save_earlier(path)

    assert [file.name for file in tmp_path.iterdir()] == ["x-20261121T221618.000000000Z.csv"]
    save_earlier(path)
    path.touch()
    save_earlier(path)
    assert closed(path) == ["earlier\n"]


def test_what_is_no_file_cannot_be_rotated(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="/dev/null is not a regular file"):
        save_earlier(Path("/dev/null"))
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="Not a directory"):
        save_earlier(tmp_path / "file" / "x.csv")
