# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own counters while something is counted: what belongs to no socket, and what all is held against."""

from collections.abc import Sequence

from tcpio.kernel.mibs import Mibs, difference, read_mibs
from tcpio.schema.counters import Counter

Reading = dict[int, Mibs]
"""Inode of a namespace -> its counters."""


class Host:
    """Reads them.

    Args:
        netns: Inode of the only namespace; None is all that can be found.
        counters: Those that are shown; none of them needs no reading.

    Attributes:
        refusal: Why they cannot be read; empty if they can.
    """

    def __init__(self, netns: int | None, counters: Sequence[Counter]) -> None:
        self.refusal = ""
        self._netns = netns
        self._counters = counters
        self._first: Reading = {}
        self._last: Reading = {}

    def begin(self) -> None:
        """Read what differences are taken from."""
        self._first = self._last = self.read() if self._counters else {}

    def read(self) -> Reading:
        """Read the counters as they are now; none if that is not permitted."""
        if self.refusal:
            return {}
        try:
            return read_mibs(self._netns)
        except PermissionError as error:
            self.refusal = f"{error.strerror}"
            return {}

    def since_begin(self) -> dict[Counter, int]:
        """Give what was counted since the beginning."""
        return self._to_counters(self._first, self.read() if self._counters else {})

    def since_last(self) -> dict[Counter, int]:
        """Give what was counted since this was called the last time."""
        before, self._last = self._last, self.read() if self._counters else {}
        return self._to_counters(before, self._last)

    def _to_counters(self, before: Reading, after: Reading) -> dict[Counter, int]:
        found = difference(before, after)
        return {counter: found[counter.key] for counter in self._counters if counter.key in found}
