# SPDX-License-Identifier: GPL-2.0-only
"""Files that are full, closed, slow or gone."""

import errno
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcpio.errors import OutputError, UsageError
from tcpio.output import sink as sink_module
from tcpio.output.lines import Chunk
from tcpio.output.sink import Sink
from tests.unit.samples import open_fds

LINES = Chunk(b"one\ntwo\nthree\n", 3)
MARK = Chunk(b"# a mark\n", 0)


@pytest.fixture
def no_new_fds() -> Iterator[None]:
    before = open_fds()
    yield
    assert before == open_fds()


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """A pipe, whose end to write to is what the sink takes for the standard output."""
    read_end, write_end = os.pipe()
    monkeypatch.setattr(sink_module, "STDOUT", write_end)
    yield read_end, write_end
    for fd in (read_end, write_end):
        try:
            os.close(fd)
        except OSError:
            assert fd == read_end


def test_a_file_gets_all_and_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with Sink(path) as sink:
        sink.write([LINES, MARK, LINES])
        sink.write([])

        assert sink.segments == 6
    assert path.read_bytes() == b"".join(chunk.data for chunk in (LINES, MARK, LINES))


def test_a_file_that_was_there_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("something older and longer\n")
    with Sink(path) as sink:
        sink.write([MARK])

    assert MARK.data == path.read_bytes()


@pytest.mark.usefixtures("no_new_fds")
def test_a_file_is_closed(tmp_path: Path) -> None:
    with Sink(tmp_path / "out"):
        pass


def test_the_standard_output_is_not_closed(pipe: tuple[int, int]) -> None:
    with Sink() as sink:
        sink.write([LINES])
    os.fstat(pipe[1])

    assert LINES.data == os.read(pipe[0], 100)


