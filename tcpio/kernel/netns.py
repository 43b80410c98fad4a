# SPDX-License-Identifier: GPL-2.0-only
"""Network namespaces by name, path or inode (ip-netns(8), namespaces(7))."""

import contextlib
import ctypes
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from tcpio.errors import UsageError

NAMED = Path("/run/netns")
SELF = Path("/proc/self/ns/net")

_INODE_MAX = 0xFFFFFFFF
_NS_GET_NSTYPE = 0xB703  # ioctl_ns(2)
_CLONE_NEWNET = 0x40000000
_PROCESSES = Path("/proc")
_OWN = "/proc/thread-self/ns/net"
_HINT = "'ip netns list' shows the names; all, self, a path and an inode are taken too"


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
        if len(text) > len(str(_INODE_MAX)) or not 0 < int(text) <= _INODE_MAX:
            raise UsageError(f"{text} is no inode of a network namespace", hint="see 'ls -Li /run/netns/NAME'")
        return int(text)
    path = SELF if text == "self" else Path(text) if "/" in text else NAMED / text
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a pipe's other end is not waited for
    except OSError as error:
        raise UsageError(f"there is no network namespace {text!r}: {path}: {error.strerror}", hint=_HINT) from error
    try:
        if fcntl.ioctl(fd, _NS_GET_NSTYPE) != _CLONE_NEWNET:
            raise UsageError(f"{path} is a namespace, but not of the network", hint=_HINT)
        return os.fstat(fd).st_ino
    except OSError as error:
        raise UsageError(f"{path} is no namespace", hint=_HINT) from error
    finally:
        os.close(fd)


def find_visible() -> dict[int, Path]:
    """Find the namespaces that have a name or a process: inode -> where each can be opened."""
    found: dict[int, Path] = {}
    for path in (SELF, *NAMED.glob("*"), *_PROCESSES.glob("[0-9]*/ns/net")):
        with contextlib.suppress(OSError):  # the process has gone, or is not ours to look at
            found.setdefault(path.stat().st_ino, path)
    return found


@contextlib.contextmanager
def entered(path: Path) -> Iterator[None]:
    """Have this thread in a namespace (setns(2)).

    Raises:
        OSError: It is gone, or may not be entered.
    """
    before = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        inside = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(inside)
        finally:
            os.close(inside)
        try:
            yield
        finally:
            _enter(before)
    finally:
        os.close(before)


def _enter(fd: int) -> None:
    if ctypes.CDLL(None, use_errno=True).setns(fd, _CLONE_NEWNET):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
