# SPDX-License-Identifier: GPL-2.0-only
"""The bytes that system calls are given, and what is made of the answers."""

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Callable

import pytest

from tcpio.errors import UnsupportedKernel
from tcpio.kernel import syscall

X86_BPF, X86_PERF_EVENT_OPEN, X86_MEMBARRIER = 321, 298, 324


def bytes_of(buffer: object, size: int) -> bytes:
    assert isinstance(buffer, ctypes.Array)
    return bytes(buffer)[:size]


class Libc:
    """Answers system calls instead of the kernel, and remembers them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, machine: str = "x86_64") -> None:
        self.calls: list[tuple[object, ...]] = []
        self.answers: list[int | OSError] = []
        self.act: Callable[..., None] = lambda *_: None
        monkeypatch.setattr(syscall, "_libc", self)
        monkeypatch.setattr(platform, "machine", lambda: machine)

    def syscall(self, number: ctypes.c_long, *arguments: object) -> int:
        self.calls.append((number.value, *arguments))
        self.act(*arguments)
        answer = self.answers.pop(0) if self.answers else 7
        if isinstance(answer, OSError):
            ctypes.set_errno(answer.errno or 0)
            return -1
        return answer


@pytest.fixture
def libc(monkeypatch: pytest.MonkeyPatch) -> Libc:
    return Libc(monkeypatch)


def test_an_unknown_machine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    Libc(monkeypatch, "pdp11")
    with pytest.raises(UnsupportedKernel, match=r"^tcpio does not know the system calls of pdp11$"):
        syscall.open_perf_ring(0, 1)


@pytest.mark.parametrize(
    ("machine", "number"), [("x86_64", 298), ("aarch64", 241), ("riscv64", 241), ("s390x", 331), ("ppc64le", 319)]
)
def test_numbers_are_the_machines(machine: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    libc = Libc(monkeypatch, machine)
    syscall.open_perf_ring(0, 1)

    assert number == libc.calls[0][0]


def test_a_ring_wakes_by_its_watermark(libc: Libc) -> None:
    assert syscall.open_perf_ring(3, 512) == 7
    number, attributes, pid, cpu, group, flags = libc.calls[0]

    assert (number, pid, cpu, group, flags) == (X86_PERF_EVENT_OPEN, -1, 3, -1, 8)
    # perf_event_attr: type, size, config, sample_period, sample_type, read_format, bits, wakeup_watermark
    assert struct.unpack_from("=IIQQQQQI", bytes_of(attributes, 128)) == (1, 128, 10, 1, 1 << 10, 0, 1 << 14, 512)


def test_a_kprobe_is_opened_by_its_functions_name(libc: Libc) -> None:
    seen: list[bytes] = []

    def read_name(attributes: ctypes.Array[ctypes.c_char], *_: object) -> None:
        (address,) = struct.unpack_from("=Q", attributes.raw, 56)  # perf_event_attr.kprobe_func
        seen.append(ctypes.string_at(address))

    libc.act = read_name

    assert syscall.open_kprobe(8, "tcp_v4_rcv") == 7
    assert struct.unpack_from("=II", bytes_of(libc.calls[0][1], 8)) == (8, 128)
    assert seen == [b"tcp_v4_rcv"]


def test_a_program_is_loaded_with_its_type_and_target(libc: Libc) -> None:
    assert syscall.load_program(26, syscall.EMPTY_PROGRAM, attach_type=24, btf_id=99) == 7
    number, command, attributes, size = libc.calls[0]
    raw = bytes_of(attributes, 256)

    assert (number, command, len(raw)) == (X86_BPF, 5, size)
    assert struct.unpack_from("=II", raw) == (26, 2)  # type, instructions
    assert raw[48:64] == b"tcpio".ljust(16, b"\0")  # prog_name
    assert struct.unpack_from("=I", raw, 68) == (24,)  # expected_attach_type
    assert struct.unpack_from("=I", raw, 108) == (99,)  # attach_btf_id


def test_a_refused_program_is_loaded_again_for_the_reasons(libc: Libc) -> None:
    libc.answers = [OSError(errno.EINVAL, ""), OSError(errno.EINVAL, "")]

    def write_log(_command: int, attributes: ctypes.Array[ctypes.c_char], _size: int) -> None:
        level, size, address = struct.unpack_from("=IIQ", attributes.raw, 24)
        if level:
            said = b"0: (b7) r0 = 0\nR1 is not a pointer\nprocessed 1 insns\nstack depth 0\n"
            assert size > len(said)
            ctypes.memmove(address, said, len(said))

    libc.act = write_log
    with pytest.raises(OSError, match="Invalid argument") as caught:
        syscall.load_program(17, syscall.EMPTY_PROGRAM)

    assert (caught.value.errno, caught.value.filename) == (errno.EINVAL, "R1 is not a pointer")
    assert len(libc.calls) == 2


def test_a_refused_program_may_have_no_reasons(libc: Libc) -> None:
    libc.answers = [OSError(errno.EINVAL, ""), OSError(errno.EINVAL, "")]
    with pytest.raises(OSError, match="Invalid argument") as caught:
        syscall.load_program(17, syscall.EMPTY_PROGRAM)

    assert caught.value.filename is None


def test_a_program_that_is_taken_the_second_time_is_loaded(libc: Libc) -> None:
    libc.answers = [OSError(errno.EAGAIN, ""), 9]

    assert syscall.load_program(17, syscall.EMPTY_PROGRAM) == 9


def test_a_missing_permission_needs_no_reasons(libc: Libc) -> None:
    libc.answers = [OSError(errno.EPERM, "")]
    with pytest.raises(PermissionError):
        syscall.load_program(17, syscall.EMPTY_PROGRAM)

    assert len(libc.calls) == 1


def test_an_error_of_the_kernels_own_has_words(libc: Libc) -> None:
    libc.answers = [OSError(524, "")]
    with pytest.raises(OSError, match="not supported by this kernel"):
        syscall.attach_raw_tracepoint(3, "net_dev_queue")


@pytest.mark.parametrize("name", ["net_dev_queue", None])
def test_a_raw_tracepoint_is_named_and_fentry_is_not(libc: Libc, name: str | None) -> None:
    seen: list[tuple[str | None, int]] = []

    def read_name(_command: int, attributes: ctypes.Array[ctypes.c_char], _size: int) -> None:
        address, fd = struct.unpack_from("=QI", attributes.raw)
        seen.append((ctypes.string_at(address).decode() if address else None, fd))

    libc.act = read_name
    syscall.attach_raw_tracepoint(3, name)

    assert [(name, 3)] == seen
    assert libc.calls[0][:2] == (X86_BPF, 17)


def test_a_perf_link_names_program_and_event(libc: Libc) -> None:
    syscall.attach_perf_link(3, 4)

    assert libc.calls[0][:2] == (X86_BPF, 28)
    assert struct.unpack_from("=III", bytes_of(libc.calls[0][2], 12)) == (3, 4, 41)


def tell(at: int, value: int, known: int) -> Callable[..., None]:
    """What a kernel does that knows so many bytes of a struct, with this number in it."""

    def act(_command: int, attributes: ctypes.Array[ctypes.c_char], _size: int) -> None:
        _, size, address = struct.unpack_from("=IIQ", attributes.raw)
        assert size >= known
        struct.pack_into("=I", attributes, 4, known)
        ctypes.memmove(address, (bytes(at) + struct.pack("=Q", value))[:known].ljust(known, b"\0"), known)

    return act


@pytest.mark.parametrize(("known", "count"), [(216, 5), (232, 5), (208, None), (215, None), (0, None)])
def test_recursion_misses_are_read_where_the_kernel_has_them(libc: Libc, known: int, count: int | None) -> None:
    libc.act = tell(208, 5, known)

    assert count == syscall.read_recursion_misses(3)


@pytest.mark.parametrize(("known", "count"), [(56, 5), (64, 5), (48, None), (55, None)])
def test_kprobe_misses_are_read_where_the_kernel_has_them(libc: Libc, known: int, count: int | None) -> None:
    libc.act = tell(48, 5, known)

    assert count == syscall.read_kprobe_misses(3)


def test_x86_needs_no_barrier(libc: Libc) -> None:
    syscall.barrier()

    assert libc.calls == []


def test_other_machines_do(monkeypatch: pytest.MonkeyPatch) -> None:
    libc = Libc(monkeypatch, "aarch64")
    syscall.barrier()

    assert libc.calls == [(283, 2, 0, 0)]


def test_running_programs_are_waited_for(libc: Libc) -> None:
    syscall.wait_for_running_programs()

    assert libc.calls == [(X86_MEMBARRIER, 1, 0, 0)]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS])
def test_a_kernel_that_cannot_wait_does_not(libc: Libc, number: int) -> None:
    libc.answers = [OSError(number, "")]
    syscall.wait_for_running_programs()


def test_any_other_failure_to_wait_is_told(libc: Libc) -> None:
    libc.answers = [OSError(errno.EPERM, "")]
    with pytest.raises(PermissionError):
        syscall.wait_for_running_programs()


def test_an_empty_program_is_two_instructions() -> None:
    assert bytes.fromhex("b7000000000000009500000000000000") == syscall.EMPTY_PROGRAM


def test_this_machine_is_known() -> None:
    assert os.uname().machine in syscall._NUMBERS


def test_a_map_is_made_with_its_dimensions(libc: Libc) -> None:
    syscall.create_map(syscall.MapSpec("events", 4, 5, 6, 7))

    assert libc.calls[0][:2] == (X86_BPF, 0)
    assert struct.unpack_from("=IIIIIII16s", bytes_of(libc.calls[0][2], 44)) == (
        4,
        5,
        6,
        7,
        0,
        0,
        0,
        b"events" + bytes(10),
    )


def test_the_dimensions_of_a_map_are_read_back(libc: Libc) -> None:
    def act(_command: int, attributes: ctypes.Array[ctypes.c_char], _size: int) -> None:
        _, size, address = struct.unpack_from("=IIQ", attributes.raw)
        ctypes.memmove(address, struct.pack("=IIIIII16s", 4, 99, 5, 6, 7, 0, b"events"), size)

    libc.act = act

    assert syscall.read_map_spec(3) == syscall.MapSpec("events", 4, 5, 6, 7)


def test_an_element_is_set_by_key_and_value(libc: Libc) -> None:
    seen: list[tuple[int, ...]] = []

    def act(_command: int, attributes: ctypes.Array[ctypes.c_char], _size: int) -> None:
        fd, _, key, value, flags = struct.unpack("=IIQQQ", attributes.raw)
        seen.append((fd, ctypes.c_uint32.from_address(key).value, ctypes.c_uint32.from_address(value).value, flags))

    libc.act = act
    syscall.update_map(3, 1, 70)

    assert seen == [(3, 1, 70, 0)]


def test_every_cpus_value_is_read(libc: Libc) -> None:
    def act(_command: int, attributes: ctypes.Array[ctypes.c_char], _size: int) -> None:
        _, _, key, values, _ = struct.unpack("=IIQQQ", attributes.raw)
        outcome = ctypes.c_uint32.from_address(key).value
        ctypes.memmove(values, struct.pack("=QQ", 10 * outcome, 10 * outcome + 1), 16)

    libc.act = act

    assert syscall.read_percpu(3, 2, 2) == (20, 21)


def test_a_limit_that_may_not_be_lifted_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr("tcpio.kernel.syscall.resource.setrlimit", refuse)

    syscall.lift_memory_limit()


def _batches(libc: Libc, *batches: tuple[bytes, bytes, OSError | int]) -> None:
    # Answers BPF_MAP_LOOKUP_BATCH: keys and values of so many elements, and how the call ends.
    left = list(batches)
    libc.answers = [answer for _, _, answer in batches]

    def act(command: int, attributes: ctypes.Array[ctypes.c_char], size: int) -> None:
        keys, values, _ = left.pop(0)
        _, _, keys_at, values_at, at_once, fd = struct.unpack_from("=QQQQII", attributes.raw)
        ctypes.memmove(keys_at, keys, len(keys))
        ctypes.memmove(values_at, values, len(values))
        struct.pack_into("=I", attributes, 32, len(keys) // 2)
        assert (command, size, at_once, fd) == (24, 56, 3, 9)

    libc.act = act


def test_elements_are_read_some_at_once_until_there_are_no_more(libc: Libc) -> None:
    end = OSError(errno.ENOENT, "")
    _batches(libc, (b"aabbcc", b"111122223333", 0), (b"dd", b"4444", end))

    assert list(syscall.read_elements(9, 2, 4, 3)) == [(b"aabbcc", b"111122223333"), (b"dd", b"4444")]
    first, second = (struct.unpack_from("=QQ", bytes_of(call[2], 56)) for call in libc.calls)
    assert first[0] == 0
    assert second[0] == second[1] == first[1]


def test_elements_that_cannot_be_read_are_an_error(libc: Libc) -> None:
    _batches(libc, (b"", b"", OSError(errno.ENOSPC, "")))
    with pytest.raises(OSError, match="No space left"):
        list(syscall.read_elements(9, 2, 4, 3))


def test_an_element_is_set_read_and_deleted(libc: Libc) -> None:
    seen: list[tuple[object, ...]] = []

    def act(command: int, attributes: ctypes.Array[ctypes.c_char], _: int) -> None:
        fd, _, key_at, value_at, flags = struct.unpack_from("=IIQQQ", attributes.raw)
        if command == 1:
            ctypes.memmove(value_at, b"found", 5)
        value = ctypes.string_at(value_at, 5) if value_at else b""
        seen.append((command, fd, ctypes.string_at(key_at, 3), value, flags))

    libc.act = act
    syscall.set_element(9, b"key", b"value")
    found = syscall.read_element(9, b"key", 5)
    syscall.delete_element(9, b"key")

    assert found == b"found"
    assert seen == [(2, 9, b"key", b"value", 0), (1, 9, b"key", b"found", 0), (3, 9, b"key", b"", 0)]
