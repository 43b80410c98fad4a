# SPDX-License-Identifier: GPL-2.0-only
"""Rings that an independent writer fills as the kernel does."""

import errno
import mmap
import os
import select
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpio.errors import NotPermitted, UnsupportedKernel
from tcpio.kernel import syscall
from tcpio.kernel.ring import Ring, Rings, drain
from tcpio.schema.batch import Batch, Lost
from tcpio.schema.record import no_records
from tests.unit.kernel.perf_writer import CONTROL_SIZE, PERF_RECORD_THROTTLE, PerfWriter
from tests.unit.samples import make_records, open_fds, times

SAMPLE_SIZE = 88


def ring_of(writer: PerfWriter, cpu: int = 0) -> Ring:
    return Ring(cpu, writer.memory, CONTROL_SIZE)


def write(writer: PerfWriter, *ts_ns: int) -> list[bool]:
    return [writer.write_sample(make_records([moment]).tobytes()) for moment in ts_ns]


def test_an_empty_ring_gives_nothing() -> None:
    writer = PerfWriter(4096)
    batch = drain([ring_of(writer)])

    assert ([], ()) == (times(batch.records), batch.marks)
    assert writer.tail == 0


def test_no_rings_give_nothing() -> None:
    assert times(drain([]).records) == []


def test_what_was_written_is_read_once() -> None:
    writer = PerfWriter(4096)
    ring = ring_of(writer)
    write(writer, 1, 2, 3)

    assert times(drain([ring]).records) == [1, 2, 3]
    assert times(drain([ring]).records) == []


def test_room_is_given_back() -> None:
    writer = PerfWriter(4096)
    write(writer, 1, 2, 3)
    drain([ring_of(writer)])

    assert 3 * SAMPLE_SIZE == writer.tail == writer.head


@pytest.mark.parametrize("count", [1, 3])
def test_what_was_read_stays_when_its_room_is_used_again(count: int) -> None:
    writer = PerfWriter(4096)
    write(writer, *range(1, count + 1))
    records = drain([ring_of(writer)]).records
    writer.memory[CONTROL_SIZE:] = b"\xff" * 4096

    assert times(records) == list(range(1, count + 1))


def test_an_inversion_inside_a_ring_stays_as_it_was_written() -> None:
    writer = PerfWriter(4096)
    write(writer, 100, 300, 200, 400)

    assert times(drain([ring_of(writer)]).records) == [100, 300, 200, 400]


def test_what_found_no_room_is_marked_before_the_next_that_did() -> None:
    writer = PerfWriter(256)
    ring = ring_of(writer, cpu=5)

    assert [True, True, False, False, False] == write(writer, 1, 2, 3, 4, 5)
    assert drain([ring]).marks == ()
    assert [True] == write(writer, 6)
    batch = drain([ring])
    assert [6] == times(batch.records)
    assert (Lost(6, 5, 3),) == batch.marks


def test_several_losses_are_marked_each_at_its_place() -> None:
    writer = PerfWriter(256)
    ring = ring_of(writer)
    marks: list[object] = []
    for first in (10, 20, 30):
        write(writer, first, first + 1, first + 2)
        marks += drain([ring]).marks

    assert marks == [Lost(20, 0, 1), Lost(30, 0, 1)]


@pytest.mark.parametrize("start", [0, 8, 40, 88, 176, 200, 248, 256 * 1000 + 208, (1 << 40) + 232])
def test_a_record_split_at_the_rings_end_comes_back_whole(start: int) -> None:
    writer = PerfWriter(256, start)
    records = make_records([7, 8], laddr="2001:db8::1", raddr="192.0.2.1", bytes=[3, 4], ack=0xDEADBEEF)
    for record in records:
        assert writer.write_sample(record.tobytes())

    assert records.tobytes() == drain([ring_of(writer)]).records.tobytes()


def test_records_of_an_unknown_kind_are_skipped() -> None:
    writer = PerfWriter(4096)
    writer.write_other(PERF_RECORD_THROTTLE, bytes(24))
    write(writer, 1)
    writer.write_other(123, bytes(8))
    write(writer, 2)

    assert times(drain([ring_of(writer)]).records) == [1, 2]
    assert writer.tail == writer.head


def test_rings_are_read_cpu_by_cpu() -> None:
    writers = [PerfWriter(4096) for _ in range(3)]
    for writer, first in zip(writers, (5, 1, 3), strict=True):
        write(writer, first, first + 1)

    assert times(drain([ring_of(writer, cpu) for cpu, writer in enumerate(writers)]).records) == [5, 6, 1, 2, 3, 4]


