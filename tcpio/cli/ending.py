# SPDX-License-Identifier: GPL-2.0-only
"""What ends a summary: a signal, a time, a program."""

import signal
import time

from tcpio.cli.program import Program
from tcpio.cli.signals import Signals


class Ending:
    """Tells when the end has come.

    With a program that is when it has ended: a signal is passed on to it, and a time ends it.

    Args:
        signals: The signals that came.
        deadline_s: On time.monotonic(); infinity is none.
        program: None is none.

    Attributes:
        deadline_s: When there is something to do.
    """

    def __init__(self, signals: Signals, deadline_s: float, program: Program | None) -> None:
        self.deadline_s = deadline_s
        self._signals = signals
        self._program = program
        self._is_told = False

    def has_come(self) -> bool:
        """Tell whether it has, and bring it about if it is time."""
        is_late = time.monotonic() >= self.deadline_s
        if self._program is None:
            return is_late or self._signals.is_ended
        if self._signals.is_ended and not self._is_told:
            self._is_told = True
            self._program.pass_on(self._signals.number)
        if is_late:
            self.deadline_s = float("inf")
            self._program.send(signal.SIGTERM)
        return self._program.has_ended
