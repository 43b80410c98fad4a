# SPDX-License-Identifier: GPL-2.0-only
"""Traffic in which nothing is lost on the way. Counts are bounded and prime."""

import errno
import os
import select
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from tests.live.namespaces import DEADLINE_S, wait_until
from tests.live.peers import Peers, reset_on_close
from tests.live.topologies import IPV4

BULK_BYTES = 4_000_037
FLOOD_BYTES = 15_000_017
_FLOODS = 4
_SCTP = 132
_PROBES = 2


@contextmanager
def pinned(cpu: int) -> Iterator[None]:
    """Keep this thread, and the softirqs that its packets raise, on one CPU."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def handshakes(peers: Peers) -> None:
    """Connect and close, by the hundred."""
    with peers.listening() as listener:
        for _ in range(101):
            peers.pair(listener).close()
    peers.counts["closed"] = 101


def bulk(peers: Peers) -> None:
    """Move megabytes up, and fewer down."""
    with peers.listening() as listener:
        pair = peers.pair(listener)
        pair.up(BULK_BYTES)
        pair.down(BULK_BYTES // 4)
        pair.close()


def request_response(peers: Peers) -> None:
    """Ask and answer, with small and larger payloads."""
    with peers.listening() as listener:
        pair = peers.pair(listener)
        for size in range(1, 98):
            pair.up(size)
            pair.down(11 * size)
        pair.close()


def refused(peers: Peers) -> None:
    """Connect to a port where nobody listens."""
    address = peers.address(peers.network.server)
    for _ in range(23):
        with peers.open_socket(peers.network.client) as client:
            if client.connect_ex((address, peers.port)) != errno.ECONNREFUSED:
                raise RuntimeError("a closed port did not refuse")
    peers.counts["refused"] = 23


def resets(peers: Peers) -> None:
    """End connections by a reset: with SO_LINGER 0, and by closing what has unread data."""
    with peers.listening() as listener:
        for _ in range(19):
            pair = peers.pair(listener)
            pair.up(53)
            reset_on_close(pair.client)
            _expect_reset(pair.client, pair.server)
        for _ in range(7):
            pair = peers.pair(listener)
            pair.client.send(bytes(59))
            pair.facts.up += 59
            select.select([pair.server], [], [], DEADLINE_S)
            _expect_reset(pair.server, pair.client)
    peers.counts["reset"] = 26
    peers.counts["unread"] = 7 * 59


def _expect_reset(closes: socket.socket, sees: socket.socket) -> None:
    closes.close()
    try:
        sees.recv(1)
    except ConnectionResetError:
        sees.close()
    else:
        raise RuntimeError("a reset did not arrive")


def urgent(peers: Peers) -> None:
    """Send urgent bytes among others."""
    with peers.listening() as listener:
        pair = peers.pair(listener)
        pair.server.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        for _ in range(13):
            pair.up(17)
            pair.client.send(b"!", socket.MSG_OOB)
            if pair.server.recv(1) != b"!":
                raise RuntimeError("an urgent byte did not arrive in line")
            pair.facts.up += 1
        pair.close()


@contextmanager
def ecn_enabled(peers: Peers) -> Iterator[None]:
    """Let both ends ask for explicit congestion notification (RFC 3168)."""
    for end in peers.network.ends:
        end.namespace.set("ipv4/tcp_ecn", 1)
    try:
        yield
    finally:
        for end in peers.network.ends:
            end.namespace.set("ipv4/tcp_ecn", 2)


def ecn(peers: Peers) -> None:
    """Agree on congestion notification: ECE and CWR in the handshake."""
    with ecn_enabled(peers), peers.listening() as listener:
        for _ in range(5):
            pair = peers.pair(listener)
            pair.up(1009)
            pair.close()


def zero_window(peers: Peers) -> None:
    """Send to one who does not read until the window has been probed, then let him read."""
    namespace = peers.network.client.namespace
    probed = namespace.counters()["TcpExtTCPWinProbe"]
    with peers.listening(SO_RCVBUF=4096) as listener:
        pair = peers.pair(listener)
        pair.client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16384)
        sent = _send_until_full(pair.client)
        wait_until(lambda: namespace.counters()["TcpExtTCPWinProbe"] >= probed + _PROBES, "window probes")
        unread = sent
        while unread:
            unread -= len(pair.server.recv(1 << 16))
        pair.facts.up += sent
        pair.close()


def _send_until_full(client: socket.socket) -> int:
    # Until neither the window nor the socket's own buffer takes more.
    sent = 0
    while select.select([], [client], [], 0.1)[1]:
        sent += client.send(bytes(1013), socket.MSG_DONTWAIT)
    return sent


def half_close(peers: Peers) -> None:
    """Let the client end its direction first, and the server go on."""
    with peers.listening() as listener:
        pair = peers.pair(listener)
        pair.up(67)
        pair.client.shutdown(socket.SHUT_WR)
        if pair.server.recv(1):
            raise RuntimeError("the server read more than was sent")
        for _ in range(7):
            pair.down(1019)
        pair.server.close()
        if pair.client.recv(1):
            raise RuntimeError("the client read more than was sent")
        pair.client.close()


def keepalive(peers: Peers) -> None:
    """Leave a connection idle for as long as it takes to be asked whether it lives."""
    namespace = peers.network.client.namespace
    asked = namespace.counters()["TcpExtTCPKeepAlive"]
    with peers.listening() as listener:
        pair = peers.pair(listener)
        pair.client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        pair.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 1)
        pair.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
        wait_until(lambda: namespace.counters()["TcpExtTCPKeepAlive"] > asked, "a keepalive probe")
        pair.close()


def other_protocols(peers: Peers) -> None:
    """Send what is not TCP, with bytes that look like a TCP header."""
    with peers.listening() as listener:
        pair = peers.pair(listener)
        like_tcp = pair.facts.cport.to_bytes(2, "big") + pair.facts.sport.to_bytes(2, "big") + bytes(8) + b"\x50" * 8
        family = socket.AF_INET if peers.wire == IPV4 else socket.AF_INET6
        address = peers.network.server.addresses[peers.wire]
        with peers.network.client.namespace.entered():
            udp = socket.socket(family, socket.SOCK_DGRAM)
            sctp = socket.socket(family, socket.SOCK_RAW, _SCTP)
        with udp, sctp:
            for _ in range(11):
                udp.sendto(like_tcp, (address, 9))
                sctp.sendto(like_tcp, (address, 0))
        pair.close()


def flood(peers: Peers) -> None:
    """Have four connections at once, each of which moves tens of megabytes up and down at the same time."""
    with ThreadPoolExecutor(2 * _FLOODS) as threads, ExitStack() as stack:
        pairs = [peers.pair(stack.enter_context(peers.listening(offset))) for offset in range(_FLOODS)]
        work = [threads.submit(pair.up, FLOOD_BYTES) for pair in pairs]
        work += [threads.submit(pair.down, FLOOD_BYTES) for pair in pairs]
        for part in work:
            part.result()
        for pair in pairs:
            pair.close()


def both_cpus(peers: Peers) -> None:
    """Have 64 connections at once, half of them on each of two CPUs."""
    cpus = sorted(os.sched_getaffinity(0))[:2]
    with ThreadPoolExecutor(len(cpus)) as threads:
        work = [threads.submit(_many_connections, peers, offset, cpu) for offset, cpu in enumerate(cpus)]
    for part in work:
        part.result()


def _many_connections(peers: Peers, offset: int, cpu: int) -> None:
    with pinned(cpu), peers.listening(offset) as listener:
        pairs = [peers.pair(listener) for _ in range(32)]
        for size in (1, 101, 1009, 10007):
            for pair in pairs:
                pair.up(size)
                pair.down(3 * size)
        for pair in pairs:
            pair.close()
