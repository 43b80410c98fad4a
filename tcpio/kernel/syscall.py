# SPDX-License-Identifier: GPL-2.0-only
"""The system calls that Python has no name for: bpf(2), perf_event_open(2), membarrier(2)."""

import contextlib
import ctypes
import errno
import os
import platform
import resource
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from tcpio.errors import UnsupportedKernel

if TYPE_CHECKING:
    _Buffer: TypeAlias = ctypes.Array[ctypes.c_char]


class _Numbers(NamedTuple):
    bpf: int
    perf_event_open: int
    membarrier: int


# arch/*/entry/syscalls/*.tbl and include/uapi/asm-generic/unistd.h
_GENERIC = _Numbers(bpf=280, perf_event_open=241, membarrier=283)
_NUMBERS = {
    "x86_64": _Numbers(bpf=321, perf_event_open=298, membarrier=324),
    "aarch64": _GENERIC,
    "riscv64": _GENERIC,
    "loongarch64": _GENERIC,
    "s390x": _Numbers(bpf=351, perf_event_open=331, membarrier=356),
    "ppc64le": _Numbers(bpf=361, perf_event_open=319, membarrier=365),
}

# include/uapi/linux/bpf.h: enum bpf_cmd
_BPF_MAP_CREATE = 0
_BPF_MAP_LOOKUP_ELEM = 1
_BPF_MAP_UPDATE_ELEM = 2
_BPF_MAP_DELETE_ELEM = 3
_BPF_PROG_LOAD = 5
_BPF_OBJ_GET_INFO_BY_FD = 15
_BPF_RAW_TRACEPOINT_OPEN = 17
_BPF_MAP_LOOKUP_BATCH = 24
_BPF_LINK_CREATE = 28

# enum bpf_map_type
_PERCPU_HASH, _PERCPU_ARRAY = 5, 6
PER_CPU = frozenset({_PERCPU_HASH, _PERCPU_ARRAY})
"""Maps that have a value for each possible CPU."""

# enum bpf_prog_type, enum bpf_attach_type
PROG_TYPE_KPROBE = 2
PROG_TYPE_RAW_TRACEPOINT = 17
PROG_TYPE_TRACING = 26
TRACE_RAW_TP = 23
TRACE_RAW_TP = 23
TRACE_FENTRY = 24
TRACE_FEXIT = 25
_BPF_PERF_EVENT = 41

EMPTY_PROGRAM = struct.pack("=BBhiBBhi", 0xB7, 0, 0, 0, 0x95, 0, 0, 0)
"""``r0 = 0; exit``, to see whether the kernel takes a kind of program."""
_INSTRUCTION_SIZE = 8
_LICENSE = ctypes.create_string_buffer(b"GPL")
_LOG_SIZE = 1 << 20

_MAP_INFO = struct.Struct("=IIIIII16s")  # struct bpf_map_info, as far as it is used

# struct bpf_prog_info: where recursion_misses lies (Linux 5.12, 9ed9e9ba2337 "bpf: Count the number of times
# recursion was prevented"); the kernel gives back how much of the struct it knows.
_PROG_INFO_SIZE = 256
_RECURSION_MISSES = 208
# struct bpf_link_info: perf_event.kprobe.missed (Linux 6.7, 3acf8ace6823 "bpf: Add missed value to kprobe perf
# link info"; the same series counts what trace_call_bpf() skips as recursion_misses).
_LINK_INFO_SIZE = 256
_KPROBE_MISSED = 48

# include/uapi/linux/perf_event.h
_PERF_TYPE_SOFTWARE = 1
_PERF_COUNT_SW_BPF_OUTPUT = 10
_PERF_SAMPLE_RAW = 1 << 10
_PERF_ATTR = struct.Struct("IIQQQQQIIQQQQIiQIIHHIQ")
_PERF_FLAG_FD_CLOEXEC = 8
_ATTR_WATERMARK = 1 << 14
PERF_EVENT_IOC_ENABLE = 0x2400
PERF_EVENT_IOC_SET_BPF = 0x40042408

# include/uapi/linux/prctl.h, include/uapi/linux/securebits.h
_PR_GET_SECUREBITS = 27
_PR_SET_SECUREBITS = 28
_SECBIT_NO_SETUID_FIXUP = 1 << 2

# include/uapi/linux/membarrier.h
_MEMBARRIER_CMD_GLOBAL = 1 << 0
_MEMBARRIER_CMD_GLOBAL_EXPEDITED = 1 << 1

