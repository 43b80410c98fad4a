# SPDX-License-Identifier: GPL-2.0-only
"""Load and attach. It acts and decides nothing."""

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from tcpio.errors import UnsupportedKernel
from tcpio.kernel import syscall
from tcpio.kernel.btf import Btf
from tcpio.kernel.compile import Compiled
from tcpio.kernel.cpus import read_possible_cpus
from tcpio.kernel.hooks import Hook, Kind
from tcpio.kernel.source import Program
from tcpio.schema.c_header import read_header

OUTCOMES = read_header("record.h").enums["tcp_outcome"]["TCP_OUTCOMES"]
KPROBE_PMU = Path("/sys/bus/event_source/devices/kprobe/type")

_EVENTS, _COUNTS = "events", "counts"  # maps of bpf/trace.c


_BATCH = 4 << 20  # bytes that are read at once
_COLLIDING = 64  # elements in one of a hash map's own buckets, which are about as many as its elements


_Self = TypeVar("_Self", bound="Programs")


class Programs:
    """Programs and their maps in the kernel, until this is closed; once attached, each runs at its hook.

    Args:
        compiled: The programs.
        programs: Where each belongs.
        btf: The kernel's types.
        sizes: Name of a map -> how many elements it has room for, if not as many as the C says.

    Raises:
        UnsupportedKernel: The kernel refused a map or a program.
    """

    def __init__(
        self, compiled: Compiled, programs: Sequence[Program], btf: Btf, sizes: Mapping[str, int] | None = None
    ) -> None:
        self._map_fds: dict[str, int] = {}
        self._program_fds: dict[Hook, int] = {}
        self._links: dict[Hook, list[int]] = {}
        self._kprobe_misses: dict[Hook, int | None] = {}
        self._specs: dict[str, syscall.MapSpec] = {}
        syscall.lift_memory_limit()
        try:
            for spec in compiled.maps:
                self._specs[spec.name] = spec._replace(max_entries=(sizes or {}).get(spec.name, spec.max_entries))
                self._map_fds[spec.name] = self._create(self._specs[spec.name])
            for program in programs:
                self._program_fds[program.hook] = self._load(program, compiled, btf)
        except UnsupportedKernel:
            self.close()
            raise

    def _create(self, spec: syscall.MapSpec) -> int:
        try:
            return syscall.create_map(spec)
        except OSError as error:
            raise UnsupportedKernel(f"the kernel refuses the map {spec.name}: {error.strerror}") from error

    def _load(self, program: Program, compiled: Compiled, btf: Btf) -> int:
        try:
            return load_hook(program.hook, compiled.code(program.name, list(self._map_fds.values())), btf)
        except OSError as error:
            reason = f" ({error.filename})" if error.filename else ""
            raise UnsupportedKernel(
                f"the kernel refuses the program for {program.hook}: {error.strerror}{reason}",
                hint="run 'tcpio doctor', or choose another --attach",
            ) from error

    def attach(self) -> None:
        """Let all programs run.

        Raises:
            UnsupportedKernel: The kernel refused one; none runs then.
        """
        for hook, program_fd in self._program_fds.items():
            try:
                self._links[hook] = attach_hook(hook, program_fd)
            except OSError as error:
                self.detach()
                raise UnsupportedKernel(
                    f"the kernel does not attach {hook}: {error.strerror}",
                    hint="run 'tcpio doctor', or choose another --attach",
                ) from error

    def has_map(self, name: str) -> bool:
        """Tell whether any program uses a map; the compiler leaves out the others."""
        return name in self._map_fds

    def set_element(self, name: str, key: bytes, value: bytes) -> None:
        """Set an element of a map."""
        syscall.set_element(self._map_fds[name], key, value)

    def delete_element(self, name: str, key: bytes) -> None:
        """Delete an element of a map.

        Raises:
            OSError: ENOENT if there is none.
        """
        syscall.delete_element(self._map_fds[name], key)

    def read_element(self, name: str, key: bytes) -> bytes:
        """Read an element of a map; of a per-CPU map the values of all possible CPUs.

        Raises:
            OSError: ENOENT if there is none.
        """
        return syscall.read_element(self._map_fds[name], key, self._value_size(name))

    def read_elements(self, name: str) -> Iterator[tuple[bytes, bytes]]:
        """Read all elements of a hash map: keys and values, each joined, some at once."""
        spec, size = self._specs[name], self._value_size(name)
        at_once = max(min(_BATCH // size, spec.max_entries), _COLLIDING)
        return syscall.read_elements(self._map_fds[name], spec.key_size, size, at_once)

    def _value_size(self, name: str) -> int:
        spec = self._specs[name]
        return spec.value_size * len(read_possible_cpus()) if spec.type in syscall.PER_CPU else spec.value_size

    def read_missed(self) -> dict[Hook, int | None]:
        """Read how often the kernel did not run a program that it should have run; None where it does not tell."""
        return {
            hook: self._read_kprobe_missed(hook, fd)
            if hook.kind is Kind.KPROBE
            # Linux 5.12 began to skip these, and to count that, at once (ca06f55b9002 "bpf: Add per-program recursion
            # prevention mechanism", 9ed9e9ba2337 "bpf: Count the number of times recursion was prevented"): a kernel
            # that does not count skips none.
            else syscall.read_recursion_misses(fd) or 0
            for hook, fd in self._program_fds.items()
        }

    def _read_kprobe_missed(self, hook: Hook, program_fd: int) -> int | None:
        # Two guards can skip a kprobe's program: that of kprobes, which its link counts, and that of eBPF. A
        # kernel that tells of the first counts the second too (Linux 6.7).
        link, *event = self._links.get(hook, [-1])
        if event:
            self._kprobe_misses[hook] = syscall.read_kprobe_misses(link)
        kprobe_misses = self._kprobe_misses.get(hook)
        skipped = syscall.read_recursion_misses(program_fd)
        return None if kprobe_misses is None or skipped is None else kprobe_misses + skipped

    def detach(self) -> None:
        """Let no program run any more, and wait for those that do."""
        if not self._links:
            return
        self.read_missed()  # what a link counted goes with it
        for fd in (fd for fds in self._links.values() for fd in fds):
            os.close(fd)
        self._links = {}
        syscall.wait_for_running_programs()

    def close(self) -> None:
        """Detach, and give everything back."""
        self.detach()
        for fd in (*self._program_fds.values(), *self._map_fds.values()):
            os.close(fd)
        self._program_fds, self._map_fds = {}, {}

    def __enter__(self: _Self) -> _Self:  # noqa: PYI019  typing.Self is newer than Python 3.10
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Attached(Programs):
    """The programs of a trace, with its rings and counts.

    Args:
        compiled: The programs.
        programs: Where each belongs.
        btf: The kernel's types.

    Raises:
        UnsupportedKernel: The kernel refused a map or a program.
    """

    def __init__(self, compiled: Compiled, programs: Sequence[Program], btf: Btf) -> None:
        super().__init__(compiled, programs, btf)
        self._cpus = read_possible_cpus()

    def set_ring(self, cpu: int, perf_fd: int) -> None:
        """Let the programs that run on a CPU write to this ring."""
        syscall.update_map(self._map_fds[_EVENTS], cpu, perf_fd)

    def read_counts(self) -> list[list[int]]:
        """Read the segments counted so far; index first by enum tcp_outcome, then by CPU."""
        return [self._read_outcome(outcome) for outcome in range(OUTCOMES)]

    def _read_outcome(self, outcome: int) -> list[int]:
        values = syscall.read_percpu(self._map_fds[_COUNTS], outcome, len(self._cpus))
        by_cpu = dict(zip(self._cpus, values, strict=True))
        return [by_cpu.get(cpu, 0) for cpu in range(max(self._cpus) + 1)]


_ATTACH_TYPES = {
    Kind.FENTRY: syscall.TRACE_FENTRY,
    Kind.FEXIT: syscall.TRACE_FEXIT,
    Kind.BTF_TRACEPOINT: syscall.TRACE_RAW_TP,
}
_PROGRAM_TYPES = {
    **dict.fromkeys(_ATTACH_TYPES, syscall.PROG_TYPE_TRACING),
    Kind.KPROBE: syscall.PROG_TYPE_KPROBE,
    Kind.RAW_TRACEPOINT: syscall.PROG_TYPE_RAW_TRACEPOINT,
}


def load_hook(hook: Hook, code: bytes, btf: Btf) -> int:
    """Load a program for a hook and give its file descriptor.

    BCC could, but how it names and finds what to attach to differs between its versions.

    Raises:
        OSError: The kernel refused.
    """
    attach_type = _ATTACH_TYPES.get(hook.kind, 0)
    btf_id = btf.find_id(hook.btf_name) or 0 if attach_type else 0
    return syscall.load_program(_PROGRAM_TYPES[hook.kind], code, attach_type=attach_type, btf_id=btf_id)


def attach_hook(hook: Hook, program_fd: int) -> list[int]:
    """Let a program run at its hook until all the file descriptors that are given back are closed.

    Raises:
        OSError: The kernel refused.
    """
    if hook.kind is not Kind.KPROBE:
        name = hook.target if hook.kind is Kind.RAW_TRACEPOINT else None
        return [syscall.attach_raw_tracepoint(program_fd, name)]
    event = syscall.open_kprobe(read_kprobe_type(), hook.target)
    try:
        return _link_kprobe(program_fd, event)
    except OSError:
        os.close(event)
        raise


def _link_kprobe(program_fd: int, event: int) -> list[int]:
    # Since Linux kernel commit b89fbfbb854c ("bpf: Implement minimal BPF perf link") (in v5.15) a link does it, and
    # tells of misses. Before that, the event's own ioctl.
    try:
        return [syscall.attach_perf_link(program_fd, event), event]
    except OSError:
        fcntl.ioctl(event, syscall.PERF_EVENT_IOC_SET_BPF, program_fd)
        fcntl.ioctl(event, syscall.PERF_EVENT_IOC_ENABLE, 0)
        return [event]


def read_kprobe_type() -> int:
    """Read the type of perf events that are kprobes.

    Raises:
        OSError: This kernel has none.
    """
    return int(KPROBE_PMU.read_text())
