# SPDX-License-Identifier: GPL-2.0-only
"""How far a long run is: on a terminal alone, and gone at the end."""

import errno
import os
from collections.abc import Iterator

import pytest

from tcpio.cli import progress as progress_module
from tcpio.cli.progress import Progress

WIPE = "\r\x1b[K"


class Screen:
    """A terminal on the standard error, and the time; the terminal is a pipe, where all is to be read at once."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100.0
        self._master, slave = os.pipe2(os.O_NONBLOCK)
        monkeypatch.setattr(progress_module, "_STDERR", slave)
        monkeypatch.setattr(progress_module, "time", self)
        monkeypatch.setattr(os, "isatty", lambda fd: fd == slave)

    def monotonic(self) -> float:
        return self.now_s

    def shown(self) -> str:
        """Give what has been written since the last time."""
        try:
            return os.read(self._master, 4096).decode()
        except BlockingIOError:
            return ""


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    with monkeypatch.context() as patch:
        yield Screen(patch)


def test_each_second_it_is_said_how_far_it_is(screen: Screen) -> None:
    with Progress(400_000_000) as progress:
        progress.add(50_000_000, 500_000)
        shown = [screen.shown()]
        for _ in range(2):
            screen.now_s += 1
            progress.add(25_000_000, 250_000)
            progress.add(0)
            shown.append(screen.shown())

    assert shown == [
        "",
        f"{WIPE}tcpio: 0.8 million records read, 75 MB/s, 19% done, 4 s left",
        f"{WIPE}tcpio: 1.0 million records read, 50 MB/s, 25% done, 6 s left",
    ]
    assert screen.shown() == WIPE


@pytest.mark.parametrize(
    ("total", "size", "expected"),
    [
        (None, 5_000_000, "0.0 million records read, 5 MB/s"),
        (0, 5_000_000, "0.0 million records read, 5 MB/s"),
        (7, 5_000_000, "0.0 million records read, 5 MB/s, 100% done, 0 s left"),
        (7, 0, "0.0 million records read, 0 MB/s, 0% done"),
    ],
)
def test_what_is_not_known_is_not_said(screen: Screen, total: int | None, size: int, expected: str) -> None:
    progress = Progress(total)
    screen.now_s += 1
    progress.add(size)

    assert f"{WIPE}tcpio: {expected}" == screen.shown()


def test_a_short_run_shows_nothing(screen: Screen) -> None:
    with Progress(100) as progress:
        progress.add(100)

    assert screen.shown() == ""


def test_what_is_hidden_stays_hidden(screen: Screen) -> None:
    progress = Progress(100)
    screen.now_s += 1
    progress.add(10)
    progress.hide()
    screen.now_s += 1
    progress.add(10)
    progress.hide()

    assert screen.shown().endswith(f"s left{WIPE}")


def test_nothing_is_said_where_nobody_looks(
    screen: Screen, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress_module, "_STDERR", 2)
    with Progress(100) as progress:
        screen.now_s += 1
        progress.add(10)

    assert capfd.readouterr().err == ""


def test_a_terminal_that_is_gone_does_not_matter(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_fd: int, _data: bytes) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "write", fail)
    with Progress(100) as progress:
        screen.now_s += 1
        progress.add(10)
