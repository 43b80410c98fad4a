# SPDX-License-Identifier: GPL-2.0-only
"""A program that is run while something is counted."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from types import TracebackType

from tcpio.errors import CannotRun, ProgramNotFound

_SIGNALLED = 128  # what shells add to the number of the signal that ended a program


def find_program(command: Sequence[str]) -> None:
    """See that a command can be run, before anything else is begun.

    Raises:
        ProgramNotFound: There is no such program.
    """
    if shutil.which(command[0]) is None and not os.path.exists(command[0]):  # noqa: PTH110  names are looked up in PATH
        raise ProgramNotFound(f"cannot run {command[0]!r}: it is not found", hint="give its path, or see PATH")


class Program:
    """A program that runs, with this process's input and output.

    Args:
        command: The program and its arguments.

    Raises:
        CannotRun: It is not a program, or may not be run.

    Attributes:
        fd: Can be read when it has ended (pidfd_open(2)).
    """

    def __init__(self, command: Sequence[str]) -> None:
        try:
            self._process = subprocess.Popen(command)  # noqa: S603  what the user asked for
        except OSError as error:
            raise CannotRun(f"cannot run {command[0]!r}: {error.strerror}") from error
        self.fd = os.pidfd_open(self._process.pid)

    @property
    def has_ended(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def send(self, number: int) -> None:
        """Send it a signal, if it still runs."""
        self._process.send_signal(number)

    def pass_on(self, number: int) -> None:
        """Send it a signal that came here, unless the terminal has sent it to both of us."""
        if number != signal.SIGINT or not _is_in_foreground():
            self.send(number)

    def wait(self) -> int:
        """Wait for its end, and give its exit status as shells do: 128 and the signal's number if one ended it."""
        status = self._process.wait()
        return status if status >= 0 else _SIGNALLED - status

    def __enter__(self) -> "Program":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.has_ended:  # something failed here: it shall not go on alone
            self.send(signal.SIGTERM)
            self.wait()
        os.close(self.fd)


def _is_in_foreground() -> bool:
    # The terminal's ^C goes to all processes of the group in its foreground.
    with contextlib.suppress(OSError):
        fd = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            return os.tcgetpgrp(fd) == os.getpgrp()
        finally:
            os.close(fd)
    return False
