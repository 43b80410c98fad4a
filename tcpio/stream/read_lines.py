# SPDX-License-Identifier: GPL-2.0-only
"""Read recordings that are lines: in blocks, each of whose runs of rows becomes a batch.

A dialect turns what it reads into rows of comma-separated values; only these are taken apart here, by numpy.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from io import BufferedIOBase
from typing import Protocol, TypeAlias

import numpy as np

from tcpio.errors import RecordingError
from tcpio.schema.batch import Batch, Mark
from tcpio.schema.record import Records, no_records
from tcpio.stream.fields import BadValueError, to_records
from tcpio.stream.recording import read_some

BLOCK = 1 << 22
LONGEST_LINE = 1 << 16

_COMMA, _NEWLINE = ord(","), ord("\n")
_SHOWN = 60


class BadLineError(ValueError):
    """A line that is not understood.

    Args:
        line: Its number in the piece that was being read, from 0.
        message: Why.
    """

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


Piece: TypeAlias = bytes | Records | Mark | None
"""Rows, or what they are as records, a mark, or a line that says nothing."""


class Dialect(Protocol):
    """How a format's lines are turned into rows.

    Attributes:
        names: Of a row's values.
        has_times: Whether they tell when.
    """

    names: Sequence[str]

    def pieces(self, block: bytes) -> Iterator[tuple[int, Piece]]:
        """Take whole lines apart.

        Returns:
            How many lines a piece is of, and the piece. All rows of one piece have a line each.

        Raises:
            BadLineError: A line is not understood; its number counts from the piece before.
        """


class Lines:
    """The lines of a file, in blocks of whole ones.

    Args:
        file: At its begin.
        name: For messages.
    """

    def __init__(self, file: BufferedIOBase, name: str) -> None:
        self._file = file
        self._name = name
        self._rest = b""
        self._is_ended = False

    def peek(self, is_enough: Callable[[bytes], object] = bool) -> bytes:
        """Give the first lines without taking them: whole ones, if there are any.

        Args:
            is_enough: Tells whether these lines will do; a pipe may give the first ones long before others.
        """
        while not (self._is_ended or is_enough(self._whole()) or len(self._rest) > LONGEST_LINE):
            self._rest += self._read()
        return self._whole() or self._rest

    def _whole(self) -> bytes:
        return self._rest[: self._rest.rfind(b"\n") + 1]

    def _read(self) -> bytes:
        data = read_some(self._file, self._name, BLOCK)
        self._is_ended = not data
        return data

    def blocks(self) -> Iterator[bytes]:
        """Give blocks of whole lines.

        Raises:
            RecordingError: The file cannot be read, a line is too long, or the last one does not end.
        """
        offset = 0
        rest = self._rest
        while True:
            cut = rest.rfind(b"\n") + 1
            if cut:
                yield rest[:cut]
                offset += cut
                rest = rest[cut:]
            if self._is_ended:
                break
            if len(rest) > LONGEST_LINE:
                raise RecordingError(f"{self._name}: a line of more than {LONGEST_LINE} bytes, at byte {offset}")
            rest += self._read()
        if rest:
            raise RecordingError(f"{self._name} ends in the middle of a line, at byte {offset}")


def read_batches(lines: Lines, name: str, dialect: Dialect) -> Iterator[Batch]:
    """Give what is in lines.

    Raises:
        RecordingError: A line is not understood; what stands before it was given.
    """
    has_times = not {"time", "ts_ns"}.isdisjoint(dialect.names)
    number = 1  # of the line
    count = 0  # of segments so far, which is their time where there is none
    for block in lines.blocks():
        try:
            for length, piece in dialect.pieces(block):
                if isinstance(piece, (bytes, np.ndarray)):
                    batch, error = _to_batch(piece, dialect.names) if isinstance(piece, bytes) else (Batch(piece), None)
                    if not has_times:
                        batch.records["ts_ns"] = np.arange(count, count + len(batch.records), dtype=np.uint64)
                    count += len(batch.records)
                    yield batch
                    if error:
                        raise error
                elif piece:
                    yield Batch(no_records(), (piece if has_times else _at(piece, count),))
                number += length
        except BadLineError as error:
            raise RecordingError(f"{name}, line {number + error.line}: {error}") from error


def _at(mark: Mark, count: int) -> Mark:
    return type(mark)(**{**vars(mark), "ts_ns": count})


def _to_batch(text: bytes, names: Sequence[str]) -> tuple[Batch, BadLineError | None]:
    # The records of whole rows, and what is wrong with the row behind these.
    characters = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero((characters == _COMMA) | (characters == _NEWLINE))
    is_last = characters[ends] == _NEWLINE
    values = np.diff(np.flatnonzero(is_last), prepend=-1)
    good = len(values)
    error = None
    if (values != len(names)).any():
        good = int(np.argmax(values != len(names)))
        line = text.split(b"\n", good + 1)[good]
        error = BadLineError(good, f"{values[good]} values where {len(names)} belong: {_show(line)}")
    while True:
        used = ends[: good * len(names)]
        starts = np.concatenate([[0], used[:-1] + 1]) if good else used
        shape = (good, len(names))
        try:
            return Batch(to_records(characters, starts.reshape(shape), used.reshape(shape), names)), error
        except BadValueError as bad:
            good, error = bad.row, BadLineError(bad.row, str(bad))


def _show(line: bytes) -> str:
    text = repr(line[:_SHOWN].decode(errors="replace"))
    return f"{text}..." if len(line) > _SHOWN else text


def split_at(
    pattern: re.Pattern[bytes], block: bytes, signs: Sequence[bytes] = (b"",)
) -> Iterator[tuple[int, bytes | re.Match[bytes]]]:
    """Give the lines that a pattern matches, each with its end, and the runs of lines between them.

    Args:
        pattern: Of whole lines.
        block: Whole lines.
        signs: Where there is none of these, no line matches, which is sooner seen.
    """
    if not any(sign in block for sign in signs):
        yield block.count(b"\n"), block
        return
    done = 0
    for match in pattern.finditer(block):
        if match.start() > done:
            yield block.count(b"\n", done, match.start()), block[done : match.start()]
        yield 1, match
        done = match.end()
    if done < len(block):
        yield block.count(b"\n", done), block[done:]


def clean(block: bytes) -> bytes:
    """Replace zero bytes, which stand for nothing here and must not be taken for it."""
    return block.replace(b"\0", b"\x01") if b"\0" in block else block


def needed_of(names: Sequence[str], wanted: AbstractSet[str]) -> list[str]:
    """Give the names of a row's values, and nothing for those that need not be read."""
    return [name if name in wanted or name in ("time", "ts_ns", "dir") else "" for name in names]
