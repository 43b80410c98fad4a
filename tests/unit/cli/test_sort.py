# SPDX-License-Identifier: GPL-2.0-only
"""The command line of the sort."""

import argparse
import tempfile
from pathlib import Path

import pytest

from tcpio.cli import sort, sorting
from tcpio.cli.sort import SortOptions, Source, find_source, make_options, parse_memory, parse_window
from tcpio.errors import UsageError


def options(*arguments: str) -> SortOptions:
    parser = argparse.ArgumentParser()
    sort.add_arguments(parser)
    return make_options(parser.parse_intermixed_args(arguments))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "web.txt"
    path.touch()
    return path


def test_without_arguments_the_standard_input_is_sorted() -> None:
    assert options() == SortOptions(
        sources=(Source(None, ""),),
        write=None,
        has_header=True,
        drops_unreadable=False,
        window_ns=None,
        memory=128 << 20,
        temp=Path(tempfile.gettempdir()),
    )


def test_all_can_be_chosen(file: Path, tmp_path: Path) -> None:
    arguments = ["--no-header", "--unreadable", "drop", "--window", "0.5", "--memory", "1G", "-w", "out", "--temp"]

    assert options(*arguments, str(tmp_path), str(file), "-") == SortOptions(
        sources=(Source(file, ""), Source(None, "")),
        write=Path("out"),
        has_header=False,
        drops_unreadable=True,
        window_ns=500_000_000,
        memory=1 << 30,
        temp=tmp_path,
    )


def test_a_source_can_have_a_host(file: Path) -> None:
    assert find_source(f"db-1.example={file}", is_named=False) == Source(file, "db-1.example")
    assert find_source("db=-", is_named=True) == Source(None, "db")


def test_a_host_can_be_in_the_name(file: Path) -> None:
    assert find_source(str(file), is_named=True) == Source(file, "web")


def test_a_name_with_an_equals_sign_is_given_with_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "a=b"
    path.touch()

    assert find_source(str(path), is_named=False) == Source(path, "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nowhere", "cannot read nowhere: No such file or directory"),
        ("db=nowhere", "cannot read nowhere: No such file or directory"),
        ("/", "cannot read /: it is a folder"),
        ("a\0b", "cannot read a\0b: embedded null byte"),
    ],
)
def test_what_is_no_file_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_source(text, is_named=False)

    assert message == str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("name", ["a b.txt", "-", '"', "\x1b[2J"])
def test_a_name_that_says_no_host_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.touch()
    with pytest.raises(UsageError, match="says no host") as caught:
        find_source(name if name == "-" else str(path), is_named=True)

    assert caught.value.hint == "give it as NAME=FILE"


def test_all_have_hosts_or_none(file: Path) -> None:
    with pytest.raises(UsageError, match=f"^{file} has no host, but others have$"):
        options(f"web={file}", str(file))


def test_a_window_is_not_written_over_its_input(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    with pytest.raises(UsageError, match=f"^{link} would be written while it is read$"):
        options("--window", "1", "-w", str(link), str(file))

    assert options("-w", str(link), str(file)).write == link
    assert options("--window", "1", "-w", str(tmp_path / "new"), str(file), "-").window_ns == 10**9


@pytest.mark.parametrize(("text", "window_ns"), [("0", 0), ("1", 10**9), ("0.000000001", 1), ("90.5", 90_500_000_000)])
def test_windows_are_seconds(text: str, window_ns: int) -> None:
    assert window_ns == parse_window(text)


@pytest.mark.parametrize("text", ["", "-1", "1s", "nan", "1e3", "1.", "\N{ARABIC-INDIC DIGIT ONE}"])
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no number of seconds"):
        parse_window(text)


@pytest.mark.parametrize(("text", "size"), [("1M", 1 << 20), ("1048576", 1 << 20), ("2g", 2 << 30), ("1024G", 1 << 40)])
def test_memory_is_a_size(text: str, size: int) -> None:
    assert size == parse_memory(text)


@pytest.mark.parametrize("text", ["", "1", "1023k", "much", "1025G", "-1M"])
def test_what_is_no_memory_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not between 1M and 1024G"):
        parse_memory(text)


def test_a_temporary_folder_has_to_be_one(file: Path) -> None:
    with pytest.raises(UsageError, match=f"^--temp {file} is no folder$"):
        options("--temp", str(file))


def test_the_sort_is_run_with_the_options(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    seen: list[SortOptions] = []

    def run_sort(given: SortOptions) -> int:
        seen.append(given)
        return 0

    monkeypatch.setattr(sorting, "run_sort", run_sort)
    parser = argparse.ArgumentParser()
    sort.add_arguments(parser)

    assert sort.run(parser.parse_args([str(file)])) == 0
    assert seen == [options(str(file))]


def test_the_help_says_where_sort_1_is_wrong() -> None:
    assert "compares what the clocks on the wall said, 'tcpio sort' compares moments" in sort.EPILOG
