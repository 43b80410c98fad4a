# SPDX-License-Identifier: GPL-2.0-only
"""Files that appear when they are finished."""

import os
import stat
from pathlib import Path

import pytest

from tcpio.errors import OutputError, UsageError
from tcpio.output.lines import Chunk
from tcpio.output.whole_file import whole_file
from tests.unit.samples import open_fds

LINE = Chunk(b"a line\n", 0)


def test_a_file_appears_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with whole_file(path) as sink:
        sink.write([LINE])

        assert [tmp_path / "out.part"] == list(tmp_path.iterdir())
    assert LINE.data == path.read_bytes()
    assert [path] == list(tmp_path.iterdir())


def test_what_was_there_stays_until_then_and_its_mode_remains(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("before\n")
    path.chmod(0o640)
    with whole_file(path) as sink:
        sink.write([LINE])

        assert path.read_text() == "before\n"
    assert LINE.data == path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_new_file_has_the_usual_mode(tmp_path: Path) -> None:
    umask = os.umask(0o027)
    with whole_file(tmp_path / "out"):
        pass
    os.umask(umask)

    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


def fail_while_writing(path: Path, error: BaseException) -> None:
    with whole_file(path) as sink:
        sink.write([LINE])
        raise error


@pytest.mark.parametrize("error", [OutputError("full"), KeyboardInterrupt()], ids=repr)
def test_after_an_error_nothing_has_changed(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "out"
    path.write_text("before\n")
    before = open_fds()
    with pytest.raises(type(error)):
        fail_while_writing(path, error)

    assert path.read_text() == "before\n"
    assert [path] == list(tmp_path.iterdir())
    assert before == open_fds()


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    link, path = tmp_path / "link", tmp_path / "out"
    link.symlink_to(path)
    with whole_file(link) as sink:
        sink.write([LINE])

    assert link.is_symlink()
    assert LINE.data == path.read_bytes()


def test_a_device_is_written_in_place() -> None:
    with whole_file(Path("/dev/null")) as sink:
        sink.write([LINE])

    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "out"
    with pytest.raises(UsageError, match=f"^cannot write {path}.part: No such file or directory$"), whole_file(path):
        pass


def test_a_folder_that_vanishes_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()

    def write() -> None:
        with whole_file(folder / "out"):
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()

    with pytest.raises(OutputError, match=f"^cannot write {folder}/out: No such file or directory$"):
        write()
