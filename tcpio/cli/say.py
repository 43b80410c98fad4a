# SPDX-License-Identifier: GPL-2.0-only
"""Lines for the person at the terminal, on the standard error."""

import contextlib
import os


def say(text: str) -> None:
    """Write a line to the standard error, if there still is one."""
    with contextlib.suppress(OSError):
        os.write(2, f"{text}\n".encode(errors="backslashreplace"))
