# SPDX-License-Identifier: GPL-2.0-only
"""Tables for people, as Markdown; what several measurements come to; and the measurements themselves, as JSON."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

NOTHING = "-"

_shown: list[dict[str, object]] = []


class Figures(str):
    """What several measurements come to, as text.

    Attributes:
        values: The measurements.
    """

    __slots__ = ("values",)

    values: Sequence[float]


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Write the median, and the range if there were several."""
    if not values:
        return NOTHING
    middle = f"{median(values):.{digits}f}"
    text = middle if len(values) == 1 else f"{middle} ({min(values):.{digits}f}..{max(values):.{digits}f})"
    figures = Figures(text)
    figures.values = list(values)
    return figures


def show(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; the first column is text, the others are numbers."""
    kept = {row[0]: dict(zip(heads[1:], map(_raw, row[1:]), strict=True)) for row in rows}
    _shown.append({"title": title, "rows": kept})
    widths = [max(len(row[at]) for row in (heads, *rows)) for at in range(len(heads))]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    say(f"\n{title}\n")
    for row in (heads, rule, *rows):
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        say(f"| {' | '.join(cells)} |")


def _raw(cell: str) -> object:
    if isinstance(cell, Figures):
        return cell.values
    return None if cell == NOTHING else cell


def write_json(path: Path, machine: str) -> None:
    """Write all measurements of the tables that were shown: table, row, column, and each round's number."""
    kept = {"command": sys.argv, "machine": machine, "tables": _shown}
    path.write_text(json.dumps(kept, indent=1) + "\n")


def say(line: str) -> None:
    """Print a line at once: what follows takes minutes."""
    print(line, flush=True)  # noqa: T201  the output that was asked for
