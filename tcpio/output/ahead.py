# SPDX-License-Identifier: GPL-2.0-only
"""A format that works beside what reads and writes: numpy and the system calls let other threads run."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from tcpio.output.lines import Chunk
from tcpio.output.writer import BatchFormat
from tcpio.schema.batch import Batch


class Ahead:
    """Gives what is made of a batch when the next one is there, which is made meanwhile.

    Args:
        made: The format, of which nobody asks anything else.

    Attributes:
        pending: Segments that were taken and not given out yet.
    """

    def __init__(self, made: BatchFormat) -> None:
        self.pending = 0
        self._made = made
        self._worker = ThreadPoolExecutor(1)
        self._begun: Future[Sequence[Chunk]] | None = None

    def header(self) -> bytes:
        """Begin a file: give what stands first in it."""
        return self._made.header()

    def chunks(self, batch: Batch) -> Sequence[Chunk]:
        """Take a batch, and give what was made of those before."""
        chunks = self._finish()
        self.pending = self._made.pending + len(batch.records)
        self._begun = self._worker.submit(self._made.chunks, batch)
        return chunks

    def _finish(self) -> Sequence[Chunk]:
        return self._begun.result() if self._begun else []

    def end(self) -> Sequence[Chunk]:
        """End a file: give all that is left."""
        chunks = [*self._finish(), *self._made.end()]
        self._begun, self.pending = None, 0
        return chunks
