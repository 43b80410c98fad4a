# SPDX-License-Identifier: GPL-2.0-only
"""Network namespaces: made, entered, read and removed."""

import ctypes
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

DEADLINE_S = 60.0 * float(os.environ.get("TCPIO_TEST_PATIENCE", "1"))
"""How long anything is waited for, in vain: what comes is not waited for any longer than it takes to come."""

_POLL_S = 0.005
_CLONE_NEWNET = 0x40000000
_LIBC = ctypes.CDLL(None, use_errno=True)

_OWN = Path("/proc/thread-self/ns/net")
_TIME_WAIT, _LISTEN = "06", "0A"  # st in /proc/net/tcp
_QUIET = (_TIME_WAIT, _LISTEN)


def run(*command: str, given: str = "") -> str:
    """Run a command that must succeed and give what it prints."""
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def wait_until(condition: Callable[[], object], what: str, seconds: float = DEADLINE_S) -> None:
    """Return as soon as the condition holds.

    Raises:
        TimeoutError: It does not within the given time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s in vain: {what}")
        time.sleep(_POLL_S)


def _setns(fd: int) -> None:
    if _LIBC.setns(fd, _CLONE_NEWNET):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


@dataclass(frozen=True)
class Namespace:
    """A network namespace that ``ip netns`` knows by name."""

    name: str

    @property
    def inode(self) -> int:
        """What the column netns shows."""
        return Path("/run/netns", self.name).stat().st_ino

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Have this thread in the namespace: the sockets it makes then stay there."""
        with _OWN.open("rb") as before, Path("/run/netns", self.name).open("rb") as inside:
            _setns(inside.fileno())
            try:
                yield
            finally:
                _setns(before.fileno())

    def read(self, path: str) -> str:
        """Read a file below /proc/net."""
        with self.entered():
            return Path("/proc/thread-self/net", path).read_text()

    def set(self, sysctl: str, value: object) -> None:
        """Write a file below /proc/sys/net, if this kernel has it."""
        path = Path("/proc/sys/net", sysctl)
        with self.entered():
            if path.exists():
                path.write_text(str(value))

    @contextmanager
    def having(self, sysctl: str, value: object) -> Iterator[None]:
        """Have a file below /proc/sys/net say something else, if this kernel has it."""
        path = Path("/proc/sys/net", sysctl)
        with self.entered():
            before = path.read_text() if path.exists() else ""
        self.set(sysctl, value)
        try:
            yield
        finally:
            self.set(sysctl, before)

    def ip(self, *lines: str) -> None:
        """Run ``ip`` commands in the namespace."""
        run("ip", "-n", self.name, "-batch", "-", given="\n".join(lines) + "\n")

    def nft(self, *lines: str) -> str:
        """Run ``nft`` commands in the namespace."""
        with self.entered():
            return run("nft", "-f", "-", given="\n".join(lines) + "\n")

    def counters(self) -> dict[str, int]:
        """Read the kernel's counters, by nstat's names: TcpInSegs, TcpExtTCPKeepAlive, Ip6InReceives."""
        counted: dict[str, int] = {}
        for path in ("snmp", "netstat"):
            lines = self.read(path).splitlines()
            for names, values in zip(lines[::2], lines[1::2], strict=True):
                group = names.partition(":")[0]
                pairs = zip(names.split()[1:], values.split()[1:], strict=True)
                counted.update({f"{group}{name}": int(value) for name, value in pairs})
        for line in self.read("snmp6").splitlines():
            name, value = line.split()
            counted[name] = int(value)
        return counted

    def _tcp_sockets(self) -> list[list[str]]:
        tables = [self.read(path).splitlines()[1:] for path in ("tcp", "tcp6")]
        return [line.split() for lines in tables for line in lines]

    def has_quiet_tcp(self) -> bool:
        """Tell whether no socket is left that could send by itself."""
        return all(fields[3] in _QUIET for fields in self._tcp_sockets())

    def has_time_wait(self) -> bool:
        """Tell whether a socket is in TIME_WAIT."""
        return any(fields[3] == _TIME_WAIT for fields in self._tcp_sockets())

    def has_tcp(self, port: int, state: str) -> bool:
        """Tell whether a socket at this local port is in this state, by its number in /proc/net/tcp."""
        return any(int(at.rpartition(":")[2], 16) == port and st == state for _, at, _, st, *_ in self._tcp_sockets())


@contextmanager
def namespaces(names: Sequence[str]) -> Iterator[tuple[Namespace, ...]]:
    """Make namespaces with loopback up; remove them at the end, with their devices and rules."""
    with ExitStack() as stack:
        made = []
        for name in names:
            run("ip", "netns", "add", name)
            stack.callback(run, "ip", "netns", "del", name)
            namespace = Namespace(name)
            namespace.ip("link set lo up")
            # What the machine prefers (bbr paces by timers) is not what is tested, and reno is everywhere.
            namespace.set("ipv4/tcp_congestion_control", "reno")
            made.append(namespace)
        yield tuple(made)
