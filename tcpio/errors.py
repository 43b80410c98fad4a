# SPDX-License-Identifier: GPL-2.0-only
"""All that tcpio raises for a reason the user can act on.

::

    TcpioError              exit status 1: something failed while running
    ├── OutputError         the output cannot be written
    ├── RecordingError      a recording cannot be read further; knows where
    ├── UsageError          2: the command line asks for something that is not there
    │   ├── FilterError     a filter that does not parse; knows where
    │   ├── ProgramNotFound 127: as shells say
    │   └── CannotRun       126: as shells say
    └── UnsupportedKernel   3: the kernel or its set-up lacks what is needed
        └── NotPermitted    the process lacks a capability

Each says what and why; ``hint`` says what to do. They are printed in one place, tcpio/cli/main.py.
"""


class TcpioError(Exception):
    """A failure that is told in one line.

    Args:
        message: What failed, and why.
        hint: What the user can do about it.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class OutputError(TcpioError):
    """The output cannot be opened or written."""


class RecordingError(TcpioError):
    """A recording is damaged, or is none."""


class UsageError(TcpioError):
    """The command line asks for something that is not there."""

    exit_code = 2


class FilterError(UsageError):
    """A filter that does not parse.

    Args:
        message: What is wrong.
        text: The filter as it was given.
        position: Index into ``text`` of the first character that is wrong.
    """

    def __init__(self, message: str, *, text: str, position: int) -> None:
        super().__init__(
            f"filter {text!r}: {message}, at character {position + 1}",
            hint="the form is LADDR:LPORT-RADDR:RPORT, for example '*:*-192.0.2.0/24:443'",
        )
        self.text = text
        self.position = position


class ProgramNotFound(UsageError):
    """There is no such program to run."""

    exit_code = 127


class CannotRun(UsageError):
    """What is there cannot be run as a program."""

    exit_code = 126


class UnsupportedKernel(TcpioError):
    """The kernel, or how it is set up, lacks what is needed."""

    exit_code = 3


class NotPermitted(UnsupportedKernel):
    """The process lacks a capability."""
