# SPDX-License-Identifier: GPL-2.0-only
"""Which CPUs there are (Documentation/admin-guide/cputopology.rst)."""

from pathlib import Path

ONLINE = Path("/sys/devices/system/cpu/online")
POSSIBLE = Path("/sys/devices/system/cpu/possible")


def parse_cpus(text: str) -> tuple[int, ...]:
    """Read the kernel's lists, such as ``0-3,8``."""
    cpus: list[int] = []
    for part in text.strip().split(","):
        if part:
            first, _, last = part.partition("-")
            cpus += range(int(first), int(last or first) + 1)
    return tuple(cpus)


def read_online_cpus() -> tuple[int, ...]:
    """Read which CPUs are online."""
    return parse_cpus(ONLINE.read_text())


def read_possible_cpus() -> tuple[int, ...]:
    """Read which CPUs there may ever be: a per-CPU map has a value for each."""
    return parse_cpus(POSSIBLE.read_text())
