# SPDX-License-Identifier: GPL-2.0-only
"""Tables for people, as Markdown; and what several measurements come to."""

from collections.abc import Sequence
from statistics import median

NOTHING = "-"


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Write the median, and the range if there were several."""
    if not values:
        return NOTHING
    middle = f"{median(values):.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.{digits}f}..{max(values):.{digits}f})"


def show(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; the first column is text, the others are numbers."""
    widths = [max(len(row[at]) for row in (heads, *rows)) for at in range(len(heads))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    say(f"\n{title}\n")
    for row in (heads, rule, *rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        say(f"| {' | '.join(cells)} |")


def say(line: str) -> None:
    """Print a line at once: what follows takes minutes."""
    print(line, flush=True)  # noqa: T201  the output that was asked for
