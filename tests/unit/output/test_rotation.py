# SPDX-License-Identifier: GPL-2.0-only
"""Names of closed files, and which of them are kept."""

from pathlib import Path

import pytest

from tcpio.errors import OutputError
from tcpio.output.rotation import close_as, find_closed, remove_old

BEGAN_NS = 1_795_299_378_731_166_779


def write(path: Path, text: str = "x") -> Path:
    path.write_text(text)
    return path


def test_a_closed_file_is_called_by_when_it_began(tmp_path: Path) -> None:
    target = close_as(write(tmp_path / "trace.csv", "all"), BEGAN_NS)

    assert target.name == "trace-20261121T221618.731166779Z.csv"
    assert target.read_text() == "all"
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_no_file_is_written_over(tmp_path: Path) -> None:
    targets = [close_as(write(tmp_path / "trace.csv", text), BEGAN_NS) for text in ("a", "b", "c")]

    assert [target.read_text() for target in targets] == ["a", "b", "c"]
    assert targets[2].name == "trace-20261121T221618.731166779Z-2.csv"


def test_what_cannot_be_renamed_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot rename .*trace\.csv to .*: No such file or directory"):
        close_as(tmp_path / "trace.csv", 0)


def test_only_closed_files_of_the_same_name_are_found(tmp_path: Path) -> None:
    closed = [close_as(write(tmp_path / "trace.csv"), BEGAN_NS + at) for at in (5, *[0] * 12)]
    for name in ("trace.csv", "trace-old.csv", "trace-20261121T221618.731166779Z.csv.gz", "other.csv"):
        write(tmp_path / name)
    close_as(write(tmp_path / "trace.json"), BEGAN_NS)

    assert find_closed(tmp_path / "trace.csv") == [*closed[1:], closed[0]]


def test_the_last_ones_are_kept(tmp_path: Path) -> None:
    closed = [close_as(write(tmp_path / "trace"), BEGAN_NS + at * 1000) for at in range(5)]
    remove_old(tmp_path / "trace", keep=2)

    assert find_closed(tmp_path / "trace") == closed[3:]
    remove_old(tmp_path / "trace", keep=2)
    assert find_closed(tmp_path / "trace") == closed[3:]


def test_what_cannot_be_removed_is_told(tmp_path: Path) -> None:
    (tmp_path / "trace-20261121T221618.731166779Z").mkdir()
    close_as(write(tmp_path / "trace"), BEGAN_NS + 1000)

    with pytest.raises(OutputError, match="cannot remove"):
        remove_old(tmp_path / "trace", keep=1)
