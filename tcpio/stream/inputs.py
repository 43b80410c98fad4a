# SPDX-License-Identifier: GPL-2.0-only
"""Read tcpio's own output by the thousand lines, with their times."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tcpio.errors import RecordingError
from tcpio.schema.arrays import NDArray
from tcpio.stream.agreement import Agreement
from tcpio.stream.dialects import Dialect, add_host, find_dialect, has_relative_time, is_mark, read_header
from tcpio.stream.lines import Integers, Lines, Text, gather
from tcpio.stream.stamps import Stamps

LONGEST_LINE = 1 << 20
"""Bytes; tcpio's own lines have some hundred."""

_LEAST_READ = 1 << 20  # a pipe gives less
_NEWLINE = ord("\n")
_NO_TIME_HINT = "record with -t, or with -f jsonl or csv"
_RELATIVE_HINT = "record with --time-format iso or epoch"


class Unreadable:
    """Lines without a time that are no marks either.

    Args:
        is_dropped: Whether they are left out.

    Attributes:
        count: How many there were.
        first: Of the first ones the input's name, the number of the line, and the line.
    """

    MOST_SHOWN = 10

    def __init__(self, *, is_dropped: bool) -> None:
        self.is_dropped = is_dropped
        self.count = 0
        self.first: list[tuple[str, int, bytes]] = []

    def note(self, name: str, number: int, line: bytes) -> None:
        """Count one."""
        self.count += 1
        if len(self.first) < self.MOST_SHOWN:
            self.first.append((name, number, line))


@dataclass(frozen=True)
class _Block:
    # Lines as they stand in an input.
    text: Text
    starts: Integers
    ends: Integers
    keys: Integers
    is_timed: NDArray[np.bool_]
    leads: Integers

    def first(self, count: int) -> "_Block":
        return _Block(
            self.text,
            self.starts[:count],
            self.ends[:count],
            self.keys[:count],
            self.is_timed[:count],
            self.leads[:count],
        )

    def line(self, at: int) -> bytes:
        return self.text[self.starts[at] : self.ends[at] + 1].tobytes()


class Input:
    """The lines of one input.

    Args:
        fd: To read from.
        name: As users know it.
        host: What the column of hosts says; empty where there is none.
        agreement: What it must share with others.
        unreadable: Told of lines that cannot be read.
        at_once: Bytes to read before lines are given; 1 gives all that is there at once.
    """

    def __init__(
        self, fd: int, name: str, *, host: str, agreement: Agreement, unreadable: Unreadable, at_once: int
    ) -> None:
        self._fd = fd
        self._name = name
        self._host = host
        self._agreement = agreement
        self._unreadable = unreadable
        self._at_once = at_once
        self._stamps = Stamps()
        self._dialect: Dialect | None = None
        self._last_key: int | None = None
        self._number = 1  # of the first line that is not given yet

    def read(self) -> Iterator[Lines]:
        """Give its lines, but for headers; each with its newline.

        A line without a time stays before the line that it stands before; at the end, behind the last one.

        Raises:
            RecordingError: It cannot be read, or is no output of tcpio with times.
        """
        rest = b""
        while data := self._read():
            block, rest = self._cut(rest + data)
            if len(block.starts):
                yield self._give(block)
            if len(rest) > 2 * LONGEST_LINE:
                raise RecordingError(
                    f"cannot read {self._name}: line {self._number} has more than {LONGEST_LINE} bytes",
                    hint="no line of tcpio has",
                )
        if rest:
            yield self._give(self._find(rest + b"\n" * (not rest.endswith(b"\n"))))

    def _read(self) -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            while size < self._at_once and (data := os.read(self._fd, max(self._at_once - size, _LEAST_READ))):
                parts.append(data)
                size += len(data)
        except OSError as error:
            raise RecordingError(f"cannot read {self._name}: {error.strerror}") from error
        return b"".join(parts)

    def _find(self, data: bytes) -> _Block:
        text = np.frombuffer(data, np.uint8)
        ends = np.flatnonzero(text == _NEWLINE)
        starts = np.concatenate((np.zeros(1, np.int64), ends + 1))[:-1]
        found = self._stamps.find(text, starts, ends)
        return _Block(text, starts, ends, found.keys, found.is_timed, found.lead)

    def _cut(self, data: bytes) -> tuple[_Block, bytes]:
        # Up to the last line with a time, and what is left for the next time; all whole lines, if that is much.
        block = self._find(data)
        timed = np.flatnonzero(block.is_timed)
        count = int(timed[-1]) + 1 if len(timed) else 0
        if len(data) - (int(block.ends[count - 1]) if count else 0) > LONGEST_LINE:
            count = len(block.ends)
        return block.first(count), data[int(block.ends[count - 1]) + 1 :] if count else data

    def _give(self, block: _Block) -> Lines:
        if self._dialect is None and block.is_timed.any():
            self._join(find_dialect(block.line(int(np.argmax(block.is_timed)))))
        is_kept = np.ones(len(block.keys), np.bool_)
        leads = block.leads.copy()
        for at in np.flatnonzero(~block.is_timed).tolist():
            is_kept[at], is_ours = self._look_at(block, at)
            leads[at] = 0 if is_ours else -1
        keys = self._fill(block)
        self._number += len(keys)
        return self._compose(block, keys, leads, np.flatnonzero(is_kept))

    def _join(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._agreement.join(dialect, self._name)

    def _look_at(self, block: _Block, at: int) -> tuple[bool, bool]:
        # A line without a time: whether it is kept, and whether it is tcpio's.
        line = block.line(at)
        if names := read_header(line):
            dialect = find_dialect(line)
            if self._dialect is None:
                self._join(dialect)
            self._agreement.join_header(line, names, self._name, dialect, int(block.leads.max()))
            return False, True
        if is_mark(line):
            return True, True
        if self._last_key is None and not block.is_timed.any():
            hint = _RELATIVE_HINT if has_relative_time(line) else _NO_TIME_HINT
            raise RecordingError(
                f"cannot sort {self._name}: line {self._number + at} has no date and time, nor has any other", hint=hint
            )
        self._unreadable.note(self._name, self._number + at, line)
        return not self._unreadable.is_dropped, False

    def _fill(self, block: _Block) -> Integers:
        # A line without a time gets that of the next one, or of the last.
        count = len(block.keys)
        timed = np.flatnonzero(block.is_timed)
        if len(timed) == count:
            self._last_key = int(block.keys[-1])
            return block.keys
        if len(timed):
            self._last_key = int(block.keys[timed[-1]])
        following = np.append(block.keys[timed], self._last_key or 0)
        return following[np.searchsorted(timed, np.arange(count))]

    def _compose(self, block: _Block, keys: Integers, leads: Integers, kept: NDArray[np.intp]) -> Lines:
        lengths = block.ends + 1 - block.starts
        if len(kept) == len(keys) and not self._host:
            return Lines(keys, lengths, block.text[: block.ends[-1] + 1])
        starts, lengths = block.starts[kept], lengths[kept]
        if self._host and len(kept) and self._dialect:
            text, lengths = add_host(
                block.text,
                starts,
                lengths,
                leads[kept],
                host=self._host,
                width=self._agreement.host_width,
                dialect=self._dialect,
            )
        else:
            text = np.concatenate((np.empty(0, np.uint8), *gather(block.text, starts, lengths)))
        return Lines(keys[kept], lengths, text)
