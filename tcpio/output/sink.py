# SPDX-License-Identifier: GPL-2.0-only
"""Where the output goes. Knows files and nothing of what is written to them."""

import errno
import os
import select
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from tcpio.errors import OutputError, UsageError
from tcpio.output.as_text import Chunk

STDOUT = 1


class Sink:
    """A file or the standard output, and how many segments have been written to it.

    Args:
        path: The file; None is the standard output.

    Raises:
        UsageError: The file cannot be opened.

    Attributes:
        segments: Lines of segments written whole.
        is_closed_by_reader: Whether whoever read the output has gone.
        has_failed: Whether writing failed; nothing more can be written.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.segments = 0
        self.is_closed_by_reader = False
        self.has_failed = False
        self._name = str(path) if path else "standard output"
        self._is_own = path is not None
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            self._fd = os.open(path, flags, 0o666) if path else STDOUT
        except OSError as error:
            raise UsageError(
                f"cannot write {path}: {error.strerror}", hint="give --write a file in a folder that exists"
            ) from error

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at it."""
        return os.isatty(self._fd)

    def write(self, chunks: Iterable[Chunk]) -> None:
        """Write all of it.

        If the reader has gone (a pipe's other end, a terminal), that is noted and nothing is written any more.

        Raises:
            OutputError: It cannot be written for another reason.
        """
        for chunk in chunks:
            if self.is_closed_by_reader:
                return
            written = [0]
            try:
                self._write(chunk.data, written)
            except BrokenPipeError:
                self.is_closed_by_reader = True
            except OSError as error:
                if not self._is_hangup(error):
                    self.has_failed = True
                    raise OutputError(f"cannot write {self._name}: {error.strerror}") from error
                self.is_closed_by_reader = True
            finally:
                if chunk.segments:
                    self.segments += chunk.data.count(b"\n", 0, sum(written))

    def _write(self, data: bytes, written: list[int]) -> None:
        # What was written is told by `written`, since this may end by an error.
        left = memoryview(data)
        while left:
            try:
                written.append(os.write(self._fd, left))
                left = left[written[-1] :]
            except BlockingIOError:  # whoever gave us this file descriptor made it so
                select.select([], [self._fd], [])

    def _is_hangup(self, error: OSError) -> bool:
        # A terminal that is gone gives EIO.
        return not self._is_own and error.errno == errno.EIO

    def __enter__(self) -> "Sink":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_own:
            os.close(self._fd)
