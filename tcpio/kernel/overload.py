# SPDX-License-Identifier: GPL-2.0-only
"""What the programs count when the rings are full, if they were made to. It acts and decides nothing."""

import struct

import numpy as np

from tcpio.kernel import syscall
from tcpio.kernel.load import Programs
from tcpio.schema.flags import FLAGS
from tcpio.schema.record import RECEIVE, SEND
from tcpio.schema.tally import Tally

_OVERLOAD, _TALLIES = "overload", "tallies"  # maps of bpf/trace.c
_ONLY = struct.pack("=I", 0)
_NUMBERS = 2 + len(FLAGS)  # u64 members of struct tally
_PERIOD = 1  # the bit of the word in _OVERLOAD that says which of two periods it is

Tallies = tuple[Tally, Tally]
"""What was sent, and what was received."""


class OverloadMaps:
    """Those of a trace whose programs count what finds no room.

    Args:
        programs: The programs.
    """

    def __init__(self, programs: Programs) -> None:
        self._programs = programs
        self._taken: dict[int, Tallies] = {0: (Tally(), Tally()), _PERIOD: (Tally(), Tally())}

    def read_since(self) -> int:
        """Read when segments began to be counted, in ns on CLOCK_MONOTONIC; 0 if they are printed."""
        return self._read_word() & ~_PERIOD

    def end(self) -> Tallies:
        """Let segments be printed again, and give what was counted until then; what is counted later is apart."""
        period = self._read_word() & _PERIOD
        self._programs.set_element(_OVERLOAD, _ONLY, struct.pack("=Q", period ^ _PERIOD))
        syscall.wait_for_running_programs()
        now, before = self._read(period), self._taken[period]
        self._taken[period] = now
        return now[0] - before[0], now[1] - before[1]

    def read_counted(self) -> int:
        """Read how many segments were counted since the programs run."""
        return sum(tally.segments for period in self._taken for tally in self._read(period))

    def _read_word(self) -> int:
        return int(struct.unpack("=Q", self._programs.read_element(_OVERLOAD, _ONLY))[0])

    def _read(self, period: int) -> Tallies:
        return self._read_tally(SEND, period), self._read_tally(RECEIVE, period)

    def _read_tally(self, direction: int, period: int) -> Tally:
        which = struct.pack("=I", direction + 2 * period)
        values = np.frombuffer(self._programs.read_element(_TALLIES, which), np.uint64)
        segments, size, *flags = values.reshape(-1, _NUMBERS).sum(axis=0).tolist()
        return Tally(segments, size, tuple(flags))
