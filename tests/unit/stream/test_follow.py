# SPDX-License-Identifier: GPL-2.0-only
"""A file that grows, is cut, is replaced: by steps that are taken while nothing is left to be read."""

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tcpio.errors import RecordingError
from tcpio.schema.batch import Batch, join
from tcpio.stream.follow import Ending, Follower
from tcpio.stream.replay import read_recording
from tests.unit.samples import any_records, open_fds
from tests.unit.stream.recordings import ALL, assert_same, with_format, write

Step = Callable[[], object]


class Followed:
    """Follows a file: each time that there is nothing to be read, the next step is taken; behind the last one it ends.

    Attributes:
        told: What was said.
        waits: How often was waited.
    """

    def __init__(self, path: Path, *steps: Step) -> None:
        self.told: list[str] = []
        self.waits = 0
        self._steps = list(steps)
        self.follower = Follower(path, self._wait, self.told.append)

    def _wait(self) -> bool:
        self.waits += 1
        if not self._steps:
            return False
        self._steps.pop(0)()
        return True

    def read(self) -> list[bytes]:
        """Give what each of the files has held."""
        return [b"".join(iter(file.read1, b"")) for file in self.follower.files()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x"


def append(path: Path, data: bytes) -> Step:
    def step() -> None:
        with path.open("ab") as file:
            file.write(data)

    return step


def replace(path: Path, data: bytes) -> Step:
    def step() -> None:
        other = path.with_suffix(".new")
        other.write_bytes(data)
        other.replace(path)

    return step


def test_what_is_appended_is_read_and_each_look_waits_once(path: Path) -> None:
    path.write_bytes(b"a\n")
    followed = Followed(path, append(path, b"b"), lambda: None, append(path, b"\nc\n"))

    assert followed.read() == [b"a\nb\nc\n"]
    assert (followed.told, followed.waits, followed.follower.ending) == ([], 4, Ending.TOLD)


def test_a_file_is_given_when_it_tells_what_it_is(path: Path) -> None:
    path.touch()
    followed = Followed(path, append(path, b"# a\n"), append(path, b"ti"), append(path, b"me\n"))
    waits = [followed.waits for _ in followed.follower.files()]

    assert waits == [3]


def test_what_never_tells_what_it_is_is_not_given(path: Path) -> None:
    path.write_bytes(b"time")

    assert Followed(path).read() == []


def test_a_file_that_is_cut_is_read_again(path: Path) -> None:
    path.write_bytes(b"some\nlines\n")
    followed = Followed(path, lambda: path.write_bytes(b"more\n"), append(path, b"x\n"))

    assert followed.read() == [b"some\nlines\n", b"more\nx\n"]
    assert followed.told == [f"{path} was truncated; it is read from its begin"]


def test_a_file_that_is_replaced_is_read_to_its_end_and_then_the_new_one(path: Path) -> None:
    path.write_bytes(b"one\n")
    old = path.with_suffix(".old")

    def rotate() -> None:
        append(path, b"two\n")()
        path.rename(old)
        path.write_bytes(b"three\n")

    followed = Followed(path, rotate, append(path, b"four\n"))

    assert followed.read() == [b"one\ntwo\n", b"three\nfour\n"]
    assert followed.told == [f"{path} was replaced; the new file is read"]


def test_what_is_written_until_it_is_replaced_is_read_however_late_it_is_noticed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(b"one\n")
    stat = Path.stat

    def stat_late(self: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        # All happens between the last look at the file and the first at its name.
        if self == path and path.read_bytes() == b"one\n":
            append(path, b"two\n")()
            replace(path, b"three\n")()
        return stat(self, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", stat_late)

    assert Followed(path).read() == [b"one\ntwo\n", b"three\n"]


def test_a_file_without_a_name_is_followed_and_so_is_what_takes_its_place(path: Path) -> None:
    path.write_bytes(b"one\n")
    with path.open("ab", buffering=0) as writer:
        steps: list[Step] = [path.unlink, lambda: writer.write(b"two\n"), lambda: None]
        followed = Followed(path, *steps, lambda: path.write_bytes(b"three\n"), path.unlink)

        assert followed.read() == [b"one\ntwo\n", b"three\n"]
    gone = f"{path} is gone; what is still written to it is read, and what takes its place"
    assert followed.told == [gone, f"{path} was replaced; the new file is read", gone]


def test_what_takes_its_place_may_take_its_time(path: Path) -> None:
    path.write_bytes(b"one\n")

    def come_and_go() -> None:
        replace(path, b"")()

    followed = Followed(path, come_and_go, path.unlink, lambda: path.write_bytes(b"two\n"))

    assert followed.read() == [b"one\n", b"two\n"]


def test_what_takes_its_place_may_be_none_that_can_be_read(path: Path) -> None:
    path.write_bytes(b"one\n")

    def become_a_folder() -> None:
        path.unlink()
        path.mkdir()

    with pytest.raises(RecordingError, match=r"cannot read .*x: Is a directory"):
        Followed(path, become_a_folder).read()


def test_no_file_is_left_open(path: Path) -> None:
    path.write_bytes(b"one\n")
    before = open_fds()
    Followed(path, replace(path, b"two\n"), replace(path, b"three\n")).read()

    assert open_fds() == before


def test_what_is_behind_the_end_that_a_reader_sees_is_passed_over(path: Path) -> None:
    path.write_bytes(b"one\n")
    followed = Followed(path, append(path, b"two\n"), replace(path, b"three\n"))

    assert [file.readline() for file in followed.follower.files()] == [b"one\n", b"three\n"]


@with_format
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cuts=st.lists(st.integers(0, 5000), max_size=8).map(sorted))
def test_a_recording_that_grows_gives_what_it_gives_when_it_is_whole(path: Path, name: str, cuts: list[int]) -> None:
    if name == "parquet":
        pytest.skip("Parquet is complete only when a file is closed")
    records = any_records(20)
    records["bytes"] >>= 1
    records["ts_ns"] += 10**18
    data = write(name, Batch(records[:9]), Batch(records[9:]))
    ends = [*cuts, len(data)]
    path.write_bytes(data[: ends[0]])
    followed = Followed(path, *(append(path, data[start:end]) for start, end in itertools.pairwise(ends)))
    batches = []
    try:
        for file in followed.follower.files():
            batches += list(read_recording(file, "x", ALL, is_growing=True).batches)
    finally:
        path.unlink()

    assert_same(join(batches), Batch(records))