_libc = ctypes.CDLL(None, use_errno=True)


def _numbers() -> _Numbers:
    machine = platform.machine()
    if machine not in _NUMBERS:
        raise UnsupportedKernel(f"tcpio does not know the system calls of {machine}")
    return _NUMBERS[machine]


def _call(number: int, *arguments: object) -> int:
    result: int = _libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code) if code != _ENOTSUPP else "not supported by this kernel")
    return result


_ENOTSUPP = 524  # the kernel's own, which strerror(3) does not know


def _bpf(command: int, attributes: bytes) -> int:
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    return _call(_numbers().bpf, command, buffer, len(attributes))


class MapSpec(NamedTuple):
    """The dimensions of a map: what BPF_MAP_CREATE takes."""

    name: str
    type: int
    key_size: int
    value_size: int
    max_entries: int


def read_map_spec(fd: int) -> MapSpec:
    """Read the dimensions of a map (struct bpf_map_info)."""
    info = _info(fd, _MAP_INFO.size, _MAP_INFO.size) or bytes(_MAP_INFO.size)
    map_type, _, key_size, value_size, max_entries, _, name = _MAP_INFO.unpack(info)
    return MapSpec(name.rstrip(b"\0").decode(), map_type, key_size, value_size, max_entries)


def create_map(spec: MapSpec) -> int:
    """Create a map, and give its file descriptor.

    Raises:
        OSError: The kernel refused.
    """
    attributes = struct.pack(
        "=IIIIIII16s",
        *(spec.type, spec.key_size, spec.value_size, spec.max_entries),
        *(0, 0, 0),  # flags, inner map, NUMA node
        spec.name.encode(),
    )
    return _bpf(_BPF_MAP_CREATE, attributes)


def update_map(fd: int, key: int, value: int) -> None:
    """Set an element of a map whose keys and values are u32."""
    set_element(fd, struct.pack("=I", key), struct.pack("=I", value))


def set_element(fd: int, key: bytes, value: bytes) -> None:
    """Set an element of a map."""
    element = ctypes.create_string_buffer(key + value)
    at = ctypes.addressof(element)
    _bpf(_BPF_MAP_UPDATE_ELEM, struct.pack("=IIQQQ", fd, 0, at, at + len(key), 0))


def delete_element(fd: int, key: bytes) -> None:
    """Delete an element of a map.

    Raises:
        OSError: ENOENT if there is none.
    """
    buffer = ctypes.create_string_buffer(key, len(key))
    _bpf(_BPF_MAP_DELETE_ELEM, struct.pack("=IIQQQ", fd, 0, ctypes.addressof(buffer), 0, 0))


def read_element(fd: int, key: bytes, size: int) -> bytes:
    """Read an element of a map.

    Args:
        fd: The map.
        key: The element's.
        size: Bytes of the value; of a per-CPU map, those of all possible CPUs, each rounded up to 8.

    Raises:
        OSError: ENOENT if there is none.
    """
    where, value = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(size)
    _bpf(_BPF_MAP_LOOKUP_ELEM, struct.pack("=IIQQQ", fd, 0, ctypes.addressof(where), ctypes.addressof(value), 0))
    return value.raw


def read_elements(fd: int, key_size: int, size: int, at_once: int) -> Iterator[tuple[bytes, bytes]]:
    """Read all elements of a hash map, some at once (Linux 5.6); what comes and goes meanwhile may be missing.

    Args:
        fd: The map.
        key_size: Bytes of a key.
        size: Bytes of a value, as in ``read_element``.
        at_once: How many elements to read with one call; at least as many as collide in one of the map's own buckets.

    Yields:
        Keys and values, each joined.

    Raises:
        OSError: ENOSPC if ``at_once`` is too small.
    """
    keys, values = ctypes.create_string_buffer(key_size * at_once), ctypes.create_string_buffer(size * at_once)
    position = ctypes.create_string_buffer(max(key_size, 4))
    begun = False
    while True:
        count, is_last = _read_batch(fd, position, keys, values, at_once, begun=begun)
        yield keys.raw[: count * key_size], values.raw[: count * size]
        if is_last:
            return
        begun = True


