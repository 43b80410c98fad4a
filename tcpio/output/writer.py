# SPDX-License-Identifier: GPL-2.0-only
"""From batches to files: a format, where its output goes, and when another file begins."""

import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from tcpio.errors import OutputError, UsageError
from tcpio.output.lines import Chunk
from tcpio.output.rotation import Rotation, close_as, remove_old
from tcpio.output.sink import Sink
from tcpio.output.times import ToWall
from tcpio.schema.batch import Batch

_USUAL_BYTES = 256  # of a segment, until it is known


class BatchFormat(Protocol):
    """What a format's module gives.

    Attributes:
        pending: Segments that were taken and not given out yet.
    """

    pending: int

    def header(self) -> bytes:
        """Begin a file: give what stands first in it."""

    def chunks(self, batch: Batch) -> Sequence[Chunk]:
        """Give what can be written of a batch, and of those before."""

    def end(self) -> Sequence[Chunk]:
        """End a file: give all that is left."""


class Writer:
    """Writes batches in a format.

    Args:
        made: The format.
        sink: Where it goes.
        path: The file that is rotated; None is none.
        rotation: When.
        to_wall: Gives the time in a closed file's name.
        has_header: Whether a file begins with what the format has for that.
    """

    def __init__(
        self,
        made: BatchFormat,
        sink: Sink,
        *,
        path: Path | None,
        rotation: Rotation,
        to_wall: ToWall,
        has_header: bool,
    ) -> None:
        self.sink = sink
        self._format = made
        self._path = path
        self._rotation = rotation
        self._to_wall = to_wall
        self._has_header = has_header
        self._began_ns: int | None = None  # time of the first segment in the file
        self._taken = 0  # segments given to the format for this file

    @property
    def pending(self) -> int:
        """Segments that were taken and not written yet."""
        return self._format.pending

    def begin(self) -> None:
        """Begin a file.

        Raises:
            OutputError: It cannot be written.
        """
        header = self._format.header()
        self.sink.write([Chunk(header, 0, is_lines=False)] if self._has_header else [])

    def write(self, batch: Batch) -> None:
        """Write a batch, to as many files as it takes.

        Raises:
            OutputError: It cannot be written.
        """
        for piece in self._pieces(batch) if self._path else (batch,):
            if self._began_ns is None and len(piece.records):
                self._began_ns = int(piece.records["ts_ns"][0])
            self._taken += len(piece.records)
            self.sink.write(self._format.chunks(piece))

    def _pieces(self, batch: Batch) -> Iterator[Batch]:
        # Each fits in what is then the open file. One without anything lets the format give what it holds back.
        rest = batch
        while len(rest.records):
            if self._is_due(int(rest.records["ts_ns"][0])):
                self._close()
                self.sink.restart()
                self.begin()
            piece, rest = _cut(rest, self._room(rest))
            yield piece
        if rest.marks or not len(batch.records):
            yield rest

    def _is_due(self, ts_ns: int) -> bool:
        if self._began_ns is None:
            return False
        size, time_ns = self._rotation.size, self._rotation.time_ns
        return (size is not None and self.sink.size >= size) or (
            time_ns is not None and ts_ns - self._began_ns >= time_ns
        )

    def _room(self, batch: Batch) -> int:
        room = len(batch.records)
        size, time_ns = self._rotation.size, self._rotation.time_ns
        if size is not None:
            written = self._taken - self._format.pending
            bytes_each = max(self.sink.size // written, 1) if written else _USUAL_BYTES
            room = min(room, max((size - self.sink.size) // bytes_each, 1))
        if time_ns is not None:
            began_ns = self._began_ns if self._began_ns is not None else int(batch.records["ts_ns"][0])
            later = np.flatnonzero(batch.records["ts_ns"] >= began_ns + time_ns)
            room = min(room, int(later[0])) if len(later) else room
        return room

    def _close(self) -> None:
        # End the open file; if files are rotated, it gets its lasting name.
        self.sink.write(self._format.end())
        self.sink.finish()
        if self._path and self._began_ns is not None:
            close_as(self._path, int(self._to_wall(np.array([self._began_ns], np.uint64))[0]))
            if self._rotation.keep is not None:
                remove_old(self._path, self._rotation.keep)
        self._began_ns, self._taken = None, 0

    def end(self) -> None:
        """Write what is left, and close.

        Raises:
            OutputError: It cannot be written.
        """
        if not self.sink.has_failed:
            self._close()


def _cut(batch: Batch, count: int) -> tuple[Batch, Batch]:
    records = batch.records
    if count >= len(records):
        return batch, Batch(records[:0])
    until_ns = int(records["ts_ns"][count])
    before = tuple(mark for mark in batch.marks if mark.ts_ns < until_ns)
    after = tuple(mark for mark in batch.marks if mark.ts_ns >= until_ns)
    return Batch(records[:count], before), Batch(records[count:], after)


def save_earlier(path: Path) -> None:
    """Give a file that an earlier run left its lasting name, so that it is not written over.

    Raises:
        UsageError: It is not a file that could be renamed.
        OutputError: It cannot be renamed.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{path} is not a regular file, so it cannot be rotated", hint="give --write a file")
    if found.st_size:
        close_as(path, found.st_mtime_ns)
