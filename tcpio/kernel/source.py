# SPDX-License-Identifier: GPL-2.0-only
"""From a choice of hooks to the text of the eBPF programs. Pure: nothing here touches the kernel."""

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tcpio.kernel import structs
from tcpio.kernel.btf import Btf
from tcpio.kernel.hooks import PARAMETERS, RETURN, RETURN_INT, RUNG_OF, TYPED, Hook, Kind, Rung
from tcpio.schema.c_header import BPF_DIR

_X86_REGISTER_PARAMETERS = 6
_STACK_WORD = 8

KFUNC = 1 << 30
"""Marks a number that is called as one of the kernel's functions in its BTF, and no helper's."""

CAST = "bpf_rdonly_cast"
"""The kernel's function that lets a program read from any address: see bpf/read.h."""

CASTS = {CAST: "TCPIO_RDONLY_CAST", "new_utsname": "TCPIO_NEW_UTSNAME", "sk_buff": "TCPIO_SK_BUFF"}
"""It and the types that are read by it -> macros for their ids."""

_TYPED = "TCPIO_TYPED"

_UNSIGNED = frozenset({"saddr", "daddr", "len", "seq", "ack", "win", "tsecr", "rst", "reason"}) | {
    "prior_delivered",
    "frto_undo",
}
_SIGNED = frozenset({RETURN_INT, "oldstate", "newstate", "ret", "flags", "protocol", "mib", "mib_idx"})

_PROGRAM = """
/* {hook} */
int {name}({context} *ctx)
{{
	return on_{handler}({arguments});
}}
"""
_CONTEXTS = {
    Kind.FENTRY: "unsigned long long",
    Kind.FEXIT: "unsigned long long",
    Kind.BTF_TRACEPOINT: "unsigned long long",
    Kind.KPROBE: "struct pt_regs",
    Kind.RAW_TRACEPOINT: "struct bpf_raw_tracepoint_args",
}


@dataclass(frozen=True)
class Program:
    """One eBPF program of a source.

    Args:
        hook: Where it belongs.
        name: Its function's name.
    """

    hook: Hook
    name: str


@dataclass(frozen=True)
class Source:
    """What BCC compiles.

    Args:
        text: C, complete but for BCC's own helpers and bpf/*.h.
        programs: The functions in it that are to be loaded.
        follows_pointers: Whether they follow the kernel's pointers by themselves, which a verifier may refuse.
    """

    text: str
    programs: tuple[Program, ...]
    follows_pointers: bool = False


class MissingParameterError(Exception):
    """This kernel's function lacks a parameter, or has it where it cannot be read."""


def make_source(
    btf: Btf, hooks: Sequence[Hook], wanted: str, *, counts_overload: bool = False, may_follow_pointers: bool = True
) -> Source:
    """Give the programs for these hooks.

    Args:
        btf: The kernel's types.
        hooks: What will be attached.
        wanted: C that says of ``r``, a ``struct tcp_record *``, whether it is wanted; made of numbers only.
        counts_overload: Whether segments are counted for which the rings have no room.
        may_follow_pointers: Whether programs may do without a helper's call for each read.

    Raises:
        UnsupportedKernel: The kernel's structs are not as bpf/kernel.h expects.
        MissingParameterError: A function's parameters are not as PARAMETERS expects.
    """
    defines: dict[str, object] = {"TCPIO_WANTED(r)": f"({wanted})"}
    if counts_overload:
        defines["TCPIO_COUNTS_OVERLOAD"] = 1
    if may_follow_pointers:
        defines |= find_casts(btf)
        defines |= {_TYPED: 1} if all(hook.kind in TYPED for hook in hooks) else {}
    return join_source(btf, hooks, defines, "trace.c")


def find_casts(btf: Btf) -> dict[str, int]:
    """Find what lets programs of any kind follow the kernel's pointers: macros of CASTS, none before Linux 6.2."""
    ids = {name: btf.find_id(name) or 0 for name in CASTS}
    return {CASTS[name]: id_ | KFUNC * (name == CAST) for name, id_ in ids.items()} if all(ids.values()) else {}


