# SPDX-License-Identifier: GPL-2.0-only
"""From C to eBPF instructions: the only module that knows BCC, which is nothing but the compiler here."""

import base64
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple, NoReturn

from tcpio.errors import UnsupportedKernel
from tcpio.kernel import syscall
from tcpio.kernel.source import KFUNC, Source
from tcpio.kernel.syscall import MapSpec
from tcpio.schema.c_header import BPF_DIR

_INSTALL = "install your distribution's package: python3-bpfcc (Debian, Ubuntu) or python3-bcc (Fedora)"

_REPORT = "please report it with the output of 'tcpio --print-bpf' and 'tcpio doctor'"
_NOBODY = 65534  # Documentation/admin-guide/sysctl/fs.rst: the default of overflowuid

_INSTRUCTION = 8
_LD_IMM64 = 0x18  # include/uapi/linux/bpf_common.h: BPF_LD | BPF_DW | BPF_IMM
_CALL = 0x85  # BPF_JMP | BPF_CALL
_PSEUDO_KFUNC_CALL = 2 << 4  # in the source register, says that the constant is a function's id in the kernel's BTF
_PSEUDO_MAP_FD = 1  # include/uapi/linux/bpf.h: in the source register, says that the constant is a map's descriptor
_IMMEDIATE = slice(4, 8)


class Compiled(NamedTuple):
    """Programs and the maps that they share, before they are in the kernel.

    Args:
        maps: The maps.
        programs: Name of a program -> its instructions, which have a map's index in ``maps`` for its descriptor.
    """

    maps: tuple[MapSpec, ...]
    programs: dict[str, bytes]

    def code(self, program: str, map_fds: list[int]) -> bytes:
        """Give the instructions of a program, with the descriptors of the maps."""
        return _replace_maps(self.programs[program], lambda index: map_fds[index])

    def to_json(self) -> str:
        """Give all of it as text."""
        programs = {name: base64.b64encode(code).decode() for name, code in self.programs.items()}
        return json.dumps({"maps": self.maps, "programs": programs})

    @classmethod
    def from_json(cls, text: str) -> "Compiled":
        """Read what ``to_json`` wrote.

        Raises:
            ValueError, KeyError, TypeError: It is something else.
        """
        read = json.loads(text)
        programs = {name: base64.b64decode(code) for name, code in read["programs"].items()}
        return cls(tuple(MapSpec(*spec) for spec in read["maps"]), programs)


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


class Compilation:
    """BCC at work, in a process of its own.

    There it takes no time from what is done meanwhile, and its 120 MB, what it prints and how it may fail end with it.

    Args:
        source: What to compile; this begins at once.
    """

    def __init__(self, source: Source) -> None:
        self._outcome, self._said = os.memfd_create("outcome"), os.memfd_create("said")
        self._pid = os.fork()
        if self._pid == 0:
            self._work(source)

    def result(self) -> Compiled:
        """Wait for the programs; to be called once.

        Raises:
            UnsupportedKernel: BCC is missing, or cannot compile them.
        """
        try:
            _, status = os.waitpid(self._pid, 0)
        except BaseException:
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            raise
        outcome, said = _read(self._outcome), _read(self._said)
        os.close(self._outcome)
        os.close(self._said)
        if status:
            why = f"status {os.waitstatus_to_exitcode(status)} {said}".rstrip()
            raise UnsupportedKernel(f"BCC's compiler failed: {why}", hint=_REPORT)
        if error := json.loads(outcome).get("error"):
            raise UnsupportedKernel(**error)
        return Compiled.from_json(outcome)

    def _work(self, source: Source) -> NoReturn:
        # In the child, which must never return to what the parent was doing.
        status = 1
        try:
            os.dup2(self._said, 2)  # BCC's compiler writes there
            os.write(self._outcome, self._compile(source).encode())
            status = 0
        finally:
            os._exit(status)

    def _compile(self, source: Source) -> str:
        try:
            return _compile(import_bcc(), source).to_json()
        except UnsupportedKernel as error:
            return json.dumps({"error": {"message": str(error), "hint": error.hint}})
        except Exception as error:  # noqa: BLE001  BCC raises nothing more precise
            lines = [line for line in _read(self._said).splitlines() if " error: " in line]
            message = f"BCC cannot compile tcpio's programs: {next(iter(lines), error)}"
            return json.dumps({"error": {"message": message, "hint": _REPORT}})


def _compile(bcc: ModuleType, source: Source) -> Compiled:
    # For root BCC reads all of /proc/kallsyms first, 0.3 s, to learn whether this kernel has bpf_probe_read_kernel()
    # (KSyms::refresh in src/cc/bcc_syms.cc). For another user it does not. That user may do all that root may: BCC
    # makes the maps.
    with contextlib.suppress(OSError):  # not permitted, or not a user of this namespace: just slower
        syscall.keep_capabilities()
        os.seteuid(_NOBODY)
    os.environ["BCC_KERNEL_SOURCE"] = str(BPF_DIR)
    module = bcc.BPF(text=source.text.encode(), cflags=[f"-I{BPF_DIR}", "-Werror"])
    return _take_over({program.name: module.dump_func(program.name.encode()) for program in source.programs})


def _read(fd: int) -> str:
    return os.pread(fd, os.fstat(fd).st_size, 0).decode(errors="replace")


def _take_over(programs: dict[str, bytes]) -> Compiled:
    # BCC made the maps while it compiled, and the instructions have their descriptors. They are made anew for each
    # run: what stays of BCC's are their dimensions.
    fds: list[int] = []

    def to_index(fd: int) -> int:
        if fd not in fds:
            fds.append(fd)
        return fds.index(fd)

    indexed = {name: _call_kfuncs(_replace_maps(code, to_index)) for name, code in programs.items()}
    return Compiled(tuple(syscall.read_map_spec(fd) for fd in fds), indexed)


def _replace_maps(code: bytes, replace: Callable[[int], int]) -> bytes:
    instructions = bytearray(code)
    for at in range(0, len(code), _INSTRUCTION):
        if code[at] == _LD_IMM64 and code[at + 1] >> 4 == _PSEUDO_MAP_FD:
            number = replace(int.from_bytes(code[at:][_IMMEDIATE], sys.byteorder))
            instructions[at + _IMMEDIATE.start : at + _IMMEDIATE.stop] = number.to_bytes(4, sys.byteorder)
    return bytes(instructions)


def _call_kfuncs(code: bytes) -> bytes:
    # BCC knows no calls of the kernel's own functions: the C calls a number, as if it were a helper's.
    instructions = bytearray(code)
    for at in range(0, len(code), _INSTRUCTION):
        number = int.from_bytes(code[at:][_IMMEDIATE], sys.byteorder)
        if code[at] == _CALL and number & KFUNC:
            instructions[at + 1] = _PSEUDO_KFUNC_CALL
            instructions[at + _IMMEDIATE.start : at + _IMMEDIATE.stop] = (number ^ KFUNC).to_bytes(4, sys.byteorder)
    return bytes(instructions)
