# SPDX-License-Identifier: GPL-2.0-only
"""The sort as a whole: files in, a file out; beside Python's sort and GNU's."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpio.cli.main import main
from tests.unit.samples import open_fds
from tests.unit.stream.recorded import MOMENT_NS, SECOND, WAYS, Way, iso, moments, write

HEADER = f"{'TIME':<35} CPU\n"
ROOT = Path(__file__).resolve().parents[3]
COMMAND = (sys.executable, "-m", "tcpio", "sort")


def line(after_s: float, tag: object = 0, offset_minutes: int = 0) -> str:
    return f"{iso(MOMENT_NS + int(after_s * SECOND), offset_minutes)} {tag:>3}\n"


class Files:
    """Files to sort, and what came of it."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capfd = capfd

    def write(self, name: str, *lines: str) -> str:
        path = self.folder / name
        path.write_text("".join(lines))
        return str(path)

    def sort(self, *arguments: str, status: int = 0) -> tuple[str, str]:
        """Give what was printed, and what was said."""
        before = open_fds()
        assert main(["sort", *arguments]) == status
        assert before == open_fds()
        printed = self._capfd.readouterr()
        return printed.out, printed.err


@pytest.fixture
def files(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Files:
    return Files(tmp_path, capfd)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
@settings(max_examples=25)
@given(
    parts=st.lists(st.lists(moments(), max_size=8), min_size=1, max_size=3),
    options=st.sampled_from([[], ["--window", "100"], ["--memory", "1M"]]),
)
def test_any_split_into_files_is_sorted_as_python_does(
    way: Way, parts: list[list[tuple[int, int]]], options: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        names: list[str] = []
        rows: list[tuple[int, str]] = []
        for part in parts:
            lines = write(way, part, len(rows))
            names.append(f"{folder}/{len(names)}")
            Path(names[-1]).write_text(way.header + "".join(lines))
            rows += [(ns, text) for (ns, _), text in zip(part, lines, strict=True)]
        assert main(["sort", "-w", f"{folder}/out", *options, *names]) == 0

        expected = [text for _, text in sorted(rows, key=lambda row: row[0])]
        assert Path(f"{folder}/out").read_text() == way.header + "".join(expected)


def gnu_sort(*arguments: str) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(["sort", *arguments], capture_output=True, text=True, check=True, env=environment).stdout


@pytest.mark.parametrize("way", WAYS[1:3], ids=lambda way: way.name)
def test_text_of_one_zone_is_what_gnu_sort_makes_of_it(way: Way, files: Files) -> None:
    parts = [[(MOMENT_NS + at * 7919 % 1009 * SECOND * 60, 60) for at in range(first, 1500, 3)] for first in range(3)]
    names = [files.write(str(number), *write(way, part, number)) for number, part in enumerate(parts)]

    assert files.sort("--memory", "1M", *names) == (gnu_sort("-s", "-k1,1", *names), "")


def test_where_a_zone_changes_gnu_sort_is_wrong_and_tcpio_is_right(files: Files) -> None:
    lines = ["2024-10-27T02:59:59.999999999+02:00 1\n", "2024-10-27T02:00:00.000000000+01:00 2\n"]
    name = files.write("a", *lines[::-1])

    assert files.sort(name)[0] == "".join(lines)
    assert gnu_sort(name) != "".join(lines)


def test_more_than_memory_holds_is_sorted(files: Files) -> None:
    # The same in small as 100 million lines are: see README.md.
    count = 40_000
    lines = [line(at * 7919 % count, at % 1000) for at in range(count)]
    name = files.write("a", *lines)
    out, said = files.sort("--memory", "1M", "--temp", str(files.folder), name)

    assert (out, said) == ("".join(sorted(lines, key=lambda text: text[:35])), "")
    assert [Path(name)] == list(files.folder.iterdir())


def test_headers_are_written_once(files: Files) -> None:
    one, two = files.write("one", HEADER, line(2)), files.write("two", HEADER, line(1), HEADER, line(3))

    assert files.sort(one, two) == (HEADER + line(1) + line(2) + line(3), "")
    assert files.sort("--window", "9", one, two) == (HEADER + line(1) + line(2) + line(3), "")
    assert files.sort("--no-header", one, two) == (line(1) + line(2) + line(3), "")


def test_a_header_alone_is_written(files: Files) -> None:
    assert files.sort(files.write("one", HEADER)) == (HEADER, "")
    assert files.sort(files.write("nothing")) == ("", "")


def test_losses_stay_with_their_place(files: Files) -> None:
    timed, bare = f"{line(1)[:35]} # 5 segments lost on CPU 1\n", "# 7 segments lost on CPU 0\n"
    one, two = files.write("one", line(3), timed, line(1)), files.write("two", line(0), bare, line(2))

    assert files.sort(one, two)[0] == line(0) + timed + line(1) + bare + line(2) + line(3)


def test_hosts_are_a_column(files: Files) -> None:
    one, two = files.write("web.txt", HEADER, line(2)), files.write("db.txt", HEADER, line(1))
    expected = f"{'TIME':<35} HOST CPU\n{line(1)[:35]} db {line(1)[35:]}{line(2)[:35]} web{line(2)[35:]}"

    assert files.sort("--host-from-name", one, two) == (expected, "")
    assert files.sort(f"web={one}", f"db={two}") == (expected, "")
    assert files.sort("--window", "0", f"web={one}", f"db={two}") == (expected, "")


def test_what_cannot_be_read_is_told_and_kept_or_dropped(files: Files) -> None:
    name = files.write("a", line(2), "what\x1b[2J is this?\n", line(1), "x" * 99 + "\n", "\n")
    told = (
        f"tcpio: {name}: line 2 has no date and time: 'what\\x1b[2J is this?'\n"
        f"tcpio: {name}: line 4 has no date and time: '{'x' * 60}'...\n"
        f"tcpio: {name}: line 5 has no date and time: ''\n"
    )
    kept, said = files.sort(name)

    assert said == told + "tcpio: 3 such lines were kept\n"
    assert sorted(kept.splitlines()) == sorted(Path(name).read_text().splitlines())
    assert files.sort("--unreadable", "drop", name) == (line(1) + line(2), told + "tcpio: 3 such lines were dropped\n")


def test_one_line_that_cannot_be_read_is_told(files: Files) -> None:
    _, said = files.sort(files.write("a", line(2), "what\n"))

    assert said.endswith("tcpio: 1 such line was kept\n")


def test_what_cannot_be_read_is_told_though_something_fails(files: Files) -> None:
    name = files.write("a", line(2), "what\n")
    out, said = files.sort("-w", "/dev/full", name, status=1)

    assert out == ""
    assert said.splitlines()[1:] == [
        "tcpio: 1 such line was kept",
        "tcpio: cannot write /dev/full: No space left on device",
    ]


@pytest.mark.parametrize(("late", "word"), [(1, "1 line came"), (2, "2 lines came")])
def test_what_is_later_than_the_window_is_told(files: Files, late: int, word: str) -> None:
    # More than is read at once, so that something has been given before.
    many = [line(10 + at / 1000) for at in range(60_000)]
    name = files.write("a", *many, *[line(1)] * late)
    out, said = files.sort("--window", "1", name)

    assert said == f"tcpio: {word} later than --window allows\n"
    assert len(out) == len(Path(name).read_text())


@pytest.mark.parametrize(
    ("names", "status", "message"),
    [
        (("text", "csv"), 1, "csv is CSV, but text is text; sort files of one format at a time"),
        (("text", "other"), 1, "other has other columns than text; merge what was recorded with the same columns"),
        (("since",), 1, "cannot sort since: line 2 has no date and time, nor has any other; record with --time-format"),
        (("garbage",), 1, "cannot sort garbage: line 1 has no date and time, nor has any other; record with -t"),
        (("missing",), 2, "cannot read missing: No such file or directory; give files that exist, or -"),
    ],
)
def test_what_cannot_be_sorted_is_an_error_and_nothing_is_written(
    files: Files, monkeypatch: pytest.MonkeyPatch, names: Sequence[str], status: int, message: str
) -> None:
    files.write("text", HEADER, line(1))
    files.write("other", "TIME CPU FLAGS\n", line(1))
    files.write("csv", "time,cpu\n", line(1).replace(" ", ","))
    files.write("since", HEADER, "      0.000000001   1\n")
    files.write("garbage", "hello\n")
    monkeypatch.chdir(files.folder)
    out, said = files.sort("-w", "out", *names, status=status)

    assert (out, said.startswith(f"tcpio: {message}"), said.count("\n")) == ("", True, 1)
    assert not Path("out").exists()


def test_a_file_that_vanishes_is_an_error(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    name = files.write("a", line(1))
    monkeypatch.setattr("tcpio.cli.sort._check", lambda _: None)  # it was there a moment ago

    assert files.sort(name, f"{name}b", status=1)[1] == f"tcpio: cannot read {name}b: No such file or directory\n"


def test_a_file_can_be_sorted_into_itself(files: Files) -> None:
    name = files.write("a", line(2), line(1))
    files.sort("-w", name, name)

    assert Path(name).read_text() == line(1) + line(2)


@pytest.fixture
def pipe_to(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Lets the sort read this from what it takes for the standard input."""

    def give(text: str) -> None:
        with tempfile.TemporaryFile() as file:
            file.write(text.encode())
            file.seek(0)
            os.dup2(file.fileno(), stdin)

    stdin = os.dup(0)
    monkeypatch.setattr("tcpio.cli.sorting._STDIN", stdin)
    return give


def test_the_standard_input_can_be_sorted(files: Files, pipe_to: Callable[[str], None]) -> None:
    name = files.write("a", line(2))
    for arguments in (["-", name], [name, "-"]):
        pipe_to(line(3) + line(1))

        assert files.sort(*arguments) == (line(1) + line(2) + line(3), "")


def run(*arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        bufsize=0,
    )


def end(process: "subprocess.Popen[bytes]", number: signal.Signals) -> int:
    # Python looks for signals before it reads: one that comes in between waits for what is read.
    assert process.stdin
    process.send_signal(number)
    process.stdin.close()
    return process.wait(60)


def test_within_a_window_lines_are_written_while_others_are_still_to_come() -> None:
    with run("--window", "1") as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write((HEADER + line(2) + line(1.5) + line(9)).encode())

        assert process.stdout.read(len(HEADER)).decode() == HEADER
        assert process.stdout.read(2 * len(line(1))).decode() == line(1.5) + line(2)
        process.stdin.write(line(8.5).encode())
        process.stdin.close()
        assert process.stdout.read().decode() == line(8.5) + line(9)
    assert process.returncode == 0


def test_an_interrupt_lets_a_window_end_with_its_input() -> None:
    with run("--window", "0") as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(line(1).encode())
        assert process.stdout.read(len(line(1))).decode() == line(1)
        process.send_signal(signal.SIGINT)
        process.stdin.write(line(2).encode())
        assert process.stdout.read(len(line(1))).decode() == line(2)
        assert end(process, signal.SIGINT) == 130


def test_who_is_told_to_end_removes_what_is_half_written(tmp_path: Path) -> None:
    with run("-w", str(tmp_path / "out")) as process:
        assert process.stdin
        wait = threading.Event()
        while not list(tmp_path.iterdir()):
            wait.wait(0.01)
            assert process.poll() is None
        assert end(process, signal.SIGTERM) == 130
        assert process.stderr
        assert process.stderr.read() == b""
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_is_no_error(files: Files) -> None:
    name = files.write("a", *(line(at % 60, at % 1000) for at in range(20_000)))
    with run(name) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.read(100)
        process.stdout.close()
        assert (process.wait(60), process.stderr.read()) == (0, b"")


def test_a_full_temporary_folder_is_told(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_fd: int, _data: bytes) -> int:
        raise OSError(28, "No space left on device")

    name = files.write("a", *(line(at % 60, at % 1000) for at in range(30_000)))
    monkeypatch.setattr("tcpio.stream.runs.os.write", fail)
    said: list[str] = []
    monkeypatch.setattr("tcpio.cli.main.say", said.append)
    files.sort("--memory", "1M", "--temp", str(files.folder), name, status=1)

    why = f"cannot keep lines in a temporary file in {files.folder}: No space left on device"
    assert said == [f"tcpio: {why}; --temp FOLDER names another place"]


def test_on_a_terminal_lines_and_progress_do_not_mix(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line(at % 60, at % 1000) for at in range(30_000)]
    name, shown = files.write("a", *lines), files.folder / "shown"
    master, slave = os.openpty()
    monkeypatch.setattr("tcpio.output.sink.STDOUT", slave)
    monkeypatch.setattr("tcpio.cli.progress._STDERR", slave)
    monkeypatch.setattr("tcpio.cli.progress._EVERY_S", 0)
    with shown.open("wb") as file, subprocess.Popen(["cat"], stdin=master, stdout=file, stderr=subprocess.DEVNULL):
        os.close(master)
        assert main(["sort", "--memory", "1M", name]) == 0
        os.close(slave)
    before, _, behind = shown.read_bytes().decode().replace("\r\n", "\n").rpartition("\r\x1b[K")

    assert "million records read" in before
    assert behind == "".join(sorted(lines, key=lambda text: text[:35]))
