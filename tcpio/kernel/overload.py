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


class OverloadMaps:
    """Those of a trace whose programs count what finds no room.

    Args:
        programs: The programs.
    """

    def __init__(self, programs: Programs) -> None:
        self._programs = programs

    def read_since(self) -> int:
        """Read when segments began to be counted, in ns on CLOCK_MONOTONIC; 0 if they are printed."""
        return int(struct.unpack("=Q", self._programs.read_element(_OVERLOAD, _ONLY))[0])

    def end(self) -> None:
        """Let segments be printed again, and wait for programs that still count."""
        self._programs.set_element(_OVERLOAD, _ONLY, bytes(8))
        syscall.wait_for_running_programs()

    def read_tallies(self) -> tuple[Tally, Tally]:
        """Read what was counted since the programs run: sent, received."""
        return self._read_tally(SEND), self._read_tally(RECEIVE)

    def _read_tally(self, direction: int) -> Tally:
        values = np.frombuffer(self._programs.read_element(_TALLIES, struct.pack("=I", direction)), np.uint64)
        segments, size, *flags = values.reshape(-1, _NUMBERS).sum(axis=0).tolist()
        return Tally(segments, size, tuple(flags))
