# SPDX-License-Identifier: GPL-2.0-only
"""A ring as the kernel writes it (kernel/events/ring_buffer.c), for tests to read.

It shares nothing with the reader but the memory: sizes and numbers are from perf_event_open(2).
"""

import struct

CONTROL_SIZE = 4096
DATA_HEAD = 1024
DATA_TAIL = 1032

PERF_RECORD_LOST = 2
PERF_RECORD_THROTTLE = 5
PERF_RECORD_SAMPLE = 9


class PerfWriter:
    """The kernel's end of a ring.

    Args:
        size: Bytes of data, a power of two.
        start: Where head and tail begin: they count on for ever.
    """

    def __init__(self, size: int, start: int = 0) -> None:
        self.memory = bytearray(CONTROL_SIZE + size)
        self._size = size
        self._lost = 0
        self._put(DATA_HEAD, start)
        self._put(DATA_TAIL, start)

    def _put(self, at: int, value: int) -> None:
        struct.pack_into("=Q", self.memory, at, value)

    def _get(self, at: int) -> int:
        value: int = struct.unpack_from("=Q", self.memory, at)[0]
        return value

    @property
    def tail(self) -> int:
        """How far the reader has given back."""
        return self._get(DATA_TAIL)

    @property
    def head(self) -> int:
        """How far was written."""
        return self._get(DATA_HEAD)

    @property
    def unmarked(self) -> int:
        """How many samples were refused since the last PERF_RECORD_LOST."""
        return self._lost

    def _has_room(self, size: int) -> bool:
        # One byte stays free, so that full and empty differ (CIRC_SPACE).
        return self.head - self.tail + size < self._size

    def _append(self, data: bytes) -> None:
        head = self.head
        for index, byte in enumerate(data):
            self.memory[CONTROL_SIZE + (head + index) % self._size] = byte
        self._put(DATA_HEAD, head + len(data))

    def write_sample(self, raw: bytes) -> bool:
        """Write raw data as bpf_perf_event_output() does; False if there was no room."""
        padding = -(4 + len(raw)) % 8
        body = struct.pack("=I", len(raw) + padding) + raw + bytes(padding)
        sample = struct.pack("=IHH", PERF_RECORD_SAMPLE, 0, 8 + len(body)) + body
        lost = struct.pack("=IHHQQ", PERF_RECORD_LOST, 0, 24, 77, self._lost) if self._lost else b""
        if not self._has_room(len(lost) + len(sample)):
            self._lost += 1
            return False
        self._append(lost + sample)
        self._lost = 0
        return True

    def write_other(self, kind: int, body: bytes) -> None:
        """Write a record of another kind."""
        self._append(struct.pack("=IHH", kind, 0, 8 + len(body)) + body)
