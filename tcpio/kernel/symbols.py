# SPDX-License-Identifier: GPL-2.0-only
"""What the kernel has where (/proc/kallsyms), and what its compiler made of it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tcpio.errors import UnsupportedKernel

KALLSYMS = Path("/proc/kallsyms")

_PER_CPU_OFFSET = "__per_cpu_offset"
_TEXT = "[tTwW]"


@dataclass(frozen=True)
class Symbols:
    """What was found.

    Args:
        per_cpu_offset: The address of the kernel's ``__per_cpu_offset[]``; 0 if the kernel does not tell.
        split: Functions of which GCC made a part its own function, which callers may call past the function itself.
    """

    per_cpu_offset: int
    split: frozenset[str]


def parse_symbols(text: str, functions: Iterable[str]) -> Symbols:
    """Look into the text of /proc/kallsyms.

    Args:
        text: Lines of address, type and name.
        functions: Those of which it matters whether they were split.
    """
    offset = re.search(rf"^([0-9a-f]+) \w {_PER_CPU_OFFSET}$", text, re.MULTILINE)
    names = "|".join(sorted(functions))
    parts = re.findall(rf"^[0-9a-f]+ {_TEXT} ({names})\.(?:part|isra|constprop)\.[\w.]+$", text, re.MULTILINE)
    return Symbols(int(offset[1], 16) if offset else 0, frozenset(parts))


def read_symbols(functions: Iterable[str]) -> Symbols:
    """Read /proc/kallsyms.

    Raises:
        UnsupportedKernel: It cannot be read.
    """
    try:
        return parse_symbols(KALLSYMS.read_text(), functions)
    except OSError as error:
        raise UnsupportedKernel(
            f"the kernel does not tell where its counters are: cannot read {KALLSYMS}: {error.strerror}",
            hint="a kernel with CONFIG_KALLSYMS does",
        ) from error
