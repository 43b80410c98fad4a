# SPDX-License-Identifier: GPL-2.0-only
"""What is wrong is told in one line, with an exit status, and never by a traceback."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.harness import leaving_nothing, run
from tests.live.programs import CHECKOUT, TCPIO, read_counts

_USAGE, _KERNEL = 2, 3


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with leaving_nothing():
        yield


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-o", "+shoesize"], "shoesize"),
        (["-f", "xml"], "xml"),
        (["-t", "--time-format", "sundial"], "sundial"),
        (["-t", "--tz", "Mars/Olympus"], "Mars/Olympus"),
        (["--netns", "no-such-namespace"], "no-such-namespace"),
        (["--netns", "/dev/null"], "/dev/null"),
        (["--netns", "0"], "0"),
        (["--flags", "SYN,FUN"], "FUN"),
        (["--dir", "up"], "up"),
        (["--attach", "glue"], "glue"),
        (["-c", "0"], "0"),
        (["-c", "seven"], "seven"),
        (["--timeout", "-1"], "--timeout"),
        (["--timeout", "soon"], "soon"),
        (["--delay", "1"], "10"),
        (["--buffer-size", "0"], "--buffer-size"),
        (["--buffer-size", "100G"], "100G"),
        (["--buffer-size", "much"], "much"),
        (["-w", "/no/such/folder/file"], "/no/such/folder/file"),
        (["--no-such-option"], "--no-such-option"),
        (["-c"], "-c"),
    ],
    ids=lambda part: " ".join(part) if isinstance(part, list) else "",
)
def test_an_option_that_is_wrong_is_named(options: list[str], words: str) -> None:
    done = run(*options, "--timeout", "5") if "--timeout" not in options else run(*options)

    assert done.returncode == _USAGE, done
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert words in done.stderr


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("*:65536-*:*", 2),
        ("1.2.3.4.5:*-*:*", 7),
        ("*:*-1.2.3.256:*", 10),
        ("*:*-*", 5),
        ("*:*", 3),
        ("", 0),
        ("*:*-*:*x", 7),
        ("*:*-[2001:db8::/129]:*", 16),
        ("*:9..8-*:*", 5),
        ("nonsense", 0),
        ("*:*-*:*;}", 7),
    ],
)
def test_a_filter_that_does_not_parse_is_shown_with_the_place(text: str, position: int) -> None:
    done = run("--timeout", "5", "--", text)
    message, shown, caret = done.stderr.splitlines()

    assert done.returncode == _USAGE
    assert message.startswith("tcpio: ")
    assert shown.strip() == text
    assert caret.index("^") - (shown.index(text) if text else 2) == position


def test_a_kernel_without_type_information_is_told() -> None:
    done = run("--btf", "/no/such/file", "--timeout", "5")

    _expect_one_line(done.stderr, "/no/such/file", "--btf")
    assert done.returncode == _KERNEL


def test_a_file_that_is_no_type_information_is_told(tmp_path: Path) -> None:
    path = tmp_path / "btf"
    path.write_bytes(b"\x00" * 100)
    done = run("--btf", str(path), "--timeout", "5")

    _expect_one_line(done.stderr, str(path))
    assert done.returncode == _KERNEL


def test_the_other_bcc_is_told_apart(tmp_path: Path) -> None:
    (tmp_path / "bcc").mkdir()
    (tmp_path / "bcc" / "__init__.py").write_text("class Lattice:\n    pass\n")
    done = run("--timeout", "5", PYTHONPATH=str(tmp_path), TCPIO_CACHE="")

    _expect_one_line(done.stderr, "PyPI", "python3-bpfcc")
    assert done.returncode == _KERNEL


def test_a_missing_bcc_is_told(tmp_path: Path) -> None:
    (tmp_path / "bcc.py").write_text("raise ImportError('none here')\n")
    done = run("--timeout", "5", PYTHONPATH=str(tmp_path), TCPIO_CACHE="")

    _expect_one_line(done.stderr, "python3-bpfcc")
    assert done.returncode == _KERNEL


@pytest.fixture
def readable() -> Iterator[Path]:
    """A copy of tcpio that everyone can read, wherever the checkout is."""
    with tempfile.TemporaryDirectory(prefix="tcpio-") as folder:
        Path(folder).chmod(0o755)
        for part in ("tcpio", "bpf"):
            shutil.copytree(CHECKOUT / part, Path(folder, part), ignore=shutil.ignore_patterns("__pycache__"))
        yield Path(folder)


@pytest.mark.parametrize(
    "privileges",
    [
        ["--reuid", "65534", "--regid", "65534", "--clear-groups"],
        ["--bounding-set", "-all", "--inh-caps", "-all"],
    ],
    ids=["not root", "root without capabilities"],
)
def test_missing_privileges_are_told(readable: Path, privileges: list[str]) -> None:
    done = run("--timeout", "5", wrapper=["setpriv", *privileges, "env", "-C", str(readable)])

    _expect_one_line(done.stderr, "root")
    assert done.returncode == _KERNEL


def _expect_one_line(said: str, *words: str) -> None:
    assert len(said.splitlines()) == 1, said
    assert said.startswith("tcpio: ")
    assert [word for word in words if word not in said] == []


_FULL = """\
mount -t tmpfs -o size=128k none "$1" || exit 99
"${@:2}"
status=$?
cp -r "$1/." "$1.seen"
exit $status
"""


@pytest.mark.parametrize("name", ["text", "jsonl", "csv", "pcapng", "arrow"])
def test_on_a_full_disk_what_was_written_is_whole_in_every_format(tmp_path: Path, name: str) -> None:
    """The disk is a small one in a mount namespace of its own."""
    if name == "arrow":
        pytest.importorskip("pyarrow", reason="pyarrow is not there; tests/run installs it")
    small, seen, source = tmp_path / "small", tmp_path / "small.seen", tmp_path / "source.csv"
    small.mkdir()
    columns = "ts_ns,cpu,laddr,lport,dir,raddr,rport,bytes,flags,segs,seq,ack,win,rtx,state,netns,thlen"
    rows = [
        f"{1795311654159332570 + at},0,192.0.2.8,{at},send,192.0.2.40,80,{at},SYN,1,{at * 7919 % 65521},0,1,0,,1,40"
        for at in range(60_000)
    ]
    source.write_text("\n".join([columns, *rows]) + "\n")
    replay = [*TCPIO, "replay", str(source), "-f", name, "-t", "-w", str(small / "x")]
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", _FULL, "sh", str(small), *replay],
        capture_output=True,
        text=True,
        check=False,
        cwd=CHECKOUT,
    )
    again = run("replay", str(seen / "x"), "-f", "csv", "-o", "lport", "--no-header", "-q")

    assert done.returncode == 1, done.stderr
    assert done.stderr.endswith(f"tcpio: cannot write {small / 'x'}: No space left on device\n")
    printed = read_counts(done.stderr)["printed"]
    assert again.stdout.splitlines() == [str(at) for at in range(printed)]
    assert printed < len(rows)
    if name == "arrow":  # whose first batch had no room
        assert (printed, again.stderr) == (0, f"tcpio: {seen / 'x'} is empty\n")
    else:
        assert (printed > 0, again.returncode, again.stderr) == (True, 0, "")


def test_a_full_disk_leaves_no_half_sorted_file(tmp_path: Path) -> None:
    small, seen, source = tmp_path / "small", tmp_path / "small.seen", tmp_path / "source.csv"
    small.mkdir()
    source.write_text("ts_ns,cpu\n" + "".join(f"{1795311654159332570 - at},0\n" for at in range(20_000)))
    sort = [*TCPIO, "sort", str(source), "-w", str(small / "x")]
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", _FULL, "sh", str(small), *sort],
        capture_output=True,
        text=True,
        check=False,
        cwd=CHECKOUT,
    )

    assert done.returncode == 1
    _expect_one_line(done.stderr, "cannot write", "No space left on device")
    assert list(seen.iterdir()) == []
