# SPDX-License-Identifier: GPL-2.0-only
"""What to attach on this kernel, decided by asking it."""

import os
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from tcpio.errors import UnsupportedKernel
from tcpio.kernel.btf import Btf, read_btf
from tcpio.kernel.cache import start_compiling
from tcpio.kernel.compile import Compiled
from tcpio.kernel.features import ask_hook
from tcpio.kernel.hooks import SITES, Choice, Direction, Rung, choose, hooks_of
from tcpio.kernel.known_types import read_known_types
from tcpio.kernel.load import Attached
from tcpio.kernel.source import CASTS, TRACEPOINT_ITERATOR, Program, Source, make_source
from tcpio.schema.c_header import read_header

IPV6_FUNCTION = "tcp_v6_rcv"
"""A kernel whose BTF has it has IPv6 built in."""


class Plan(NamedTuple):
    """The choice for this kernel.

    Args:
        btf: The kernel's types.
        choices: For each site how it will be seen.
    """

    btf: Btf
    choices: tuple[Choice, ...]

    def source(self, wanted: str, *, counts_overload: bool = False, may_follow_pointers: bool = True) -> Source:
        """Give the programs, with the C of a filter; see make_source().

        Raises:
            UnsupportedKernel: A site cannot be seen on this kernel.
        """
        return make_source(
            self.btf,
            hooks_of(self.choices),
            wanted,
            counts_overload=counts_overload,
            may_follow_pointers=may_follow_pointers,
        )

    def start_loading(self, wanted: str, *, counts_overload: bool = False) -> Callable[[], Attached]:
        """Begin to make the programs, with the C of a filter; see make_source().

        Returns:
            As start_loading().

        Raises:
            UnsupportedKernel: A site cannot be seen on this kernel.
        """
        make = partial(self.source, wanted, counts_overload=counts_overload)
        return start_loading(
            make(),
            partial(make, may_follow_pointers=False),
            lambda compiled, programs: Attached(compiled, programs, self.btf),
        )


_Loaded = TypeVar("_Loaded")


def start_loading(
    source: Source,
    make_cautious: Callable[[], Source],
    load: Callable[[Compiled, Sequence[Program]], _Loaded],
) -> Callable[[], _Loaded]:
    """Begin to make programs, and others if the kernel refuses them.

    Args:
        source: The programs.
        make_cautious: Gives those that do not follow pointers by themselves: which of these a verifier lets a program
            follow has changed before.
        load: Has them loaded.

    Returns:
        Waits for them, and has them loaded; to be called once. It raises UnsupportedKernel if BCC is missing, or the
        kernel refuses them.
    """
    compiled = start_compiling(source)

    def finish() -> _Loaded:
        programs = compiled()  # what cannot be compiled is not tried again
        try:
            return load(programs, source.programs)
        except UnsupportedKernel:
            if not source.follows_pointers:
                raise
        cautious = make_cautious()
        return load(start_compiling(cautious)(), cautious.programs)

    return finish


_HOOKS = dict.fromkeys(hook for site in SITES for way in site.ways for hook in way.hooks)
_NAMES = (*CASTS, *(hook.btf_name for hook in _HOOKS), *(TRACEPOINT_ITERATOR + hook.target for hook in _HOOKS))


def read_kernel_types(path: Path | None, names: Iterable[str] = _NAMES) -> Btf:
    """Read what tcpio needs of the kernel's types.

    Args:
        path: The file given by the user; None is TCPIO_BTF or else the kernel's own.
        names: Functions, and other structs than those of bpf/kernel.h, that will be looked up.

    Raises:
        UnsupportedKernel: There is none, or it cannot be read.
    """
    given = path or os.environ.get("TCPIO_BTF")
    return read_btf([*read_header("kernel.h").structs, *names], Path(given)) if given else read_known_types(names)


def make_plan(btf_path: Path | None, *, rung: Rung | None, directions: Sequence[Direction]) -> Plan:
    """Ask the kernel and choose.

    Raises:
        UnsupportedKernel: The kernel's types cannot be read.
    """
    btf = read_kernel_types(btf_path)
    ask = cache(partial(ask_hook, btf))
    has_ipv6 = btf.find_parameters(IPV6_FUNCTION) is not None
    return Plan(btf, choose(ask, rung=rung, directions=directions, has_ipv6=has_ipv6))
