# SPDX-License-Identifier: GPL-2.0-only
"""What a test run leaves behind when it is told to end: nothing, so SIGTERM must not end it at once."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn


@contextmanager
def ending_by(end: Callable[[], NoReturn]) -> Iterator[None]:
    """Let SIGTERM raise what this raises, so that all that was made is removed on the way out."""
    before = signal.signal(signal.SIGTERM, lambda _number, _frame: end())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
