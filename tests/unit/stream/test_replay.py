# SPDX-License-Identifier: GPL-2.0-only
"""Files of any format, known by how they begin."""

import contextlib
import io
import itertools
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpio.errors import RecordingError, UsageError
from tcpio.schema.batch import Batch, Lost, join
from tcpio.stream.replay import find_reader, open_recording
from tests.unit.samples import any_records
from tests.unit.stream.recordings import ALL, assert_same, with_format, write


def read(path: Path | None) -> Batch:
    with open_recording(path, ALL) as recording:
        return join(list(recording.batches))


def make_batch() -> Batch:
    records = any_records(300)
    records["bytes"] >>= 1
    return Batch(records)


@with_format
def test_a_format_is_known_by_how_it_begins(tmp_path: Path, name: str) -> None:
    path = tmp_path / "file"
    records = make_batch()
    records.records["ts_ns"] += 10**18
    path.write_bytes(write(name, records))

    assert_same(read(path), records)


def test_a_pipe_is_read(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(write("csv", make_batch()),))
    writer.start()

    assert_same(read(fifo), make_batch())
    writer.join()


@with_format
@given(sizes=st.lists(st.integers(1, 700), min_size=1, max_size=20))
def test_what_comes_in_pieces_is_read_as_if_it_came_at_once(name: str, sizes: list[int]) -> None:
    class Pipe(io.BytesIO):
        def read1(self, most: int | None = -1) -> bytes:
            return super().read1(min(most or 1, next(pieces)))

    pieces = itertools.cycle(sizes)
    records = any_records(5)
    records["bytes"] >>= 1
    records["ts_ns"] += 10**18
    batch = Batch(records, (Lost(int(records["ts_ns"][0]), 1, 7),))
    data = write(name, batch)

    assert_same(join(list(find_reader(data[:100])(Pipe(data), "x", ALL).batches)), batch)


def test_the_standard_input_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(write("jsonl", make_batch()))
    before = os.dup(0)
    with (tmp_path / "file").open("rb") as file:
        os.dup2(file.fileno(), 0)
    try:
        assert_same(read(None), make_batch())
    finally:
        os.dup2(before, 0)
        os.close(before)


@pytest.mark.parametrize(("name", "reason"), [("missing", "No such file"), ("", "Is a directory")])
def test_what_cannot_be_opened_is_told(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=f"cannot read .*: {reason}"):
        read(tmp_path / name)


def test_what_cannot_be_read_is_told() -> None:
    with pytest.raises(RecordingError, match="cannot read /proc/self/mem: Input/output error"):
        read(Path("/proc/self/mem"))


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(RecordingError, match="x is empty"):
        read(tmp_path / "x")


@given(
    st.binary(min_size=1, max_size=200), st.sampled_from([b"", b"{", b"PAR1", b"\n\r\r\n", b"\xff" * 4, b"time,cpu\n"])
)
def test_any_bytes_are_read_or_told(tmp_path_factory: pytest.TempPathFactory, data: bytes, begin: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "x"
    path.write_bytes(begin + data)
    with contextlib.suppress(RecordingError, UsageError):
        read(path)
