# SPDX-License-Identifier: GPL-2.0-only
"""Compile, load, attach: the only module that knows BCC. It acts and decides nothing."""

import ctypes
import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from tcpio.errors import UnsupportedKernel
from tcpio.kernel import syscall
from tcpio.kernel.btf import Btf
from tcpio.kernel.hooks import Hook, Kind
from tcpio.kernel.source import Program, Source
from tcpio.schema.c_header import BPF_DIR

KPROBE_PMU = Path("/sys/bus/event_source/devices/kprobe/type")

_INSTALL = "install your distribution's package: python3-bpfcc (Debian, Ubuntu) or python3-bcc (Fedora)"


def import_bcc() -> ModuleType:
    """Import BCC, and see that it is BCC.

    Raises:
        UnsupportedKernel: It is not installed for this Python, or it is the package of that name on PyPI.
    """
    try:
        import bcc  # noqa: PLC0415, TID251  LLVM comes with it: only what compiles pays for that
    except ImportError as error:
        raise UnsupportedKernel(
            f"BCC is not installed for {sys.executable}: {error}",
            hint=f"{_INSTALL}, and run tcpio with the system's Python, /usr/bin/python3",
        ) from error
    if not hasattr(bcc, "BPF"):
        raise UnsupportedKernel(
            f"the module 'bcc' at {bcc.__file__} is not BCC but the package of that name on PyPI",
            hint=f"pip uninstall bcc; {_INSTALL}",
        )
    return bcc  # type: ignore[no-any-return]  # bcc has no types


@contextmanager
def _stderr_in(messages: list[str]) -> Iterator[None]:
    # BCC's compiler and libbpf write to file descriptor 2. What they say belongs into an error, if there is one.
    read_end, write_end = os.pipe()
    saved = os.dup(2)
    os.set_blocking(write_end, False)
    os.dup2(write_end, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as pipe:
            messages.append(pipe.read().decode(errors="replace"))


class Attached:
    """Programs that run, each at its hook, until this is closed.

    Args:
        source: What to compile.
        btf: The kernel's types.

    Raises:
        UnsupportedKernel: BCC is missing, or it or the kernel refused a program.
    """

    def __init__(self, source: Source, btf: Btf) -> None:
        bcc = import_bcc()
        os.environ["BCC_KERNEL_SOURCE"] = str(BPF_DIR)
        messages: list[str] = []
        try:
            with _stderr_in(messages):
                self._bpf: Any = bcc.BPF(text=source.text.encode(), cflags=[f"-I{BPF_DIR}", "-Werror"])
        except Exception as error:  # BCC raises nothing more precise
            lines = [line for line in "".join(messages).splitlines() if line.strip()]
            raise UnsupportedKernel(
                f"BCC cannot compile tcpio's programs: {next(filter(_is_error, lines), error)}",
                hint="please report it with the output of 'tcpio --print-bpf' and 'tcpio doctor'",
            ) from error
        self._program_fds: dict[Hook, int] = {}
        self._links: dict[Hook, list[int]] = {}
        self._kprobe_misses: dict[Hook, int | None] = {}
        try:
            for program in source.programs:
                self._program_fds[program.hook] = self._load(program, btf)
        except UnsupportedKernel:
            self.close()
            raise

    def _load(self, program: Program, btf: Btf) -> int:
        try:
            return load_hook(program.hook, self._bpf.dump_func(program.name.encode()), btf)
        except OSError as error:
            reason = f" ({error.filename})" if error.filename else ""
            raise UnsupportedKernel(
                f"the kernel refuses the program for {program.hook}: {error.strerror}{reason}",
                hint="run 'tcpio doctor', or choose another --attach",
            ) from error

    def set_ring(self, cpu: int, perf_fd: int) -> None:
        """Let the programs that run on a CPU write to this ring."""
        self._bpf["events"][ctypes.c_int(cpu)] = ctypes.c_int(perf_fd)

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

    def read_counts(self) -> list[list[int]]:
        """Read the segments counted so far; index first by enum tcp_outcome, then by CPU."""
        table = self._bpf["counts"]
        return [list(table[ctypes.c_int(outcome)]) for outcome in range(len(table))]

    def read_missed(self) -> dict[Hook, int | None]:
        """Read how often the kernel did not run a program that it should have run; None where it does not tell."""
        return {
            hook: self._read_kprobe_missed(hook, fd) if hook.kind is Kind.KPROBE else syscall.read_recursion_misses(fd)
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
        for fd in self._program_fds.values():
            os.close(fd)
        self._program_fds = {}
        self._bpf.cleanup()

    def __enter__(self) -> "Attached":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


_ATTACH_TYPES = {Kind.FENTRY: syscall.TRACE_FENTRY, Kind.FEXIT: syscall.TRACE_FEXIT}
_PROGRAM_TYPES = {
    Kind.FENTRY: syscall.PROG_TYPE_TRACING,
    Kind.FEXIT: syscall.PROG_TYPE_TRACING,
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
    btf_id = btf.find_function_id(hook.target) or 0 if attach_type else 0
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


def _is_error(line: str) -> bool:
    return " error: " in line