def _read_batch(
    fd: int, position: "_Buffer", keys: "_Buffer", values: "_Buffer", at_once: int, *, begun: bool
) -> tuple[int, bool]:
    # How many elements were read, and whether they were the last.
    at = ctypes.addressof(position)
    attributes = ctypes.create_string_buffer(
        struct.pack(
            "=QQQQIIQQ",
            *(at if begun else 0, at, ctypes.addressof(keys), ctypes.addressof(values)),
            *(at_once, fd, 0, 0),  # no flags
        ),
        _BATCH_SIZE,
    )
    is_last = False
    try:
        _call(_numbers().bpf, _BPF_MAP_LOOKUP_BATCH, attributes, _BATCH_SIZE)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        is_last = True
    return int(struct.unpack_from("=I", attributes.raw, _BATCH_COUNT)[0]), is_last


_BATCH_SIZE = 56  # union bpf_attr: the struct for BPF_MAP_*_BATCH commands
_BATCH_COUNT = 32


def read_percpu(fd: int, key: int, cpus: int) -> tuple[int, ...]:
    """Read an element of a map whose keys are u32 and which has a u64 for each CPU.

    Args:
        fd: The map.
        key: The element's.
        cpus: How many CPUs are possible.
    """
    return struct.unpack(f"={cpus}Q", read_element(fd, struct.pack("=I", key), 8 * cpus))