def test_what_is_written_while_draining_waits_for_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    writer = PerfWriter(4096)
    ring = ring_of(writer)
    write(writer, 1)
    monkeypatch.setattr(syscall, "barrier", lambda: write(writer, 2))

    assert times(drain([ring]).records) == [1]
    monkeypatch.undo()
    assert times(drain([ring]).records) == [2, 2]


def test_the_tail_moves_only_behind_a_barrier_after_the_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    writer = PerfWriter(4096)
    write(writer, 1)
    tails: list[int] = []
    monkeypatch.setattr(syscall, "barrier", lambda: tails.append(writer.tail))
    drain([ring_of(writer)])

    assert tails == [0, 0]
    assert writer.tail == SAMPLE_SIZE


@given(
    size=st.sampled_from([128, 256, 512, 1024]),
    start=st.integers(0, 1 << 40).map(lambda start: start * 8),
    bursts=st.lists(st.integers(0, 15), max_size=30),
)
def test_all_that_was_written_comes_back_and_all_else_is_marked(size: int, start: int, bursts: list[int]) -> None:
    writer = PerfWriter(size, start)
    ring = ring_of(writer, cpu=2)
    moment = refused = read_marks = 0
    expected: list[int | Lost] = []
    found: list[int | Lost] = []
    for burst in bursts:
        for _ in range(burst):
            moment += 1
            unmarked = writer.unmarked
            if write(writer, moment) == [True]:
                expected += [Lost(moment, 2, unmarked)] if unmarked else []
                expected.append(moment)
            else:
                refused += 1
        batch = drain([ring])
        marks = {mark.ts_ns: mark for mark in batch.marks if isinstance(mark, Lost)}
        assert len(marks) == len(batch.marks)
        read_marks += sum(mark.count for mark in marks.values())
        for ts_ns in times(batch.records):
            found += [marks[ts_ns]] if ts_ns in marks else []
            found.append(ts_ns)

    assert expected == found
    assert refused == read_marks + writer.unmarked
    assert writer.tail == writer.head


