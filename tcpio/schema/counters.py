# SPDX-License-Identifier: GPL-2.0-only
"""The counters of bpf/counters.h."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tcpio.errors import UsageError
from tcpio.schema.c_header import BPF_DIR, LayoutError

_ROW = re.compile(r'(HOST_)?COUNTER\((\w+), (\w+), "([^"]+)", (\w+), "([^"]+)"\)')
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True)
class Counter:
    """One counter.

    Args:
        block: Socket, Ip, IpExt, Ip6, Tcp or TcpExt: where a report shows it.
        name: The kernel's name of it in that block.
        label: What a report calls it.
        unit: bytes, segments, ...
        help: What is counted, and where in the kernel.
        is_hosts: It belongs to no socket: the kernel's own counter of a namespace is read.
    """

    block: str
    name: str
    label: str
    unit: str
    help: str
    is_hosts: bool

    @property
    def key(self) -> str:
        """The name that nstat(8) gives it: TcpInSegs, TcpExtTW."""
        return self.block + self.name


def parse_counters(text: str) -> tuple[Counter, ...]:
    """Read the rows of bpf/counters.h.

    Raises:
        LayoutError: A line is no row.
    """
    counters = []
    for line in filter(str.strip, _COMMENT.sub("", text).splitlines()):
        row = _ROW.fullmatch(line)
        if not row:
            raise LayoutError(f"counters.h: no row of the table: {line}")
        hosts, block, name, label, unit, text = row.groups()
        counters.append(Counter(block, name, label, unit, text, is_hosts=bool(hosts)))
    return tuple(counters)


COUNTERS = parse_counters((BPF_DIR / "counters.h").read_text())
"""All, in the order of a report."""

BLOCKS = tuple(dict.fromkeys(counter.block for counter in COUNTERS))


def find_counters(text: str) -> tuple[Counter, ...]:
    """Find the counters of a list with commas, each once, in the order of COUNTERS.

    Args:
        text: Names as nstat(8) has them (TcpInSegs), without the block where that is clear (InSegs), or blocks (Tcp).

    Raises:
        UsageError: There is no such counter, or more than one.
    """
    found = {counter for name in text.split(",") for counter in _find(name.strip())}
    return tuple(counter for counter in COUNTERS if counter in found)


def _find(name: str) -> Sequence[Counter]:
    if name in BLOCKS:
        return [counter for counter in COUNTERS if counter.block == name]
    found = [counter for counter in COUNTERS if name in (counter.key, counter.name)]
    if len(found) > 1:
        raise UsageError(f"more than one counter is called {name!r}: {', '.join(counter.key for counter in found)}")
    if not found:
        raise UsageError(f"there is no counter {name!r}", hint="'tcpio summary --help' lists them")
    return found
