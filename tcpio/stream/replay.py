# SPDX-License-Identifier: GPL-2.0-only
"""Open a recording, whatever its format: that is known by how it begins."""

import io
import os
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path

from tcpio.errors import RecordingError, UsageError
from tcpio.stream.read_arrow import read_arrow, read_parquet
from tcpio.stream.read_csv import read_csv
from tcpio.stream.read_json import read_json
from tcpio.stream.read_pcapng import read_pcapng
from tcpio.stream.read_text import read_text
from tcpio.stream.recording import Reader, Recording

_HEAD = 1 << 12

BEGINNINGS: Sequence[tuple[bytes, Reader]] = (
    (b"\n\r\r\n", read_pcapng),
    (b"PAR1", read_parquet),
    (b"\xff\xff\xff\xff", read_arrow),
    (b"{", read_json),
)
"""What a file begins with -> who reads it. Lines without a brace are CSV if their first one has commas, else text."""


@contextmanager
def open_recording(path: Path | None, wanted: AbstractSet[str]) -> Iterator[Recording]:
    """Open a recording.

    Args:
        path: The file; None is the standard input.
        wanted: Names of columns; what belongs to others need not be read.

    Raises:
        UsageError: There is no such file, or what reads it is missing.
        RecordingError: It cannot be read.
    """
    name = "standard input" if path is None else str(path)
    with _open(path) as file:
        try:
            head = file.peek(_HEAD)[:_HEAD]
        except OSError as error:
            raise RecordingError(f"cannot read {name}: {error.strerror}") from error
        if not head:
            raise RecordingError(f"{name} is empty")
        yield find_reader(head)(file, name, wanted)


@contextmanager
def _open(path: Path | None) -> Iterator[io.BufferedReader]:
    if path is None:
        with os.fdopen(os.dup(0), "rb") as file:
            yield file
        return
    try:
        opened = path.open("rb")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="give the name of a recording") from error
    with opened:
        yield opened


def find_reader(head: bytes) -> Reader:
    """Tell by how a file begins, with its first line if it has lines, who reads it."""
    for begin, reader in BEGINNINGS:
        if head.startswith(begin):
            return reader
    first = next((line for line in head.splitlines() if line and not line.startswith(b"#")), b"")
    return read_csv if b"," in first else read_text
