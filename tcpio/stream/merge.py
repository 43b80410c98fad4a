# SPDX-License-Identifier: GPL-2.0-only
"""Merge streams of lines that are in order, and put those in order that nearly are."""

from collections.abc import Iterator, Sequence

import numpy as np

from tcpio.stream.lines import Lines, Text, join, no_lines


class _Source:
    # A stream, and those of its lines that were read and are not given yet.
    def __init__(self, blocks: Iterator[Lines], least: int) -> None:
        self.pending = no_lines()
        self.is_over = False
        self._blocks = blocks
        self._least = least

    def fill(self) -> None:
        while not self.is_over and len(self.pending) < self._least:
            block = next(self._blocks, None)
            if block is None:
                self.is_over = True
            else:
                self.pending = join((self.pending, block))

    def take(self, count: int) -> Lines:
        taken, self.pending = self.pending.cut(count)
        return taken


def merge(streams: Sequence[Iterator[Lines]], least: int = 1) -> Iterator[Text]:
    """Merge streams; of equal keys those of the earlier stream come first.

    Args:
        streams: Each in the order of its keys.
        least: How many lines of each to have at hand, if there are so many: more make fewer steps. 1 gives what can
            be given as soon as it can.

    Yields:
        The text of the lines in order. The first is given when each stream has given lines or is over.
    """
    sources = [_Source(stream, least) for stream in streams]
    while True:
        for source in sources:
            source.fill()
        sources = [source for source in sources if len(source.pending)]
        if not sources:
            return
        lines = join(_take_due(sources))
        yield from lines.gather(np.argsort(lines.keys, kind="stable"))


def _take_due(sources: Sequence[_Source]) -> list[Lines]:
    # What nothing that is still to be read can precede. The stream whose last key is the least decides: it may go on
    # with the same key, which later streams have to wait for.
    lasts = [(int(source.pending.keys[-1]), at) for at, source in enumerate(sources) if not source.is_over]
    if not lasts:
        return [source.take(len(source.pending)) for source in sources]
    key, decisive = min(lasts)
    return [
        source.take(int(np.searchsorted(source.pending.keys, key, side="right" if at <= decisive else "left")))
        for at, source in enumerate(sources)
    ]


class Window:
    """Puts lines in order that are nearly in order, as they come.

    Args:
        window_ns: By how much a line may be younger than one that follows it.

    Attributes:
        late: Lines that came still later. They are given all the same, at once.
    """

    def __init__(self, window_ns: int) -> None:
        self.late = 0
        self._window_ns = window_ns
        self._held: list[Lines] = []  # in order, also one behind the other
        self._released = np.iinfo(np.int64).min

    def __call__(self, blocks: Iterator[Lines]) -> Iterator[Lines]:
        """Give the lines of a stream in order; those that are late have the key of what was given last."""
        highest = self._released
        for block in blocks:
            if len(block):
                highest = max(highest, int(block.keys.max()))
                self._hold(block)
            yield from self._release(highest - self._window_ns)
        yield from self._held

    def _hold(self, block: Lines) -> None:
        self.late += int(np.count_nonzero(block.keys < self._released))
        # Only what is younger than the oldest line of the block is sorted anew.
        block = Lines(np.maximum(block.keys, self._released), block.lengths, block.text)
        first = int(block.keys.min())
        overlapping = [block]
        while self._held and self._held[-1].keys[-1] > first:
            last = self._held.pop()
            before, behind = last.cut(int(np.searchsorted(last.keys, first, side="right")))
            overlapping.insert(0, behind)
            if len(before):
                self._held.append(before)
        self._held.append(join(overlapping).sort())

    def _release(self, until: int) -> Iterator[Lines]:
        while self._held and self._held[0].keys[0] <= until:
            due, left = self._held[0].cut(int(np.searchsorted(self._held[0].keys, until, side="right")))
            self._held[:1] = [left] if len(left) else []
            self._released = int(due.keys[-1])
            yield due
