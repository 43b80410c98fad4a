# SPDX-License-Identifier: GPL-2.0-only
"""A recording as its reader gives it."""

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from io import BufferedIOBase
from typing import Protocol

from tcpio.errors import RecordingError
from tcpio.schema.batch import Batch


@dataclass(frozen=True)
class Recording:
    """A file that was opened.

    Args:
        columns: Names of the columns that it holds.
        batches: What is in it: ts_ns is wall time, ns since 1970; where the file has no times, it counts the segments.
            Iterating raises RecordingError where the file cannot be read further.
        facts: What it says of itself: version, host, kernel, rung, filter.
        rows: How many segments and marks it says it has; None is that it does not say.
        size: Bytes of the file.
        read_bytes: Gives how much of the file has been read.
    """

    columns: AbstractSet[str]
    batches: Iterator[Batch]
    facts: Mapping[str, str] = field(default_factory=dict)
    rows: int | None = None
    size: int = 0
    read_bytes: Callable[[], int] = lambda: 0


def read_some(file: BufferedIOBase, name: str, most: int) -> bytes:
    """Read what there is, as a pipe gives it: it is not waited for more. Nothing is the end.

    Raises:
        RecordingError: It cannot be read.
    """
    try:
        return file.read1(most)
    except OSError as error:
        raise RecordingError(f"cannot read {name}: {error.strerror}") from error


class Reader(Protocol):
    """Opens a file of one format."""

    def __call__(self, file: BufferedIOBase, name: str, wanted: AbstractSet[str]) -> Recording:
        """Open it.

        Args:
            file: At its begin.
            name: For messages.
            wanted: Columns; what belongs to others need not be read.

        Raises:
            RecordingError: It is not of this format.
        """