def test_a_missing_folder_is_a_usage_error(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "out"
    with pytest.raises(UsageError) as caught:
        Sink(path)

    assert f"cannot write {path}: No such file or directory" == str(caught.value)
    assert caught.value.hint == "give --write a file in a folder that exists"


def test_a_full_disk_is_told_and_nothing_is_counted() -> None:
    with Sink(Path("/dev/full")) as sink:
        with pytest.raises(OutputError) as caught:
            sink.write([LINES])

        assert str(caught.value) == "cannot write /dev/full: No space left on device"
        assert sink.has_failed
        assert not sink.is_closed_by_reader
        assert sink.segments == 0


def test_a_full_standard_output_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    monkeypatch.setattr(sink_module, "STDOUT", full)
    with pytest.raises(OutputError, match=r"^cannot write standard output: No space left on device$"):
        Sink().write([LINES])
    os.close(full)


def test_a_reader_that_has_gone_ends_writing_without_an_error(pipe: tuple[int, int]) -> None:
    sink = Sink()
    os.close(pipe[0])
    sink.write([LINES, LINES])
    sink.write([LINES])

    assert sink.is_closed_by_reader
    assert not sink.has_failed
    assert sink.segments == 0


@pytest.mark.parametrize(
    ("results", "segments"),
    [
        ([14], 3),
        ([4, 10], 3),
        ([5, 5, 4], 3),
        ([1] * 14, 3),
        ([3, errno.ENOSPC], 0),
        ([4, errno.ENOSPC], 1),
        ([4, 3, errno.ENOSPC], 1),
        ([4, 4, errno.ENOSPC], 2),
        ([13, errno.ENOSPC], 2),
        ([4, errno.EPIPE], 1),
    ],
)
def test_lines_that_were_written_whole_are_counted(
    results: list[int], segments: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(results)

    def write(_fd: int, data: memoryview) -> int:
        answer = next(answers)
        if answer in (errno.ENOSPC, errno.EPIPE):
            raise OSError(answer, os.strerror(answer))
        return min(answer, len(data))

    sink = Sink()
    monkeypatch.setattr(os, "write", write)
    if errno.ENOSPC in results:
        with pytest.raises(OutputError):
            sink.write([LINES])
    else:
        sink.write([LINES])

    assert segments == sink.segments


def test_marks_are_no_segments(pipe: tuple[int, int]) -> None:
    sink = Sink()
    sink.write([MARK, Chunk(b"header\n", 0)])

    assert sink.segments == 0
    assert bytes(MARK.data) + b"header\n" == os.read(pipe[0], 100)


def test_a_file_descriptor_that_does_not_block_is_waited_for(pipe: tuple[int, int]) -> None:
    read_end, write_end = pipe
    os.set_blocking(write_end, False)
    much = Chunk(b"x" * 999 + b"\n", 1)
    count = 200  # beyond what a pipe holds
    read: list[bytes] = []

    def read_all() -> None:
        while sum(map(len, read)) < 1000 * count:
            read.append(os.read(read_end, 4096))

    sink = Sink()
    reader = threading.Thread(target=read_all)
    reader.start()
    sink.write([much] * count)
    reader.join()

    assert count == sink.segments
    assert bytes(much.data) * count == b"".join(read)


@pytest.mark.parametrize(("is_own", "is_hangup"), [(False, True), (True, False)])
def test_a_terminal_that_is_gone_is_no_error_and_a_broken_disk_is(
    is_own: bool,  # noqa: FBT001
    is_hangup: bool,  # noqa: FBT001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_fd: int, _data: memoryview) -> int:
        raise OSError(errno.EIO, "Input/output error")

    with Sink(tmp_path / "out" if is_own else None) as sink:
        monkeypatch.setattr(os, "write", fail)
        try:
            sink.write([LINES])
        except OutputError:
            assert is_own
        monkeypatch.undo()

    assert (is_hangup, is_own) == (sink.is_closed_by_reader, sink.has_failed)


def test_a_terminal_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = os.openpty()
    monkeypatch.setattr(sink_module, "STDOUT", slave)
    assert Sink().is_terminal
    assert not Sink().is_regular
    os.close(master)
    os.close(slave)


def test_a_file_is_no_terminal(tmp_path: Path) -> None:
    with Sink(tmp_path / "out") as sink:
        assert not sink.is_terminal
        assert sink.is_regular


def test_what_is_of_use_as_a_whole_appears_when_it_is_finished(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_text("earlier")
    with Sink(path, is_whole=True) as sink:
        sink.write([LINES])
        assert path.read_text() == "earlier"
        sink.finish()

    assert path.read_bytes() == LINES.data
    assert [file.name for file in tmp_path.iterdir()] == ["x.parquet"]


def test_what_was_not_finished_leaves_nothing(tmp_path: Path) -> None:
    with Sink(tmp_path / "x.parquet", is_whole=True) as sink:
        sink.write([LINES])

    assert list(tmp_path.iterdir()) == []


def test_what_was_there_stays_until_then_and_its_mode_remains(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("before\n")
    path.chmod(0o640)
    with Sink(path, is_whole=True) as sink:
        sink.write([LINES])

        assert path.read_text() == "before\n"
        sink.finish()
    assert LINES.data == path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_new_file_has_the_usual_mode(tmp_path: Path) -> None:
    umask = os.umask(0o027)
    with Sink(tmp_path / "out", is_whole=True) as sink:
        sink.finish()
    os.umask(umask)

    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    link, path = tmp_path / "link", tmp_path / "out"
    link.symlink_to(path)
    with Sink(link, is_whole=True) as sink:
        sink.write([LINES])
        sink.finish()

    assert link.is_symlink()
    assert LINES.data == path.read_bytes()


def test_a_device_is_written_in_place() -> None:
    with Sink(Path("/dev/null"), is_whole=True) as sink:
        sink.write([LINES])
        sink.finish()

    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_what_cannot_be_renamed_is_told(tmp_path: Path) -> None:
    with Sink(tmp_path / "x", is_whole=True) as sink:
        (tmp_path / "x.part").unlink()
        with pytest.raises(OutputError, match="cannot rename"):
            sink.finish()


@pytest.mark.usefixtures("no_new_fds")
def test_another_file_of_the_same_name_can_be_begun(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with Sink(path) as sink:
        sink.write([LINES])
        path.rename(tmp_path / "before")
        sink.restart()

        assert sink.size == 0
        sink.write([MARK])
        assert sink.size == len(MARK.data)
    assert (tmp_path / "before").read_bytes() == LINES.data
    assert path.read_bytes() == MARK.data


@pytest.mark.parametrize(("is_lines", "left"), [(True, b"one\ntwo\n"), (False, b"")])
def test_on_a_full_disk_what_ends_in_the_middle_is_cut_off(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    is_lines: bool,  # noqa: FBT001  a parameter's value
    left: bytes,
) -> None:
    path = tmp_path / "x"
    write = os.write

    def write_a_part(fd: int, data: memoryview) -> int:
        if len(data) < 14:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, data[:10])

    with Sink(path) as sink:
        monkeypatch.setattr("tcpio.output.sink.os.write", write_a_part)
        with pytest.raises(OutputError, match="No space left on device"):
            sink.write([Chunk(b"one\ntwo\nthree\n", 3, is_lines=is_lines)])
        monkeypatch.undo()

        assert sink.segments == left.count(b"\n")
    assert path.read_bytes() == left
