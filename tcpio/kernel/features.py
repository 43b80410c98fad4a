# SPDX-License-Identifier: GPL-2.0-only
"""What this kernel and this installation offer: a table, and the questions behind it.

Nothing is decided by a kernel's version: each row asks. An answer has three values, since a question that was not
permitted has no answer.
"""

import contextlib
import errno
import json
import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tcpio.errors import NotPermitted, UnsupportedKernel
from tcpio.kernel import syscall
from tcpio.kernel.btf import KERNEL_BTF, Btf
from tcpio.kernel.cache import keep, recall
from tcpio.kernel.compile import import_bcc
from tcpio.kernel.cpus import read_online_cpus
from tcpio.kernel.hooks import FUNCTIONS, RUNG_OF, Hook, Kind, Rung
from tcpio.kernel.known_types import make_kernel_key
from tcpio.kernel.load import KPROBE_PMU, attach_hook, load_hook, read_kprobe_type
from tcpio.kernel.source import MissingParameterError, arguments, find_parameters
from tcpio.schema.support import YES, Support, Verdict

LOCKDOWN = Path("/sys/kernel/security/lockdown")
SYMBOLS = Path("/proc/kallsyms")
_STATUS = Path("/proc/self/status")

# include/uapi/linux/capability.h
_CAP_SYS_ADMIN, _CAP_PERFMON, _CAP_BPF = 21, 38, 39

_TWIN = re.compile(rb"\.(?:part|isra|constprop)\.\d+(?=\s)")  # how the names end that GCC gives them

_RUN_AS_ROOT = "run as root, or with CAP_BPF and CAP_PERFMON"


class Feature(NamedTuple):
    """One row of the table.

    Args:
        name: What doctor calls it.
        purpose: What tcpio needs it for.
        remedy: What would provide it.
        probe: Asks, of what the kernel's types say if they are known.
        is_needed: Whether nothing can be traced without it.
    """

    name: str
    purpose: str
    remedy: str
    probe: Callable[[Btf | None], Verdict]
    is_needed: bool = True


def _from_errno(error: OSError, what: str = "") -> Verdict:
    # EPERM and EACCES say "not you" as well as "not here": for one who may do everything it is the latter.
    is_refused = error.errno in (errno.EPERM, errno.EACCES) and not has_privileges()
    return Verdict(Support.UNKNOWN if is_refused else Support.NO, f"{what}{error.strerror}")


def read_capabilities() -> int:
    """Read the effective capabilities of this process, as bits (proc(5))."""
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("CapEff:"))
    return int(line.split()[1], 16)


def has_privileges() -> bool:
    """Tell whether this process may load and attach tracing programs (capabilities(7))."""
    held = read_capabilities()
    return bool(held >> _CAP_SYS_ADMIN & 1 or (held >> _CAP_BPF & 1 and held >> _CAP_PERFMON & 1))


def read_lockdown() -> str:
    """Read the kernel's lockdown mode: none, integrity or confidentiality (kernel_lockdown(7))."""
    try:
        modes = LOCKDOWN.read_text()
    except OSError:
        return "none"
    return modes.partition("[")[2].partition("]")[0] or "none"


def require_privileges() -> None:
    """See that tracing is permitted at all.

    Raises:
        NotPermitted: A capability is missing, or the kernel is locked down.
    """
    if not has_privileges():
        raise NotPermitted(
            f"no permission to trace the kernel as user {os.geteuid()}: CAP_BPF and CAP_PERFMON are missing",
            hint=_RUN_AS_ROOT,
        )
    if read_lockdown() == "confidentiality":
        raise NotPermitted(
            f"the kernel is locked down for confidentiality ({LOCKDOWN}), and lets no program read its memory",
            hint="boot with lockdown=integrity, or without Secure Boot's lockdown",
        )


def ask_hook(btf: Btf, hook: Hook) -> Verdict:
    """Ask the kernel whether a hook sees all that passes: by a program that does nothing there, and for twins."""
    try:
        arguments(hook, find_parameters(hook, btf))
    except MissingParameterError as error:
        return Verdict(Support.NO, str(error))
    verdict = _ask_kprobe(hook.target) if hook.kind is Kind.KPROBE else _ask_program(btf, hook)
    if verdict.support is not Support.YES or RUNG_OF[hook.kind] is Rung.TRACEPOINT:
        return verdict
    twins = read_twins().get(hook.target)
    return (
        Verdict(Support.NO, f"callers may pass by it: the compiler has made {', '.join(twins)} of it") if twins else YES
    )


@cache
def read_twins() -> dict[str, tuple[str, ...]]:
    """Read which of the functions that tcpio hooks the compiler has also made parts or copies of, once for each kernel.

    GCC lets callers enter these instead, with parameters that BTF does not describe. ``.cold`` is none of them: it is
    jumped to from the function itself.

    Returns:
        Function -> its twins; empty where the kernel does not name its symbols.
    """
    key = make_kernel_key("twins", *FUNCTIONS)
    if key:
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):  # not there, or damaged
            return {name: tuple(map(str, twins)) for name, twins in json.loads(recall(key)).items()}
    try:
        found = _find_twins(SYMBOLS.read_bytes())
    except OSError:
        return {}
    if key:
        keep(key, json.dumps(found))
    return found


def _find_twins(symbols: bytes) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for end in _TWIN.finditer(symbols):
        twin = symbols[symbols.rfind(b" ", 0, end.start()) + 1 : end.end()].decode()
        found.setdefault(twin.partition(".")[0], {})[twin] = None
    return {name: tuple(found[name]) for name in FUNCTIONS if name in found}


