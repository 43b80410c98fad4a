# SPDX-License-Identifier: GPL-2.0-only
"""tcpio by fork from a process that has imported it: under emulation imports take longer than all else of a start."""

import os
import signal
import subprocess
from collections.abc import Sequence
from typing import IO, NoReturn

from tcpio.cli import live, trace  # noqa: F401  what a trace imports, before it is asked for
from tcpio.cli.main import main
from tests.live.namespaces import DEADLINE_S, wait_until
from tests.live.programs import TCPIO, Process


class _Fork:
    # What Program needs of subprocess.Popen.
    def __init__(self, command: Sequence[str], pid: int) -> None:
        self.args = command
        self.pid = pid
        self.stdout: IO[bytes] | None = None
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self, timeout: float = DEADLINE_S) -> int:
        wait_until(lambda: self.poll() is not None, f"the end of {self.args!r}", timeout)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    command: Sequence[str], *, stdin: int, stdout: int | IO[bytes], stderr: IO[bytes], cwd: object, env: dict[str, str]
) -> Process:
    """Start a program as subprocess.Popen does, but for tcpio itself, whose output must not be asked for."""
    if tuple(command[: len(TCPIO)]) != TCPIO or stdout != subprocess.DEVNULL:
        return subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr, cwd=str(cwd), env=env)
    pid = os.fork()
    if not pid:
        _become(command[len(TCPIO) :], stderr.fileno(), env)
    return _Fork(command, pid)


def _become(arguments: Sequence[str], stderr: int, env: dict[str, str]) -> NoReturn:
    status = 1  # of an error that Python would tell of itself
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for fd, to in enumerate((null, null, stderr)):
            os.dup2(to, fd)
        os.environ.update(env)
        status = main(arguments)
    finally:
        os._exit(status)
