# SPDX-License-Identifier: GPL-2.0-only
"""How far a long run is, for the person at the terminal."""

import contextlib
import os
import time
from types import TracebackType

_STDERR = 2
_EVERY_S = 1.0
_WIPE = "\r\x1b[K"


class Progress:
    """A line on the standard error that is written anew each second, if that is a terminal; gone at the end.

    Args:
        total: Bytes that will be handled; None is not known.
    """

    def __init__(self, total: int | None) -> None:
        self._total = total
        self._bytes = 0
        self._records = 0
        self._began_s = self._shown_s = time.monotonic()
        self._is_shown = os.isatty(_STDERR)

    def add(self, size: int, records: int = 0) -> None:
        """Count bytes that were handled, and records that were read."""
        self._bytes += size
        self._records += records
        now_s = time.monotonic()
        if self._is_shown and now_s - self._shown_s >= _EVERY_S:
            self._shown_s = now_s
            self._write(f"{_WIPE}tcpio: {self._describe(now_s - self._began_s)}")

    def wipe(self) -> None:
        """Make room for another line, until it is written anew."""
        if self._is_shown and self._shown_s > self._began_s:
            self._write(_WIPE)

    def hide(self) -> None:
        """Show nothing any more."""
        self.wipe()
        self._is_shown = False

    def _describe(self, passed_s: float) -> str:
        parts = [f"{self._records / 1e6:.1f} million records read", f"{self._bytes / passed_s / 1e6:.0f} MB/s"]
        if self._total:
            share = min(self._bytes / self._total, 1)
            parts += [f"{share:.0%} done"]
            if share:
                parts += [f"{passed_s / share - passed_s:.0f} s left"]
        return ", ".join(parts)

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            os.write(_STDERR, text.encode())

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hide()