def _ask_program(btf: Btf, hook: Hook) -> Verdict:
    try:
        program = load_hook(hook, syscall.EMPTY_PROGRAM, btf)
    except OSError as error:
        return _from_errno(error, "the kernel does not load such a program: ")
    try:
        # Such a program is loaded for its tracepoint, which is there then. To attach to one when another has just been
        # left would wait for an RCU grace period (tp_rcu_cond_sync() in kernel/tracepoint.c), some 10 ms each.
        if hook.kind is not Kind.BTF_TRACEPOINT:
            for fd in attach_hook(hook, program):
                os.close(fd)
    except OSError as error:
        return _from_errno(error, "the kernel does not attach it: ")
    finally:
        os.close(program)
    return YES


def _ask_kprobe(function: str) -> Verdict:
    try:
        pmu_type = read_kprobe_type()
    except OSError:
        return Verdict(Support.NO, f"this kernel has no kprobes (no {KPROBE_PMU})")
    try:
        os.close(syscall.open_kprobe(pmu_type, function))
    except OSError as error:
        return _from_errno(error, "the kernel does not probe it: ")
    return YES


def _has_btf(btf: Btf | None) -> Verdict:
    return YES if btf else Verdict(Support.NO, f"no {KERNEL_BTF}, or it cannot be read")


def _has_bcc(_: Btf | None) -> Verdict:
    try:
        import_bcc()
    except UnsupportedKernel as error:
        return Verdict(Support.NO, str(error))
    return YES


def _is_privileged(_: Btf | None) -> Verdict:
    return YES if has_privileges() else Verdict(Support.NO, "CAP_BPF and CAP_PERFMON are missing")


def _is_readable(_: Btf | None) -> Verdict:
    mode = read_lockdown()
    return Verdict(Support.NO, "locked down for confidentiality") if mode == "confidentiality" else YES


def _has_rings(_: Btf | None) -> Verdict:
    try:
        os.close(syscall.open_perf_ring(read_online_cpus()[0], 1))
    except OSError as error:
        return _from_errno(error)
    return YES


def _has_raw_tracepoints(btf: Btf | None) -> Verdict:
    return _ask_if_known(btf, Hook(Kind.RAW_TRACEPOINT, "netif_receive_skb"))


def _has_fentry(btf: Btf | None) -> Verdict:
    return _ask_if_known(btf, Hook(Kind.FENTRY, "tcp_v4_rcv"))


def _ask_if_known(btf: Btf | None, hook: Hook) -> Verdict:
    return ask_hook(btf, hook) if btf else Verdict(Support.UNKNOWN, "the kernel's types are not known")


def _has_kprobes(_: Btf | None) -> Verdict:
    return _ask_kprobe("tcp_v4_rcv")


def _counts_misses(_: Btf | None) -> Verdict:
    try:
        program = syscall.load_program(syscall.PROG_TYPE_RAW_TRACEPOINT, syscall.EMPTY_PROGRAM)
    except OSError as error:
        return _from_errno(error)
    try:
        known = syscall.read_recursion_misses(program) is not None
    finally:
        os.close(program)
    return YES if known else Verdict(Support.NO, "bpf_prog_info has no recursion_misses")


def _has_package(module: str) -> Callable[[Btf | None], Verdict]:
    def probe(_: Btf | None) -> Verdict:
        try:
            __import__(module)
        except ImportError as error:
            return Verdict(Support.NO, str(error))
        return YES

    return probe


FEATURES = (
    Feature("privileges", "to load and attach programs", _RUN_AS_ROOT, _is_privileged),
    Feature(
        "kernel memory is readable",
        "to read packets and sockets",
        "no kernel lockdown for confidentiality",
        _is_readable,
    ),
    Feature(
        "BTF",
        "to know where the kernel's structs have their members",
        "a kernel with CONFIG_DEBUG_INFO_BTF, or --btf FILE",
        _has_btf,
    ),
    Feature("BCC", "to compile the programs", "the package python3-bpfcc or python3-bcc", _has_bcc),
    Feature("perf rings", "to bring the segments to user space", "a kernel with CONFIG_PERF_EVENTS", _has_rings),
    Feature(
        "fentry",
        "for --attach fentry",
        "a kernel with BTF and CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS (x86: 5.5, arm64: 6.0)",
        _has_fentry,
        is_needed=False,
    ),
    Feature(
        "raw tracepoints",
        "for --attach tracepoint",
        "a kernel with CONFIG_BPF_EVENTS",
        _has_raw_tracepoints,
        is_needed=False,
    ),
    Feature(
        "kprobes",
        "for --attach kprobe, and beside fentry before Linux 6.6",
        "a kernel with CONFIG_KPROBE_EVENTS",
        _has_kprobes,
        is_needed=False,
    ),
    Feature(
        "miss counts",
        "to tell how often the kernel skipped a program",
        "Linux 5.12 (for kprobes: 6.7)",
        _counts_misses,
        is_needed=False,
    ),
    Feature("numpy", "to handle segments by the thousand", "the package python3-numpy", _has_package("numpy")),
    Feature("colorama", "for colours", "the package python3-colorama", _has_package("colorama"), is_needed=False),
    Feature("dateutil", "for time zones", "the package python3-dateutil", _has_package("dateutil"), is_needed=False),
)
"""What doctor shows, and what tests ask before they skip. Whether each hook can be attached: see ask_hook()."""