class FakeCpus:
    """CPUs that come and go, and their rings, without a kernel.

    Each ring is a file in memory; a pipe's end cannot be mapped, and the file cannot be polled for a hangup.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.online: tuple[int, ...] = (0, 1)
        self.refusals: dict[int, OSError] = {}
        self.told: list[int] = []
        self.memories: dict[int, mmap.mmap] = {}
        self.watermarks: set[int] = set()
        self._sizes = mmap.PAGESIZE * 2
        monkeypatch.setattr(syscall, "open_perf_ring", self.open_perf_ring)

    def open_perf_ring(self, cpu: int, watermark: int) -> int:
        if cpu in self.refusals:
            raise self.refusals[cpu]
        self.watermarks.add(watermark)
        fd = os.memfd_create(f"cpu{cpu}")
        os.ftruncate(fd, self._sizes)
        self.memories[cpu] = mmap.mmap(fd, self._sizes)
        return fd

    def set_ring(self, cpu: int, fd: int) -> None:
        os.fstat(fd)  # it is open when the programs are told
        self.told.append(cpu)

    def read_online(self) -> tuple[int, ...]:
        return self.online

    def open(self) -> Rings:
        return Rings(mmap.PAGESIZE, self.set_ring, self.read_online)

    def write(self, cpu: int, *ts_ns: int) -> None:
        writer = PerfWriter(mmap.PAGESIZE)
        for moment in ts_ns:
            assert writer.write_sample(make_records([moment], cpu=cpu).tobytes())
        self.memories[cpu][:] = bytes(writer.memory)


@pytest.fixture
def cpus(monkeypatch: pytest.MonkeyPatch) -> FakeCpus:
    return FakeCpus(monkeypatch)


@pytest.fixture
def no_new_fds() -> Iterator[None]:
    before = open_fds()
    yield
    assert before == open_fds()


def test_each_cpu_that_is_online_has_a_ring(cpus: FakeCpus) -> None:
    with cpus.open() as rings:
        assert rings.cpus == (0, 1)
        assert cpus.told == [0, 1]


def test_the_reader_is_woken_when_an_eighth_is_full(cpus: FakeCpus) -> None:
    with cpus.open():
        assert {mmap.PAGESIZE // 8} == cpus.watermarks


def test_rings_of_all_cpus_are_drained(cpus: FakeCpus) -> None:
    with cpus.open() as rings:
        cpus.write(1, 5, 6)
        cpus.write(0, 7)

        assert times(rings.drain().records) == [7, 5, 6]


def test_a_cpu_that_comes_gets_a_ring(cpus: FakeCpus) -> None:
    with cpus.open() as rings:
        cpus.online = (0, 1, 5)
        assert times(rings.follow_cpus().records) == []
        cpus.write(5, 9)

        assert rings.cpus == (0, 1, 5)
        assert cpus.told == [0, 1, 5]
        assert times(rings.drain().records) == [9]


def test_a_cpu_that_goes_leaves_what_it_held(cpus: FakeCpus) -> None:
    with cpus.open() as rings:
        cpus.write(1, 5, 6)
        cpus.online = (0,)

        assert times(rings.follow_cpus().records) == [5, 6]
        assert rings.cpus == (0,)
        assert times(rings.drain().records) == []


def test_a_cpu_that_returns_gets_a_new_ring(cpus: FakeCpus) -> None:
    with cpus.open() as rings:
        cpus.online = (0,)
        rings.follow_cpus()
        cpus.online = (0, 1)
        rings.follow_cpus()
        cpus.write(1, 8)

        assert cpus.told == [0, 1, 1]
        assert times(rings.drain().records) == [8]


def test_nothing_changes_while_the_cpus_stay(cpus: FakeCpus) -> None:
    with cpus.open() as rings:
        rings.follow_cpus()

        assert cpus.told == [0, 1]


def test_a_cpu_that_goes_while_its_ring_is_opened_is_left_out(cpus: FakeCpus) -> None:
    cpus.refusals = {1: OSError(errno.ENODEV, "No such device")}
    with cpus.open() as rings:
        assert list(rings.cpus) == [0]
        cpus.refusals = {}
        rings.follow_cpus()

        assert list(rings.cpus) == [0, 1]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
def test_a_missing_permission_is_told(cpus: FakeCpus, number: int) -> None:
    cpus.refusals = {0: OSError(number, os.strerror(number))}
    with pytest.raises(NotPermitted, match=r"^the kernel does not permit a perf ring: ") as caught:
        cpus.open()

    assert caught.value.hint == "run as root, or with CAP_PERFMON and CAP_BPF"


def test_a_kernel_without_rings_is_told(cpus: FakeCpus) -> None:
    cpus.refusals = {0: OSError(errno.ENOSYS, "Function not implemented")}
    with pytest.raises(UnsupportedKernel, match=r"^the kernel does not offer perf rings: Function not implemented$"):
        cpus.open()


def test_memory_that_cannot_be_had_is_told(cpus: FakeCpus, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_fd: int, _size: int) -> None:
        raise OSError(errno.ENOMEM, "Cannot allocate memory")

    monkeypatch.setattr("tcpio.kernel.ring.mmap.mmap", refuse)
    monkeypatch.setattr(syscall, "open_perf_ring", lambda _cpu, _watermark: os.memfd_create("ring"))
    with pytest.raises(UnsupportedKernel) as caught:
        cpus.open()

    assert str(caught.value) == f"no memory for the ring of CPU 0, {mmap.PAGESIZE} bytes: Cannot allocate memory"
    assert caught.value.hint == "choose a smaller --buffer-size"


@pytest.mark.usefixtures("no_new_fds")
def test_nothing_stays_open(cpus: FakeCpus) -> None:
    with cpus.open() as rings:
        cpus.online = (1, 2)
        rings.follow_cpus()
    for memory in cpus.memories.values():
        memory.close()
    del rings


def test_a_wait_ends_when_something_else_is_there(cpus: FakeCpus) -> None:
    read_end, write_end = os.pipe()
    cpus.online = ()
    with cpus.open() as rings:
        rings.wait_also_for(read_end)
        os.write(write_end, b"!")
        rings.wait(60)
        os.close(read_end)
        os.close(write_end)


def test_a_wait_of_no_time_ends_at_once(cpus: FakeCpus) -> None:
    with cpus.open() as rings:
        rings.wait(0)
        rings.wait(-1)


def test_the_hung_up_ring_of_a_cpu_does_not_keep_waking(cpus: FakeCpus, monkeypatch: pytest.MonkeyPatch) -> None:
    class Poll:
        """Says that each ring has hung up, as long as it is registered."""

        def __init__(self) -> None:
            self.fds: set[int] = set()

        def register(self, fd: int, _events: int) -> None:
            self.fds.add(fd)

        def unregister(self, fd: int) -> None:
            self.fds.remove(fd)

        def poll(self, _ms: float) -> list[tuple[int, int]]:
            return [(fd, select.POLLHUP) for fd in sorted(self.fds)]

    poll = Poll()
    monkeypatch.setattr("tcpio.kernel.ring.select.poll", lambda: poll)
    with cpus.open() as rings:
        rings.wait(0)
        assert poll.fds == set()
        cpus.write(1, 4)
        cpus.online = (0,)

        assert times(rings.follow_cpus().records) == [4]


def test_a_batch_without_records_has_the_dtype_of_records() -> None:
    assert Batch(no_records()).records.dtype == drain([ring_of(PerfWriter(4096))]).records.dtype
