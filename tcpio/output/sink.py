# SPDX-License-Identifier: GPL-2.0-only
"""Where the output goes. Knows files and nothing of what is written to them."""

import contextlib
import errno
import os
import select
import stat
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from tcpio.errors import OutputError, UsageError
from tcpio.output.lines import Chunk

STDOUT = 1


_PART = ".part"


class Sink:
    """A file or the standard output, and how many segments have been written to it.

    Args:
        path: The file; None is the standard output.
        is_whole: Whether the file is of use only when it is finished: it is called FILE.part until then, and takes the
            place of what had its name. What is no file of its own, such as a device, is written to in place.

    Raises:
        UsageError: The file cannot be opened.

    Attributes:
        segments: Segments written whole.
        size: Bytes written to the file that is open now.
        is_closed_by_reader: Whether whoever read the output has gone.
        has_failed: Whether writing failed; nothing more can be written.
    """

    def __init__(self, path: Path | None = None, *, is_whole: bool = False) -> None:
        self.segments = 0
        self.size = 0
        self.is_closed_by_reader = False
        self.has_failed = False
        self._name = str(path) if path else "standard output"
        self._is_whole = is_whole and path is not None and (path.is_file() or not path.exists())
        self._path = Path(os.path.realpath(path)) if path and self._is_whole else path  # a link stays a link
        self._fd = STDOUT
        if self._path:
            self._open(self._path)

    def _open(self, path: Path) -> None:
        written = self._written_path(path)
        try:
            self._fd = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise UsageError(
                f"cannot write {written}: {error.strerror}", hint="give --write a file in a folder that exists"
            ) from error
        self.size = 0

    def _written_path(self, path: Path) -> Path:
        return path.with_name(path.name + _PART) if self._is_whole else path

    @property
    def is_terminal(self) -> bool:
        """Whether a person looks at it."""
        return os.isatty(self._fd)

    @property
    def is_regular(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(os.fstat(self._fd).st_mode)

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
                    self._fail(self.size + chunk.whole(sum(written)))
                    raise OutputError(f"cannot write {self._name}: {error.strerror}") from error
                self.is_closed_by_reader = True
            finally:
                self.size += sum(written)
                self.segments += chunk.segments_in(sum(written))

    def _fail(self, readable: int) -> None:
        # What ends in the middle is cut off, so that all that is left can be read.
        self.has_failed = True
        if self._path:
            with contextlib.suppress(OSError):  # a device or a pipe
                os.ftruncate(self._fd, readable)

    def _write(self, data: bytes | memoryview, written: list[int]) -> None:
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
        return self._path is None and error.errno == errno.EIO

    def finish(self) -> None:
        """Give a file that is of use only as a whole its name.

        Raises:
            OutputError: It cannot be renamed.
        """
        if self._is_whole and self._path:
            part = self._written_path(self._path)
            try:
                if self._path.exists():
                    part.chmod(stat.S_IMODE(self._path.stat().st_mode))
                part.replace(self._path)
            except OSError as error:
                raise OutputError(f"cannot rename {part}: {error.strerror}") from error

    def restart(self) -> None:
        """Begin another file of the same name; the one before has been renamed.

        Raises:
            UsageError: It cannot be opened.
        """
        if self._path:
            os.close(self._fd)
            self._open(self._path)

    def __enter__(self) -> "Sink":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._path:
            os.close(self._fd)
            if self._is_whole:  # what has no end
                self._written_path(self._path).unlink(missing_ok=True)
