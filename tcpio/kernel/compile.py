# SPDX-License-Identifier: GPL-2.0-only
"""From C to eBPF instructions: the only module that knows BCC, which is nothing but the compiler here."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

from tcpio.errors import UnsupportedKernel
from tcpio.kernel import syscall
from tcpio.kernel.source import Source
from tcpio.kernel.syscall import MapSpec
from tcpio.schema.c_header import BPF_DIR

_INSTALL = "install your distribution's package: python3-bpfcc (Debian, Ubuntu) or python3-bcc (Fedora)"

_INSTRUCTION = 8
_LD_IMM64 = 0x18  # include/uapi/linux/bpf_common.h: BPF_LD | BPF_DW | BPF_IMM
_PSEUDO_MAP_FD = 1  # include/uapi/linux/bpf.h: in the source register, says that the constant is a map's descriptor
_IMMEDIATE = slice(4, 8)


@dataclass(frozen=True)
class Compiled:
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


def compile_source(source: Source) -> Compiled:
    """Compile the programs of a source.

    Raises:
        UnsupportedKernel: BCC is missing, or cannot compile them.
    """
    bcc = import_bcc()
    os.environ["BCC_KERNEL_SOURCE"] = str(BPF_DIR)
    messages: list[str] = []
    try:
        with _stderr_in(messages):
            module = bcc.BPF(text=source.text.encode(), cflags=[f"-I{BPF_DIR}", "-Werror"])
    except Exception as error:  # BCC raises nothing more precise
        lines = [line for line in "".join(messages).splitlines() if line.strip()]
        raise UnsupportedKernel(
            f"BCC cannot compile tcpio's programs: {next(filter(_is_error, lines), error)}",
            hint="please report it with the output of 'tcpio --print-bpf' and 'tcpio doctor'",
        ) from error
    try:
        return _take_over({program.name: module.dump_func(program.name.encode()) for program in source.programs})
    finally:
        module.cleanup()


def _take_over(programs: dict[str, bytes]) -> Compiled:
    # BCC made the maps while it compiled, and the instructions have their descriptors. They are made anew for each
    # run: what stays of BCC's are their dimensions.
    fds: list[int] = []

    def to_index(fd: int) -> int:
        if fd not in fds:
            fds.append(fd)
        return fds.index(fd)

    indexed = {name: _replace_maps(code, to_index) for name, code in programs.items()}
    return Compiled(tuple(syscall.read_map_spec(fd) for fd in fds), indexed)


def _replace_maps(code: bytes, replace: Callable[[int], int]) -> bytes:
    instructions = bytearray(code)
    for at in range(0, len(code), _INSTRUCTION):
        if code[at] == _LD_IMM64 and code[at + 1] >> 4 == _PSEUDO_MAP_FD:
            number = replace(int.from_bytes(code[at:][_IMMEDIATE], sys.byteorder))
            instructions[at + _IMMEDIATE.start : at + _IMMEDIATE.stop] = number.to_bytes(4, sys.byteorder)
    return bytes(instructions)


@contextmanager
def _stderr_in(messages: list[str]) -> Iterator[None]:
    # BCC's compiler writes to file descriptor 2. What it says belongs into an error, if there is one.
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


def _is_error(line: str) -> bool:
    return " error: " in line
