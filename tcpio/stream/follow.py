# SPDX-License-Identifier: GPL-2.0-only
"""A file that is still being written: read to its end, and then what is appended, as ``tail -F`` does (tail(1))."""

import io
import os
from collections.abc import Callable, Iterator, Mapping
from enum import Enum, auto
from pathlib import Path
from typing import Any

from tcpio.errors import RecordingError
from tcpio.stream.replay import HEAD, is_telling


class Ending(Enum):
    """Why there is no more to be read."""

    TOLD = auto()
    TRUNCATED = auto()
    REPLACED = auto()


_WORDS: Mapping[Ending | None, str] = {
    Ending.TRUNCATED: "was truncated; it is read from its begin",
    Ending.REPLACED: "was replaced; the new file is read",
}


class Follower:
    """Reads what has a name: a file, and each that takes its place.

    Args:
        path: A regular file.
        wait: Called where all that there is has been read: waits for a while, and gives whether to go on.
        tell: Takes what has become of the file.

    Attributes:
        ending: Why the end was given of the file that is read; None is not yet. What then ends in the middle was not
            written any further.
    """

    def __init__(self, path: Path, wait: Callable[[], bool], tell: Callable[[str], None]) -> None:
        self.ending: Ending | None = None
        self._path = path
        self._wait = wait
        self._tell = tell
        self._is_gone = False

    def files(self) -> Iterator[io.BufferedReader]:
        """Give each file when it is known by how it begins; the next when what was read of it has been handled.

        Raises:
            RecordingError: One cannot be opened.
        """
        while self._wait_for_head():
            self.ending = None
            file: io.BufferedReader = io.BufferedReader(_Growing(self._path, self._find_ending))
            with file:
                yield file
                while file.read1():  # behind what says that it is the end, as that of an Arrow stream
                    pass
            if self.ending is Ending.TOLD:
                return
            self._tell(f"{self._path} {_WORDS[self.ending]}")

    def _wait_for_head(self) -> bool:
        while not is_telling(self._read_head()):
            if not self._wait():
                return False
        return True

    def _read_head(self) -> bytes:
        try:
            with self._path.open("rb", buffering=0) as file:
                return file.read(HEAD) or b""
        except FileNotFoundError:  # it was there, and will be there again
            return b""
        except OSError as error:
            raise RecordingError(f"cannot read {self._path}: {error.strerror}") from error

    def _find_ending(self, file: io.FileIO) -> bool:
        # What is read is at its end for now: tell whether that is the end of it. Its size is looked at last, since
        # nothing is written any more to what has been replaced. Who asks again gets the same answer.
        if self.ending:
            return True
        is_replaced = self._is_replaced(file)
        left = os.fstat(file.fileno()).st_size - file.tell()
        if left < 0:
            self.ending = Ending.TRUNCATED
        elif not left and is_replaced:
            self.ending = Ending.REPLACED
        elif not left and not self._wait():
            self.ending = Ending.TOLD
        return self.ending is not None

    def _is_replaced(self, file: io.FileIO) -> bool:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            if not self._is_gone:
                self._tell(f"{self._path} is gone; what is still written to it is read, and what takes its place")
            self._is_gone = True
            return False
        self._is_gone = False
        return not os.path.samestat(found, os.fstat(file.fileno()))


class _Growing(io.FileIO):
    # Has no end until someone finds one.
    def __init__(self, path: Path, find_ending: Callable[[io.FileIO], bool]) -> None:
        super().__init__(path, "rb")
        self._find_ending = find_ending

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401  a type that Python has a name for since 3.12
        while True:
            count = super().readinto(buffer) or 0
            if count or self._find_ending(self):
                return count
