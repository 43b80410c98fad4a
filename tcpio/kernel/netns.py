# SPDX-License-Identifier: GPL-2.0-only
"""Network namespaces by name, path or inode (ip-netns(8), namespaces(7))."""

from pathlib import Path

from tcpio.errors import UsageError

NAMED = Path("/run/netns")
SELF = Path("/proc/self/ns/net")

_INODE_MAX = 0xFFFFFFFF


def find_netns(text: str) -> int | None:
    """Find the inode of a namespace; None is all of them.

    Args:
        text: ``all``, ``self``, a name of ``ip netns``, a path, or an inode.

    Raises:
        UsageError: There is no such namespace.
    """
    if text == "all":
        return None
    if text.isdecimal():
        if not 0 < int(text) <= _INODE_MAX:
            raise UsageError(f"{text} is no inode of a network namespace", hint="see 'ls -Li /run/netns/NAME'")
        return int(text)
    path = SELF if text == "self" else Path(text) if "/" in text else NAMED / text
    try:
        inode = path.stat().st_ino
    except OSError as error:
        raise UsageError(
            f"there is no network namespace {text!r}: {path}: {error.strerror}",
            hint="'ip netns list' shows the names; all, self, a path and an inode are taken too",
        ) from error
    if not path.is_mount() and path != SELF and "/ns/" not in str(path):
        raise UsageError(f"{path} is no network namespace", hint="'ip netns list' shows the names")
    return inode
