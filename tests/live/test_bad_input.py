# SPDX-License-Identifier: GPL-2.0-only
"""What is wrong is told in one line, with an exit status, and never by a traceback."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.harness import leaving_nothing, run
from tests.live.programs import CHECKOUT

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
