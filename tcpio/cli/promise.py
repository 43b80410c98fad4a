# SPDX-License-Identifier: GPL-2.0-only
"""Something that is being made in another thread."""

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Promise(Generic[T]):
    """What a function will return.

    concurrent.futures does this too, and takes 5 ms of the start to import.

    Args:
        make: The function; it begins at once.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._results: list[T] = []
        self._errors: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(make,))
        self._thread.start()

    def _run(self, make: Callable[[], T]) -> None:
        try:
            self._results.append(make())
        except BaseException as error:  # noqa: BLE001  it is raised where the result is asked for
            self._errors.append(error)

    def result(self) -> T:
        """Wait for it.

        Raises:
            BaseException: What the function raised.
        """
        self._thread.join()
        for error in self._errors:
            raise error
        return self._results[0]
