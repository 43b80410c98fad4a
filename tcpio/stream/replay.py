# SPDX-License-Identifier: GPL-2.0-only
"""Open a recording, whatever its format: that is known by how it begins."""

import io
import os
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from tcpio.errors import RecordingError, UsageError
from tcpio.stream.read_arrow import read_arrow, read_parquet
from tcpio.stream.read_csv import read_csv
from tcpio.stream.read_json import read_json
from tcpio.stream.read_pcapng import read_pcapng
from tcpio.stream.read_text import read_text
from tcpio.stream.recording import Reader, Recording

HEAD = 1 << 12
"""Bytes by which a format is known."""

BEGINNINGS: Sequence[tuple[bytes, Reader]] = (
    (b"\n\r\r\n", read_pcapng),
    (b"PAR1", read_parquet),
    (b"\xff\xff\xff\xff", read_arrow),
    (b"{", read_json),
)
"""What a file begins with -> who reads it. Lines without a brace are CSV if their first one has commas, else text."""

_ONLY_WHOLE = (read_parquet,)
_LONGEST_BEGINNING = max(len(begin) for begin, _ in BEGINNINGS)


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
    with _open(path) as raw:
        file: io.BufferedReader = io.BufferedReader(raw)
        with file:
            size = os.fstat(raw.fileno()).st_size
            yield replace(read_recording(file, name, wanted), size=size, read_bytes=lambda: raw.count)


def read_recording(
    file: io.BufferedReader, name: str, wanted: AbstractSet[str], *, is_growing: bool = False
) -> Recording:
    """Begin to read a recording.

    Args:
        file: At its begin.
        name: For messages.
        wanted: Names of columns; what belongs to others need not be read.
        is_growing: Whether it is still being written.

    Raises:
        UsageError: What reads it is missing, or it is read when it is finished only.
        RecordingError: It cannot be read.
    """
    try:
        head = file.peek(HEAD)[:HEAD]
    except OSError as error:
        raise RecordingError(f"cannot read {name}: {error.strerror}") from error
    if not head:
        raise RecordingError(f"{name} is empty")
    reader = find_reader(head)
    if is_growing and reader in _ONLY_WHOLE:
        raise UsageError(
            f"{name} is Parquet, which is read when it is finished and not followed",
            hint="replay it without --follow; arrow can be followed",
        )
    return reader(file, name, wanted)


class _Counted(io.FileIO):
    # Knows how many bytes were read of it.
    count = 0

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401  a type that Python has a name for since 3.12
        got = super().readinto(buffer)
        self.count += got or 0
        return got


def _open(path: Path | None) -> _Counted:
    try:
        return _Counted(os.dup(0) if path is None else path, "rb")
    except OSError as error:
        raise UsageError(
            f"cannot read {path or 'standard input'}: {error.strerror}", hint="give the name of a recording"
        ) from error


def is_telling(head: bytes) -> bool:
    """Tell whether this is enough of a file to find who reads it: a beginning, or a line that is no comment."""
    lines = head[: head.rfind(b"\n") + 1].splitlines()
    is_known = any(head.startswith(begin) for begin, _ in BEGINNINGS if len(begin) == _LONGEST_BEGINNING)
    has_line = len(head) >= _LONGEST_BEGINNING and any(line and not line.startswith(b"#") for line in lines)
    return is_known or has_line or len(head) == HEAD


def find_reader(head: bytes) -> Reader:
    """Tell by how a file begins, with its first line if it has lines, who reads it."""
    for begin, reader in BEGINNINGS:
        if head.startswith(begin):
            return reader
    first = next((line for line in head.splitlines() if line and not line.startswith(b"#")), b"")
    return read_csv if b"," in first else read_text
