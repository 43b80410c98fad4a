# SPDX-License-Identifier: GPL-2.0-only
"""What ends a trace, and what asks it how it goes."""

import contextlib
import os
import signal
from types import FrameType, TracebackType

_ENDING = (signal.SIGINT, signal.SIGTERM)
_ASKING = signal.SIGUSR1


class Signals:
    """The signals that came, and a file descriptor that can be read when one did.

    Attributes:
        is_ended: Whether to end. A second such signal ends the process at once; the kernel then takes back all that
            was attached.
        number: The signal that said so.
        fd: To wait for.
    """

    def __init__(self) -> None:
        self.is_ended = False
        self.number = 0
        self._is_asked = False
        self.fd, self._write_end = os.pipe()  # pipe2 is not everywhere where recordings are replayed
        os.set_blocking(self.fd, False)
        os.set_blocking(self._write_end, False)
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        for number in _ENDING:
            signal.signal(number, self._end)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup(1) wants it ignored
            signal.signal(signal.SIGHUP, self._end)
        signal.signal(_ASKING, self._ask)

    def _end(self, number: int, _frame: FrameType | None) -> None:
        self.is_ended, self.number = True, number
        signal.signal(number, signal.SIG_DFL)

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._is_asked = True

    def take_question(self) -> bool:
        """Tell whether the counts were asked for since the last time."""
        if not self._is_asked:
            return False
        self._is_asked = False
        return True

    def clear(self) -> None:
        """Empty the file descriptor."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 4096)

    def __enter__(self) -> "Signals":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.set_wakeup_fd(-1)
        os.close(self.fd)
        os.close(self._write_end)
