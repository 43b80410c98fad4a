# SPDX-License-Identifier: GPL-2.0-only
"""Colours of lines, by colorama."""

import os

from tcpio.output.as_text import Colors
from tcpio.output.sink import Sink


def make_colors(when: str, sink: Sink) -> Colors | None:
    """Give the colours, or None to do without.

    Args:
        when: always, never, or auto: on a terminal, unless NO_COLOR is set (https://no-color.org).
        sink: Where the lines go.
    """
    if when == "never" or (when == "auto" and (os.environ.get("NO_COLOR") or not sink.is_terminal)):
        return None
    from colorama import Fore, Style  # noqa: PLC0415  most output has no colours

    return Colors(syn=Fore.GREEN, fin=Fore.YELLOW, rst=Fore.RED, mark=Style.BRIGHT, end=Style.RESET_ALL)
