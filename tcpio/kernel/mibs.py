# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own counters of a network namespace, by nstat's names: what tcpio's are held against."""

from collections.abc import Mapping
from pathlib import Path

from tcpio.kernel.netns import SELF, entered, find_visible

Mibs = Mapping[str, int]
"""nstat's name -> its value: TcpInSegs, TcpExtTCPKeepAlive, IpExtInNoRoutes, Ip6InReceives."""

_PAIRED = ("snmp", "netstat")
_PROC_NET = Path("/proc/thread-self/net")


def parse_pairs(text: str) -> dict[str, int]:
    """Read /proc/net/snmp or /proc/net/netstat: a line of names, a line of values, each after its block's name."""
    lines = text.splitlines()
    counted: dict[str, int] = {}
    for names, values in zip(lines[::2], lines[1::2], strict=True):
        block, _, rest = names.partition(":")
        counted.update(
            {f"{block}{name}": int(value) for name, value in zip(rest.split(), values.split()[1:], strict=True)}
        )
    return counted


def parse_lines(text: str) -> dict[str, int]:
    """Read /proc/net/snmp6: a name and a value a line."""
    return {name: int(value) for name, value in (line.split() for line in text.splitlines())}


def read_mibs(netns: int | None = None) -> dict[int, Mibs]:
    """Read the counters of namespaces, by their inodes.

    Args:
        netns: The only one; None is all that can be found. One that is gone meanwhile is not among what is given back.

    Raises:
        PermissionError: Another namespace than this process's own may not be entered.
    """
    own = SELF.stat().st_ino
    if netns == own:
        return {own: _read()}
    found: dict[int, Mibs] = {}
    for inode, path in find_visible().items():
        if netns in (None, inode):
            try:
                with entered(path):
                    found[inode] = _read()
            except PermissionError:
                raise
            except OSError:  # it went, or the process it was found by, or it is a name of what is no namespace
                continue
    return found


def _read() -> Mibs:
    counted: dict[str, int] = {}
    for name in _PAIRED:
        counted |= parse_pairs((_PROC_NET / name).read_text())
    ipv6 = _PROC_NET / "snmp6"
    return counted | (parse_lines(ipv6.read_text()) if ipv6.exists() else {})


def difference(before: Mapping[int, Mibs], after: Mapping[int, Mibs]) -> dict[str, int]:
    """Add up what was counted between two readings; a namespace that was not there before began at 0."""
    total: dict[str, int] = {}
    for inode, counted in after.items():
        earlier = before.get(inode, {})
        for name, value in counted.items():
            total[name] = total.get(name, 0) + value - earlier.get(name, 0)
    return total
