# SPDX-License-Identifier: GPL-2.0-only
"""More lines than memory holds."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpio.errors import OutputError
from tcpio.stream.runs import Runs
from tests.unit.samples import open_fds
from tests.unit.stream.recorded import make_lines, split

ROWS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 60)), max_size=40)


@given(rows=ROWS, size=st.integers(1, 10), memory=st.sampled_from([1, 100, 500, 100_000]))
def test_any_lines_are_sorted_as_python_does(rows: list[tuple[int, int]], size: int, memory: int) -> None:
    lines = [(key, b"%d %d %s\n" % (key, at, b"x" * length)) for at, (key, length) in enumerate(rows)]
    with Runs(Path("/tmp"), memory) as runs:  # noqa: S108  a file without a name
        for first in range(0, len(lines), size):
            runs.add(make_lines(*lines[first : first + size]))

        assert split(runs.merged()) == [line for _, line in sorted(lines, key=lambda row: row[0])]


def test_many_runs_of_many_lines(tmp_path: Path) -> None:
    count = 20_000
    with Runs(tmp_path, 50_000) as runs:
        for first in range(0, count, 500):
            runs.add(
                make_lines(*((at * 7919 % count, b"%d\n" % (at * 7919 % count)) for at in range(first, first + 500)))
            )
        found = split(runs.merged())

        assert len(runs._runs) > 10
    assert [b"%d\n" % key for key in range(count)] == found


def test_nothing_is_left(tmp_path: Path) -> None:
    before = open_fds()
    with Runs(tmp_path, 1) as runs:
        for _ in range(3):
            runs.add(make_lines((1, b"one\n")))

        assert list(tmp_path.iterdir()) == []
        assert len(split(runs.merged())) == 3
    assert before == open_fds()


def test_what_memory_holds_needs_no_file(tmp_path: Path) -> None:
    before = open_fds()
    with Runs(tmp_path / "missing", 1 << 20) as runs:
        runs.add(make_lines((1, b"one\n")))

        assert split(runs.merged()) == [b"one\n"]
        assert before == open_fds()


def fill(runs: Runs) -> None:
    for _ in range(2):
        runs.add(make_lines((1, b"one\n")))


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "missing"
    with (
        Runs(folder, 1) as runs,
        pytest.raises(OutputError, match=f"^cannot keep lines in a temporary file in {folder}: No such file") as caught,
    ):
        fill(runs)

    assert caught.value.hint == "--temp FOLDER names another place"


@pytest.mark.parametrize("name", ["write", "pread"])
def test_a_broken_disk_is_told(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, name, fail)

    def sort(runs: Runs) -> None:
        fill(runs)
        list(runs.merged())

    with Runs(tmp_path, 1) as runs, pytest.raises(OutputError, match="No space left on device"):
        sort(runs)


def test_what_is_written_in_parts_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: write(fd, data[:3]))
    with Runs(tmp_path, 1) as runs:
        fill(runs)

        assert split(runs.merged()) == [b"one\n"] * 2
