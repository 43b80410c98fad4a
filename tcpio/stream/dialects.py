# SPDX-License-Identifier: GPL-2.0-only
"""What tcpio's own lines look like: headers, marks, and where a host can be written into them."""

import re
from collections.abc import Sequence
from enum import Enum

import numpy as np

from tcpio.schema.columns import COLUMNS
from tcpio.stream.lines import Integers, Text, gather

HOST = "host"
"""The name of the column that says where a line was recorded."""

_NAMES = {*(column.name for column in COLUMNS), HOST}
_TEXT_HEADER = re.compile(r" *[A-Z][A-Z_]*(?:[ :]+[A-Z][A-Z_]*)*\s*", re.ASCII)
_CSV_HEADER = re.compile(r"[a-z][a-z_]*(?:,[a-z][a-z_]*)*\s*", re.ASCII)
_MARK = re.compile(rb'(?:[\w.-]+ +)?# |\{.*"(?:lost|clock_step_ns|counted)":', re.DOTALL)
_RELATIVE = re.compile(rb" *-?\d{1,9}\.\d{9}\b")
_HASH = ord("#")


class Dialect(Enum):
    """How lines are written."""

    TEXT = "text"
    CSV = "CSV"
    JSONL = "JSON Lines"


def find_dialect(line: bytes) -> Dialect:
    """Tell how a line with a time, or a header, is written."""
    if line.startswith(b"{"):
        return Dialect.JSONL
    return Dialect.CSV if b"," in line else Dialect.TEXT


def read_header(line: bytes) -> tuple[str, ...]:
    """Give the names of the columns, if a line says them; else none."""
    text = line.decode(errors="replace")
    if not (_TEXT_HEADER if text.isupper() else _CSV_HEADER).fullmatch(text):
        return ()
    names = tuple(re.split(r"[ :,]+", text.lower().strip()))
    return names if names[0] in _NAMES else ()


def is_mark(line: bytes) -> bool:
    """Tell whether a line without a time says that something is missing there, or that the clock was set."""
    return bool(_MARK.match(line))


def has_relative_time(line: bytes) -> bool:
    """Tell whether a line begins with a time that means nothing outside of its run."""
    return bool(_RELATIVE.match(line))


def add_host_to_header(header: bytes, dialect: Dialect, width: int, lead: int) -> bytes:
    """Write the column of hosts into a header.

    Args:
        header: The line.
        dialect: How it is written.
        width: Characters of the longest host.
        lead: Characters of a time at the beginning of the lines; 0 is none.
    """
    if dialect is Dialect.CSV:
        return header.rstrip() + f",{HOST}\n".encode()
    cell = HOST.upper().ljust(width).encode()
    return header[:lead] + b" " + cell + header[lead:] if lead else cell + b" " + header


def add_host(
    text: Text, starts: Integers, lengths: Integers, leads: Integers, *, host: str, width: int, dialect: Dialect
) -> tuple[Text, Integers]:
    """Write a host into lines: behind a time that they begin with, or where it does not matter.

    Args:
        text: What the lines are taken from.
        starts: Where each begins; shape (N,).
        lengths: Bytes of each with its newline; shape (N,).
        leads: Characters of the time that it begins with; 0 is none; less than 0 is a line to leave as it is.
        host: The host.
        width: Characters of the longest host.
        dialect: How the lines are written.

    Returns:
        The lines one behind the other, and the bytes of each.
    """
    cells = _cells(host.ljust(width) if dialect is Dialect.TEXT else host, dialect)
    is_other = leads <= 0 if dialect is Dialect.TEXT else text[starts] == _HASH
    which = np.where(leads < 0, 2, is_other.astype(np.intp))
    cell_lengths = np.array([len(cell) for cell in cells])
    cell_starts = len(text) + np.cumsum(cell_lengths) - cell_lengths
    places = {Dialect.TEXT: np.maximum(leads, 0), Dialect.CSV: lengths - 1, Dialect.JSONL: np.ones_like(lengths)}
    place = places[dialect]
    pieces = np.stack((starts, cell_starts[which], starts + place), axis=1).ravel()
    sizes = np.stack((place, cell_lengths[which], lengths - place), axis=1).ravel()
    source = np.concatenate((text, np.frombuffer(b"".join(cells), np.uint8)))
    return np.concatenate(list(gather(source, pieces, sizes))), lengths + cell_lengths[which]


def _cells(host: str, dialect: Dialect) -> Sequence[bytes]:
    # In a line as usual; in one without a time in front, or a comment; in one that is to stay as it is.
    return {
        Dialect.TEXT: (f" {host}".encode(), f"{host} ".encode(), b""),
        Dialect.CSV: (f",{host}".encode(), f" ({host})".encode(), b""),
        Dialect.JSONL: (f'"{HOST}":"{host}",'.encode(), b"", b""),
    }[dialect]