def lift_memory_limit() -> None:
    """Let maps and rings have the memory they need: before Linux 5.11 it counts as locked (RLIMIT_MEMLOCK)."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def load_program(prog_type: int, code: bytes, *, attach_type: int = 0, btf_id: int = 0) -> int:
    """Load a program.

    Args:
        prog_type: PROG_TYPE_KPROBE, ...
        code: Its instructions.
        attach_type: TRACE_FENTRY, TRACE_FEXIT or TRACE_RAW_TP, for PROG_TYPE_TRACING.
        btf_id: The id of the function, or of the tracepoint's type, in the kernel's BTF, for PROG_TYPE_TRACING.

    Returns:
        Its file descriptor.

    Raises:
        OSError: The kernel refused; ``filename`` is the last line of the verifier's reasons, if it gave any.
    """
    try:
        return _load_program(prog_type, code, attach_type, btf_id, b"")
    except OSError as refusal:
        if refusal.errno == errno.EPERM:
            raise
        # Once more for the reasons: asking for them costs, and most programs are not refused.
        log = bytearray(_LOG_SIZE)
        try:
            return _load_program(prog_type, code, attach_type, btf_id, log)
        except OSError:
            lines = log.partition(b"\0")[0].decode(errors="replace").splitlines()  # behind it is what was there before
            said = [line for line in lines if not line.startswith(("processed", "verification time", "stack depth"))]
            raise OSError(refusal.errno, refusal.strerror, said[-1] if said else None) from None


def _load_program(prog_type: int, code: bytes, attach_type: int, btf_id: int, log: bytes | bytearray) -> int:
    instructions = ctypes.create_string_buffer(code, len(code))
    log_buffer = (ctypes.c_char * len(log)).from_buffer(log) if isinstance(log, bytearray) else None
    attributes = struct.pack(
        "=IIQQIIQII16sIIIIQIIQIII",
        prog_type,
        len(code) // _INSTRUCTION_SIZE,
        ctypes.addressof(instructions),
        ctypes.addressof(_LICENSE),
        *((1, len(log), ctypes.addressof(log_buffer)) if log_buffer is not None else (0, 0, 0)),
        *(0, 0),  # kernel version, flags
        b"tcpio",
        *(0, attach_type),  # interface, expected attach type
        *(0, 0, 0, 0, 0, 0, 0),  # the program's own BTF, function and line information
        btf_id,
        0,
    )
    return _bpf(_BPF_PROG_LOAD, attributes)


def attach_raw_tracepoint(prog_fd: int, name: str | None) -> int:
    """Attach a raw tracepoint program by the tracepoint's name, or a program of PROG_TYPE_TRACING by None.

    Returns:
        The link's file descriptor: the program runs until it is closed.

    Raises:
        OSError: The kernel refused.
    """
    text = ctypes.create_string_buffer(name.encode()) if name else None
    return _bpf(_BPF_RAW_TRACEPOINT_OPEN, struct.pack("=QII", ctypes.addressof(text) if text else 0, prog_fd, 0))


def attach_perf_link(prog_fd: int, perf_fd: int) -> int:
    """Attach a program to a perf event by a link (Linux 5.15).

    Raises:
        OSError: The kernel has no such links, or refused.
    """
    return _bpf(_BPF_LINK_CREATE, struct.pack("=IIIIQ", prog_fd, perf_fd, _BPF_PERF_EVENT, 0, 0))


def _info(fd: int, size: int, needed: int) -> bytes | None:
    # What the kernel tells of an object; None if its struct ends before `needed`.
    buffer = ctypes.create_string_buffer(size)
    attributes = ctypes.create_string_buffer(struct.pack("=IIQ", fd, size, ctypes.addressof(buffer)), 16)
    _call(_numbers().bpf, _BPF_OBJ_GET_INFO_BY_FD, attributes, 16)
    known: int = struct.unpack_from("=I", attributes.raw, 4)[0]
    return buffer.raw if known >= needed else None


def read_recursion_misses(prog_fd: int) -> int | None:
    """Read how often the kernel did not run a program; None if it does not count that."""
    info = _info(prog_fd, _PROG_INFO_SIZE, _RECURSION_MISSES + 8)
    return None if info is None else int(struct.unpack_from("=Q", info, _RECURSION_MISSES)[0])


def read_kprobe_misses(link_fd: int) -> int | None:
    """Read how often a kprobe was not taken at all; None if the kernel does not tell."""
    info = _info(link_fd, _LINK_INFO_SIZE, _KPROBE_MISSED + 8)
    return None if info is None else int(struct.unpack_from("=Q", info, _KPROBE_MISSED)[0])


def _perf_event_open(attributes: bytes, cpu: int) -> int:
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    return _call(_numbers().perf_event_open, buffer, -1, cpu, -1, _PERF_FLAG_FD_CLOEXEC)


def _perf_attributes(event_type: int, **values: int) -> bytes:
    return _PERF_ATTR.pack(
        event_type,
        _PERF_ATTR.size,
        values.get("config", 0),
        values.get("sample_period", 0),
        values.get("sample_type", 0),
        0,  # read format
        values.get("flags", 0),
        values.get("wakeup", 0),
        0,  # breakpoint type
        values.get("config1", 0),
        *(0,) * 12,
    )


def open_perf_ring(cpu: int, watermark: int) -> int:
    """Open the event through which bpf_perf_event_output() writes to a CPU's ring.

    Args:
        cpu: The CPU.
        watermark: Bytes in the ring at which a reader is woken.

    Raises:
        OSError: ENODEV if the CPU is offline, EACCES or EPERM without CAP_PERFMON, ...
    """
    attributes = _perf_attributes(
        _PERF_TYPE_SOFTWARE,
        config=_PERF_COUNT_SW_BPF_OUTPUT,
        sample_period=1,
        sample_type=_PERF_SAMPLE_RAW,
        flags=_ATTR_WATERMARK,
        wakeup=watermark,
    )
    return _perf_event_open(attributes, cpu)


def open_kprobe(pmu_type: int, function: str) -> int:
    """Open the event of a kprobe at a function's entry; it goes with the file descriptor.

    Args:
        pmu_type: What /sys/bus/event_source/devices/kprobe/type says.
        function: The kernel's function.

    Raises:
        OSError: ENOENT if there is no such function, EINVAL if it cannot be probed, ...
    """
    name = ctypes.create_string_buffer(function.encode())
    attributes = _perf_attributes(pmu_type, config1=ctypes.addressof(name))
    return _perf_event_open(attributes, 0)


def barrier() -> None:
    """Order this CPU's loads and stores before against those after: a full memory barrier.

    x86 keeps loads in order with loads and stores with everything before them, which is all that a reader of a
    ring needs, so nothing is done there. Elsewhere membarrier(2) begins and ends with a barrier on the CPU that
    calls it, and with this command it waits for no one else who has not asked for it.
    """
    if platform.machine() != "x86_64":
        _call(_numbers().membarrier, _MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0)


def wait_for_running_programs() -> None:
    """Return when every program that had begun before has ended.

    eBPF tracing programs run in RCU read-side sections; this command of membarrier(2) waits for an RCU grace period.
    """
    try:
        _call(_numbers().membarrier, _MEMBARRIER_CMD_GLOBAL, 0, 0)
    except OSError as error:
        # A kernel with nohz_full CPUs does not offer it: then what is still running is not waited for.
        if error.errno not in (errno.EINVAL, errno.ENOSYS):
            raise


def keep_capabilities() -> None:
    """Let this process have its capabilities whatever user it becomes (capabilities(7), "securebits").

    Raises:
        OSError: It may not do so.
    """
    bits = _libc.prctl(_PR_GET_SECUREBITS, 0, 0, 0, 0) | _SECBIT_NO_SETUID_FIXUP
    if _libc.prctl(_PR_SET_SECUREBITS, bits, 0, 0, 0):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
