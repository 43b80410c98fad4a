# SPDX-License-Identifier: GPL-2.0-only
"""What was derived from segments, for people and for programs. It says that it was derived."""

import csv
import io
import json
from collections.abc import Iterator, Sequence

from tcpio.schema.address import to_text
from tcpio.schema.record import Records

NOTE = "derived from recorded segments; the kernel's counters may know of more"


def to_lines(
    name: str,
    columns: tuple[Sequence[str], Sequence[str]],
    groups: Records,
    sums: Sequence[Sequence[int]],
    *,
    lost: int,
) -> str:
    """Give all groups.

    Args:
        name: text, jsonl or csv.
        columns: Names of what was grouped by, and of what was added up.
        groups: A record of each group.
        sums: Of each group.
        lost: Segments that the recording says are missing.
    """
    group, measures = columns
    note = f"# {NOTE}" + (f"; {lost} segments were lost and are missing" if lost else "")
    ends = [[_value(record, column) for column in group] for record in groups]
    rows = [[*end, *amounts] for end, amounts in zip(ends, sums, strict=True)]
    heads = [*group, *measures]
    if name == "jsonl":
        return "".join(json.dumps({**dict(zip(heads, row, strict=True)), "derived": True}) + "\n" for row in rows)
    if name == "csv":
        out = io.StringIO()
        out.write(f"{note}\n")
        csv.writer(out, lineterminator="\n").writerows([heads, *rows])
        return out.getvalue()
    return "\n".join((note, *_table(heads, rows, len(group)))) + "\n"


def _value(record: Records, column: str) -> str | int:
    return to_text(record[column].tobytes()) if record[column].ndim else int(record[column])


def _table(heads: Sequence[str], rows: Sequence[Sequence[str | int]], ends: int) -> Iterator[str]:
    # What is 0 everywhere is left out.
    shown = [at for at in range(len(heads)) if at < ends or any(row[at] for row in rows)]
    cells = [[str(row[at]) for at in shown] for row in ([head.upper() for head in heads], *rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(shown))]
    for row in cells:
        yield "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True))
