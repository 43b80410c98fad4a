# SPDX-License-Identifier: GPL-2.0-only
"""``--on-overload summary``: when what is printed cannot keep up, segments are counted until it has caught up."""

import signal
import time
from types import FrameType, TracebackType

from tcpio.cli.say import say
from tcpio.kernel.overload import OverloadMaps
from tcpio.schema.batch import Counted, Mark, Overload

_LEAST_S = 1.0
"""How long segments are counted at least, so that marks are few."""

_MOST_S = 64.0
"""How long at most, if lines could not be kept up again and again: each time twice as long."""

_LOOK_S = 1.0
"""How often to look when nothing else is done: while the output takes no more."""


class Fallback:
    """Follows whether the programs count, and ends it.

    The programs begin by themselves, when a ring is full, since this may be stopped, or waiting for its output, then.

    Args:
        maps: The programs' maps.
    """

    def __init__(self, maps: OverloadMaps) -> None:
        self._maps = maps
        self._said_ns = 0
        self._began_s = self._ended_s = -_MOST_S
        self._is_counting = False
        self._least_s = _LEAST_S

    @property
    def counted(self) -> int:
        """Segments that were counted so far."""
        return self._maps.read_counted()

    def follow(self, *, is_idle: bool) -> tuple[Mark, ...]:
        """Give the marks of what has changed.

        Args:
            is_idle: Whether all that was in the rings has been written, and nothing came since.
        """
        since_ns, now_s = self._look(), time.monotonic()
        if since_ns and not self._is_counting:
            self._is_counting = True
            is_again = now_s - self._ended_s < self._least_s
            self._least_s = min(2 * self._least_s, _MOST_S) if is_again else _LEAST_S
            self._began_s = now_s
            return (Overload(since_ns),)
        if self._is_counting and is_idle and now_s - self._began_s >= self._least_s:
            self._ended_s = now_s
            return (self._end(),)
        return ()

    def _look(self, _number: int = 0, _frame: FrameType | None = None) -> int:
        since_ns = self._maps.read_since()
        if since_ns and since_ns != self._said_ns:
            self._said_ns = since_ns
            say("tcpio: overload: segments are counted, not printed, until the output has caught up")
        return since_ns

    def _end(self) -> Mark:
        now_ns = time.monotonic_ns()  # before, or a segment that is printed could be older
        mark = Counted(now_ns, *self._maps.end())
        self._is_counting = False
        say(f"tcpio: overload is over: {mark}")
        return mark

    def rest(self) -> tuple[Mark, ...]:
        """Give the marks of what is left, when no program runs any more."""
        begin = self.follow(is_idle=False)
        mark = Counted(time.monotonic_ns(), *self._maps.end())
        if not mark.count:
            return begin
        say(f"tcpio: overload until the end: {mark}")
        return (*begin, mark)

    def __enter__(self) -> "Fallback":
        # What interrupts a write that waits, and lets it go on: PEP 475.
        signal.signal(signal.SIGALRM, self._look)
        signal.setitimer(signal.ITIMER_REAL, _LOOK_S, _LOOK_S)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
