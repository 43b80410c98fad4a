# SPDX-License-Identifier: GPL-2.0-only
"""Sort more lines than memory holds: sorted runs in a temporary file, merged at the end."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import Any

import numpy as np

from tcpio.errors import OutputError
from tcpio.schema.arrays import NDArray
from tcpio.stream.lines import Integers, Lines, Text, is_sorted
from tcpio.stream.merge import merge

_LINE_BYTES = 40  # of each line in memory, beside its text: key, length, start, order, and what becomes of them
_MERGE_SHARE = 4  # how much of what may be held the merge takes for its blocks: it needs as much again to join them
_FEWEST_LINES = 16  # of each run at once, however many runs there are


@dataclass(frozen=True)
class _Run:
    # Sorted lines in the file: their keys (i64), their lengths (u32), their text.
    offset: int
    count: int


class Runs:
    """Lines on their way to be sorted.

    Args:
        folder: Where the temporary file is made, if one is needed. It has no name, so nothing is left of it.
        memory: Bytes of lines to hold, with what belongs to them.
    """

    def __init__(self, folder: Path, memory: int) -> None:
        self._folder = folder
        self._memory = memory
        self._text: Text = np.empty(memory, np.uint8)  # memory is taken as it is written to
        self._keys: list[Integers] = []
        self._lengths: list[Integers] = []
        self._used = 0
        self._held = 0
        self._runs: list[_Run] = []
        self._lines = 0
        self._bytes = 0
        self._fd = -1
        self._end = 0
        self._stack = ExitStack()

    def add(self, lines: Lines) -> None:
        """Take lines.

        Raises:
            OutputError: The temporary file cannot be written.
        """
        needed = len(lines.text) + _LINE_BYTES * len(lines)
        if self._used and self._held + needed > self._memory:
            self._spill()
        if self._used + len(lines.text) > len(self._text):
            self._text = np.empty(len(lines.text), np.uint8)
        self._text[self._used : self._used + len(lines.text)] = lines.text
        self._keys.append(lines.keys)
        self._lengths.append(lines.lengths)
        self._used += len(lines.text)
        self._held += needed
        self._lines += len(lines)
        self._bytes += needed

    def merged(self) -> Iterator[Text]:
        """Give the text of all lines, in order; to be called once.

        Raises:
            OutputError: The temporary file cannot be written or read.
        """
        if not self._runs:
            lines = self._take()
            return lines.gather(np.argsort(lines.keys, kind="stable"))
        self._spill()
        self._text = np.empty(0, np.uint8)
        block = self._memory // _MERGE_SHARE // len(self._runs)
        least = max(block * self._lines // self._bytes, _FEWEST_LINES)
        return merge([self._read(run, least // 2 + 1) for run in self._runs], least)

    def _take(self) -> Lines:
        none = np.empty(0, np.int64)
        lines = Lines(
            np.concatenate((none, *self._keys)), np.concatenate((none, *self._lengths)), self._text[: self._used]
        )
        self._keys, self._lengths, self._used, self._held = [], [], 0, 0
        return lines

    def _spill(self) -> None:
        lines = self._take()
        self._runs.append(_Run(self._end, len(lines)))
        with self._telling():
            if self._fd < 0:
                file = self._stack.enter_context(TemporaryFile(dir=self._folder, buffering=0))  # noqa: SIM115  it is
                self._fd = file.fileno()
            order = np.arange(len(lines)) if is_sorted(lines.keys) else np.argsort(lines.keys, kind="stable")
            self._write(lines.keys[order])
            self._write(lines.lengths[order].astype(np.uint32))
            for text in lines.gather(order):
                self._write(text)

    def _write(self, values: NDArray[Any]) -> None:
        left = values.data.cast("B")
        self._end += len(left)
        while left:
            left = left[os.write(self._fd, left) :]

    def _read(self, run: _Run, at_once: int) -> Iterator[Lines]:
        lengths_at = run.offset + run.count * 8
        text_at = lengths_at + run.count * 4
        for first in range(0, run.count, at_once):
            count = min(at_once, run.count - first)
            with self._telling():
                keys = np.frombuffer(os.pread(self._fd, count * 8, run.offset + first * 8), np.int64)
                lengths = np.frombuffer(os.pread(self._fd, count * 4, lengths_at + first * 4), np.uint32)
                size = int(lengths.sum())
                text = np.frombuffer(os.pread(self._fd, size, text_at), np.uint8)
            text_at += size
            yield Lines(keys, lengths.astype(np.int64), text)

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"cannot keep lines in a temporary file in {self._folder}: {error.strerror}",
                hint="--temp FOLDER names another place",
            ) from error

    def __enter__(self) -> "Runs":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()
