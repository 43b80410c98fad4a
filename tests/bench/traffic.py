# SPDX-License-Identifier: GPL-2.0-only
"""Traffic of a fixed amount over the loopback of a namespace."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.bench.pairs import CLIENT_CPU, SERVER_CPU
from tests.live.links import forbid_super_segments
from tests.live.namespaces import DEADLINE_S, Namespace, namespaces, wait_until

LOOPBACK = "lo"
_ADDRESS = "127.0.0.1"
_PORT = "5201"
_RX_PACKETS = 2  # column of /proc/net/dev
_LISTEN = "0A"  # st in /proc/net/tcp


@dataclass(frozen=True)
class Load:
    """A way to make traffic.

    Args:
        name: What to call it.
        options: For iperf3's client: how much, how large, how fast.
        has_super_segments: Whether the device takes many segments in one packet.
    """

    name: str
    options: tuple[str, ...]
    has_super_segments: bool


@dataclass(frozen=True)
class Carried:
    """What was carried.

    Args:
        bits_per_s: Payload, as the receiver saw it.
        seconds: How long it took.
        packets: What the device counted in this time: each is sent, and each is received.
    """

    bits_per_s: float
    seconds: float
    packets: int


@contextmanager
def place(load: Load) -> Iterator[Namespace]:
    """Make a namespace whose loopback is as a load wants it."""
    with namespaces([f"tcpio-bench-{os.getpid()}"]) as (namespace,):
        if not load.has_super_segments:
            forbid_super_segments(namespace, LOOPBACK)
        yield namespace


def carry(namespace: Namespace, load: Load) -> Carried:
    """Make the traffic, and wait for its end."""
    before = _count(namespace)
    with _serving(namespace), namespace.entered():
        done = subprocess.run(_client(load), capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    report = json.loads(done.stdout)
    if "error" in report:
        raise RuntimeError(f"{' '.join(_client(load))}: {report['error']}")
    received = report["end"]["sum_received"]
    return Carried(received["bits_per_second"], received["seconds"], _count(namespace) - before)


@contextmanager
def pouring(namespace: Namespace, load: Load, seconds: int) -> Iterator[None]:
    """Make the traffic for some time; its end is waited for."""
    with _serving(namespace):
        with namespace.entered():
            client = subprocess.Popen([*_client(load), "-t", str(seconds)], stdout=subprocess.DEVNULL)
        try:
            yield
            client.wait(DEADLINE_S)
        finally:
            _end(client)


def _client(load: Load) -> list[str]:
    cpus = f"{CLIENT_CPU},{SERVER_CPU}"
    return ["iperf3", "-c", _ADDRESS, "-p", _PORT, "-J", "-A", cpus, *load.options]


@contextmanager
def _serving(namespace: Namespace) -> Iterator[None]:
    # A server for one client.
    with namespace.entered():
        server = subprocess.Popen(["iperf3", "-s", "-1", "-B", _ADDRESS, "-p", _PORT], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: _is_listening(namespace), "iperf3 to listen")
        yield
        server.wait(DEADLINE_S)
    finally:
        _end(server)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.kill()
        process.wait()


def _is_listening(namespace: Namespace) -> bool:
    return any(line.split()[3] == _LISTEN for line in namespace.read("tcp").splitlines()[1:])


def _count(namespace: Namespace) -> int:
    line = next(line for line in namespace.read("dev").splitlines() if line.strip().startswith(f"{LOOPBACK}:"))
    return int(line.split()[_RX_PACKETS])