def join_source(btf: Btf, hooks: Sequence[Hook], defines: Mapping[str, object], name: str) -> Source:
    """Give the programs for hooks whose handlers are in bpf/segments.c and the file that follows it.

    Args:
        btf: The kernel's types.
        hooks: What will be attached.
        defines: Macros -> what they are; made of names from bpf/ and of numbers only.
        name: The file in bpf/.

    Raises:
        UnsupportedKernel: The kernel's structs are not as bpf/kernel.h expects.
        MissingParameterError: A function's parameters are not as PARAMETERS expects.
    """
    programs = tuple(Program(hook, f"run_{hook.kind.value}_{hook.target}") for hook in hooks)
    text = "\n".join(
        (
            "#include <uapi/linux/ptrace.h>",
            structs.to_c(btf),
            *(f"#define {macro} {value}" for macro, value in defines.items()),
            *((BPF_DIR / part).read_text() for part in ("segments.c", name)),
            *(_program(program, btf) for program in programs),
        )
    )
    return Source(text, programs, follows_pointers=_TYPED in defines or CASTS[CAST] in defines)


def _program(program: Program, btf: Btf) -> str:
    hook = program.hook
    return _PROGRAM.format(
        hook=hook,
        name=program.name,
        context=_CONTEXTS[hook.kind],
        handler=hook.handler,
        arguments=", ".join(("ctx", *arguments(hook, find_parameters(hook, btf)))),
    )


def find_parameters(hook: Hook, btf: Btf) -> tuple[str, ...] | None:
    """Find the kernel's names of what a program at a hook is given; None if it does not tell."""
    if RUNG_OF[hook.kind] is not Rung.TRACEPOINT:
        return btf.find_parameters(hook.target)
    iterator = btf.find_parameters(TRACEPOINT_ITERATOR + hook.target)
    # The first is the iterator's own. What may be NULL is said to be so since Linux 6.14.
    return tuple(name.removesuffix("__nullable") for name in iterator[1:]) if iterator else None


TRACEPOINT_ITERATOR = "__traceiter_"
"""Before a tracepoint's name: the function that calls its programs (include/linux/tracepoint.h, Linux 5.10)."""


def arguments(hook: Hook, parameters: Sequence[str] | None) -> tuple[str, ...]:
    """Give the C of each argument that the hook's handler takes, read from the program's context.

    Args:
        hook: The hook.
        parameters: The kernel's names of the function's parameters; None if it does not tell. A tracepoint's are then
            taken to be those of PARAMETERS.

    Raises:
        MissingParameterError: A parameter is missing, or lies where it cannot be read.
    """
    wanted = PARAMETERS[hook.handler]
    if RUNG_OF[hook.kind] is Rung.TRACEPOINT:
        parameters = parameters or wanted
    if parameters is None:
        raise MissingParameterError("the kernel's BTF does not describe this function")
    return tuple(_argument(hook.kind, name, parameters) for name in wanted)


def _argument(kind: Kind, name: str, parameters: Sequence[str]) -> str:
    bare = name.removesuffix("?")
    cast = "(u32)" if bare in _UNSIGNED else "(int)" if bare in _SIGNED else "(void *)"
    if bare in (RETURN, RETURN_INT):
        return f"{cast}ctx[{len(parameters)}]"
    if bare in parameters:
        return cast + _read_argument(kind, bare, parameters.index(bare))
    if bare != name:
        return "0"
    raise MissingParameterError(f"it has no parameter {bare}")


def _read_argument(kind: Kind, name: str, index: int) -> str:
    if kind is Kind.RAW_TRACEPOINT:
        return f"ctx->args[{index}]"
    if kind is not Kind.KPROBE:
        return f"ctx[{index}]"
    if index < _X86_REGISTER_PARAMETERS:
        return f"PT_REGS_PARM{index + 1}(ctx)"
    if platform.machine() != "x86_64":
        raise MissingParameterError(f"its parameter {name} is not in a register")
    # At a function's entry the return address is on top of the stack, the seventh parameter behind it.
    return f"read_stack(PT_REGS_SP(ctx), {_STACK_WORD * (index - _X86_REGISTER_PARAMETERS + 1)})"
