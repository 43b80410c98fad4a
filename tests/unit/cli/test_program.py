# SPDX-License-Identifier: GPL-2.0-only
"""Programs that run meanwhile."""

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tcpio.cli import program
from tcpio.cli.program import Program, find_program
from tcpio.errors import CannotRun, ProgramNotFound
from tests.unit.samples import open_fds


@pytest.mark.parametrize(
    ("command", "status"), [(["true"], 0), (["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill $$"], 143)]
)
def test_its_status_is_what_shells_say(command: list[str], status: int) -> None:
    with Program(command) as running:
        assert running.wait() == status
        assert running.has_ended


def test_its_end_can_be_waited_for() -> None:
    with Program(["sleep", "0.05"]) as running:
        poll = select.poll()
        poll.register(running.fd, select.POLLIN)

        assert poll.poll(10_000)
        assert running.has_ended


def test_a_program_that_is_not_there_is_told_before_anything_begins() -> None:
    with pytest.raises(ProgramNotFound, match="cannot run 'no-such-program': it is not found"):
        find_program(["no-such-program"])
    find_program(["sh", "-c", ""])
    find_program([sys.executable])


def test_what_is_no_program_cannot_be_run(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("")
    find_program([str(path)])
    with pytest.raises(CannotRun, match="Permission denied"):
        Program([str(path)])


def test_if_something_fails_here_it_does_not_go_on_alone() -> None:
    before, began_s = open_fds(), time.monotonic()
    with pytest.raises(ZeroDivisionError), Program(["sleep", "60"]) as running:
        raise ZeroDivisionError

    assert running.wait() == 128 + signal.SIGTERM
    assert time.monotonic() - began_s < 50
    assert open_fds() == before


@pytest.mark.parametrize(
    ("number", "is_in_foreground", "is_passed_on"),
    [
        (signal.SIGINT, True, False),
        (signal.SIGINT, False, True),
        (signal.SIGTERM, True, True),
        (signal.SIGHUP, False, True),
    ],
)
def test_a_signal_is_passed_on_unless_the_terminal_sent_it_to_both(
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    is_in_foreground: bool,  # noqa: FBT001
    is_passed_on: bool,  # noqa: FBT001
) -> None:
    monkeypatch.setattr(program, "_is_in_foreground", lambda: is_in_foreground)
    sent: list[int] = []
    with Program(["sleep", "60"]) as running:
        monkeypatch.setattr(running, "send", sent.append)
        running.pass_on(number)
        monkeypatch.undo()

    assert sent == [number] * is_passed_on


def test_without_a_terminal_nothing_came_from_it() -> None:
    # setsid(2): a session without a terminal.
    script = "from tcpio.cli import program; print(program._is_in_foreground())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, start_new_session=True)

    assert done.stdout == b"False\n"


@pytest.mark.parametrize(("group", "is_in_foreground"), [(0, True), (1, False)])
def test_another_group_may_be_in_the_foreground(
    monkeypatch: pytest.MonkeyPatch,
    group: int,
    is_in_foreground: bool,  # noqa: FBT001
) -> None:
    before = open_fds()
    monkeypatch.setattr(os, "open", lambda *_: os.dup(2))
    monkeypatch.setattr(os, "tcgetpgrp", lambda _: os.getpgrp() + group)

    assert program._is_in_foreground() is is_in_foreground
    monkeypatch.undo()
    assert open_fds() == before


def test_on_a_terminal_the_group_in_the_foreground_gets_its_signals() -> None:
    child, terminal = os.forkpty()
    if child == 0:
        os._exit(0 if program._is_in_foreground() else 1)
    _, status = os.waitpid(child, 0)
    os.close(terminal)

    assert os.waitstatus_to_exitcode(status) == 0
