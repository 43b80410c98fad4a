# SPDX-License-Identifier: GPL-2.0-only
"""The perf ring of each CPU, read in blocks.

The protocol is that of perf_event_open(2), "MMAP layout": the kernel moves data_head, the reader data_tail; the reader
must see what lies before data_head (an acquire) and must have read it before it moves data_tail (a release).
"""

import contextlib
import errno
import mmap
import os
import select
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TypeAlias

import numpy as np

from tcpio.errors import NotPermitted, UnsupportedKernel
from tcpio.kernel import syscall
from tcpio.kernel.perf_records import Block, decode
from tcpio.schema.batch import Batch, copied, join

# struct perf_event_mmap_page, in u64 words
_DATA_HEAD = 1024 // 8
_DATA_TAIL = 1032 // 8

_WAKE_FRACTION = 8  # a reader is woken when this part of a ring is full

Memory: TypeAlias = mmap.mmap | bytearray


class Ring:
    """One CPU's ring.

    Args:
        cpu: The CPU.
        memory: The control page and behind it the data, a power of two of bytes.
        control_size: Bytes of the control page.
    """

    def __init__(self, cpu: int, memory: Memory, control_size: int = mmap.PAGESIZE) -> None:
        self.cpu = cpu
        self._control = np.frombuffer(memory, np.uint64, control_size // 8)
        self._data: Block = np.frombuffer(memory, np.uint8, offset=control_size)

    def read_head(self) -> int:
        """Read how far the kernel has written; a barrier must follow before the data is read."""
        return int(self._control[_DATA_HEAD])

    def read(self, head: int) -> Block:
        """Give what was written since the last release, up to ``head``: where it lies, or in one piece of its own."""
        tail = int(self._control[_DATA_TAIL])
        size = len(self._data)
        length, start = head - tail, tail % size
        block = self._data[start : start + length]
        return block if len(block) == length else np.concatenate((block, self._data[: length - len(block)]))

    def release(self, head: int) -> None:
        """Give what lies before ``head`` back to the kernel: once it has been copied, and behind a barrier."""
        self._control[_DATA_TAIL] = head


def drain(rings: Iterable[Ring]) -> Batch:
    """Take what all rings hold, CPU by CPU.

    Each ring is read up to where it was when this began, so a busy CPU cannot keep the others waiting.
    """
    heads = [(ring, ring.read_head()) for ring in rings]
    syscall.barrier()
    batch = copied([decode(ring.read(head), ring.cpu) for ring, head in heads])
    syscall.barrier()
    for ring, head in heads:
        ring.release(head)
    return batch


class Rings:
    """The rings of all CPUs that are online.

    Args:
        size: Bytes of one ring: a power of two of pages.
        set_ring: Tells the programs of a CPU the file descriptor of its ring.
        read_online: Reads which CPUs are online.

    Raises:
        UnsupportedKernel: A ring cannot be had.
    """

    def __init__(
        self, size: int, set_ring: Callable[[int, int], None], read_online: Callable[[], tuple[int, ...]]
    ) -> None:
        self._size = size
        self._set_ring = set_ring
        self._read_online = read_online
        self._open: dict[int, tuple[int, mmap.mmap, Ring]] = {}
        self._hung_up: set[int] = set()
        self._poll = select.poll()
        self.follow_cpus()

    @property
    def cpus(self) -> tuple[int, ...]:
        """The CPUs that have a ring."""
        return tuple(self._open)

    def follow_cpus(self) -> Batch:
        """Open rings for CPUs that came, close those of CPUs that went.

        Returns:
            What the closed ones still held.
        """
        online = self._read_online()
        gone = [self._close(cpu) for cpu in self.cpus if cpu not in online or self._open[cpu][0] in self._hung_up]
        for cpu in online:
            if cpu not in self._open:
                self._open_ring(cpu)
        return join(gone)

    def _open_ring(self, cpu: int) -> None:
        try:
            fd = syscall.open_perf_ring(cpu, self._size // _WAKE_FRACTION)
        except OSError as error:
            if error.errno == errno.ENODEV:  # it went offline in this moment
                return
            raise _refused(error) from error
        try:
            memory = mmap.mmap(fd, mmap.PAGESIZE + self._size)
        except OSError as error:
            os.close(fd)
            raise UnsupportedKernel(
                f"no memory for the ring of CPU {cpu}, {self._size} bytes: {error.strerror}",
                hint="choose a smaller --buffer-size",
            ) from error
        self._open[cpu] = (fd, memory, Ring(cpu, memory))
        self._poll.register(fd, select.POLLIN)
        self._set_ring(cpu, fd)

    def _close(self, cpu: int) -> Batch:
        fd, _, ring = self._open.pop(cpu)
        left = drain([ring])
        self._poll_without(fd)
        self._hung_up.discard(fd)
        os.close(fd)  # the memory goes when the last array that looks into it does
        return left

    def _poll_without(self, fd: int) -> None:
        with contextlib.suppress(KeyError):  # wait() saw that its CPU went
            self._poll.unregister(fd)

    def wait_also_for(self, fd: int) -> None:
        """Let wait() return when this can be read, too."""
        self._poll.register(fd, select.POLLIN)

    def wait(self, seconds: float) -> None:
        """Wait until a ring is filling, or so long."""
        for fd, events in self._poll.poll(max(seconds, 0) * 1000):
            if not events & select.POLLIN:  # the event of a CPU that went offline hangs up for good, even if it returns
                self._poll_without(fd)
                self._hung_up.add(fd)

    def drain(self) -> Batch:
        """Take what all rings hold, CPU by CPU."""
        return drain([ring for _, _, ring in self._open.values()])

    def __enter__(self) -> "Rings":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for cpu in self.cpus:
            self._close(cpu)


def _refused(error: OSError) -> UnsupportedKernel:
    if error.errno in (errno.EACCES, errno.EPERM):
        return NotPermitted(
            f"the kernel does not permit a perf ring: {error.strerror}",
            hint="run as root, or with CAP_PERFMON and CAP_BPF",
        )
    return UnsupportedKernel(f"the kernel does not offer perf rings: {error.strerror}")
