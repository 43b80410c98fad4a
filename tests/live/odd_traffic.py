# SPDX-License-Identifier: GPL-2.0-only
"""Traffic that goes wrong in ways of its own, so that the kernel's rarer counters move."""

import errno
import os
import select
import socket
import struct
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.live.lossy_traffic import treating
from tests.live.namespaces import wait_until
from tests.live.peers import Pair, Peers
from tests.live.topologies import IPV4

_SYN, _RST, _ACK = 0x02, 0x04, 0x10
_MSG_FASTOPEN = 0x20000000
_TCP_TIMESTAMP = 24  # include/uapi/linux/tcp.h
_LONG_AGO = 1 << 20


def _counted(peers: Peers, name: str) -> int:
    return peers.network.server.namespace.counters()[name]


def _until_counted(peers: Peers, name: str, more_than: int) -> None:
    wait_until(lambda: _counted(peers, name) > more_than, name)


@contextmanager
def _sysctl(peers: Peers, name: str, value: object, then: object) -> Iterator[None]:
    for end in peers.network.ends:
        end.namespace.set(name, value)
    try:
        yield
    finally:
        for end in peers.network.ends:
            end.namespace.set(name, then)


def overflow(peers: Peers) -> None:
    """Connect more often than the listener's queue takes."""
    before = _counted(peers, "TcpExtListenOverflows")
    with peers.listening() as listener, ExitStack() as stack:
        listener.listen(1)
        clients = [stack.enter_context(peers.open_socket(peers.network.client)) for _ in range(7)]
        for client in clients:
            client.settimeout(0)
            client.connect_ex(listener.getsockname()[:2])
        _until_counted(peers, "TcpExtListenOverflows", before)


def cookies(peers: Peers) -> None:
    """Connect to a listener that answers with cookies only; then bring it a wrong cookie."""
    before = _counted(peers, "TcpExtSyncookiesFailed")
    with _sysctl(peers, "ipv4/tcp_syncookies", 2, 1), peers.listening() as listener:
        for _ in range(5):
            pair = peers.pair(listener)
            pair.up(31)
            pair.close()
        send_raw(peers, 40001, peers.port, _ACK, seq=7, ack=11)
        _until_counted(peers, "TcpExtSyncookiesFailed", before)


def fast_open(peers: Peers) -> None:
    """Send data with the SYN, where the server takes it without a cookie."""
    with _sysctl(peers, "ipv4/tcp_fastopen", 0x607, 1), peers.listening() as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
        for _ in range(5):
            client = peers.open_socket(peers.network.client)
            client.sendto(bytes(41), _MSG_FASTOPEN, listener.getsockname()[:2])
            pair = peers.accept(listener, client)
            unread = 41
            while unread:
                unread -= len(pair.server.recv(unread))
            pair.facts.up += 41
            pair.close()


def bad_checksums(peers: Peers) -> None:
    """Send segments with a bad checksum: to a closed port, to a listener, to a connection.

    Of what is longer than 76 bytes (CHECKSUM_BREAK) the kernel looks at the checksum only when it has found the socket.
    """
    before = _counted(peers, "TcpInCsumErrors")
    with peers.listening() as listener:
        pair = peers.pair(listener)
        for sport, dport in ((40002, peers.port + 1), (40003, peers.port), (pair.facts.cport, peers.port)):
            for payload in (b"", bytes(100)):
                send_raw(peers, sport, dport, _ACK, payload=payload, is_good=False)
        _until_counted(peers, "TcpInCsumErrors", before + 5)
        pair.close()


def broken_headers(peers: Peers) -> None:
    """Send a header that says to be shorter than it can be, and a SYN into a connection."""
    before = _counted(peers, "TcpInErrs")
    with peers.listening() as listener:
        pair = peers.pair(listener)
        send_raw(peers, 40004, peers.port, _ACK, words=4)
        _until_counted(peers, "TcpInErrs", before)
        send_raw(peers, pair.facts.cport, peers.port, _SYN, seq=next_sequence(pair.client))
        _until_counted(peers, "TcpInErrs", before + 1)
        pair.close()


def old_timestamps(peers: Peers) -> None:
    """Send into a connection what PAWS takes for old (RFC 7323)."""
    before = _counted(peers, "TcpExtPAWSEstab")
    with peers.listening() as listener:
        pair = peers.pair(listener)
        pair.up(37)
        old = old_timestamp(pair.client)
        for _ in range(3):
            send_raw(peers, pair.facts.cport, peers.port, _ACK, options=old, payload=b"!!")
        _until_counted(peers, "TcpExtPAWSEstab", before + 2)
        pair.close()


def timeouts(peers: Peers) -> None:
    """Give up connections that the other end does not answer any more: with data under way, and when idle."""
    for option, value, count in ((18, 1000, 1), (socket.TCP_KEEPIDLE, 1, 1)):
        before = _counted(peers, "TcpExtTCPAbortOnTimeout")
        with peers.listening() as listener:
            pair = peers.pair(listener)
            pair.client.setsockopt(socket.IPPROTO_TCP, option, value)
            if option == socket.TCP_KEEPIDLE:
                pair.client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                pair.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
                pair.client.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, count)
            with treating(peers, f"tcp dport {peers.port} counter drop"):
                if option != socket.TCP_KEEPIDLE:
                    pair.client.send(bytes(43))
                    pair.facts.up += 43
                    peers.counts["unread"] = 43
                _until_counted(peers, "TcpExtTCPAbortOnTimeout", before)
            pair.client.close()
            pair.server.close()


def delayed_acks(peers: Peers) -> None:
    """Send what the other end need not answer at once."""
    before = _counted(peers, "TcpExtDelayedACKs")
    with peers.listening() as listener:
        pair = peers.pair(listener)
        for _ in range(23):
            pair.up(47)
            pair.down(47)
            if _counted(peers, "TcpExtDelayedACKs") > before:
                break
        pair.up(47)
        _until_counted(peers, "TcpExtDelayedACKs", before)
        pair.close()


def backlog(peers: Peers) -> None:
    """Send to a socket with a small buffer while its owner uses it."""
    with peers.listening(SO_RCVBUF=4096) as listener:
        pair = peers.pair(listener)
        pair.up(1_000_003)
        pair.close()


def peeked(peers: Peers) -> None:
    """Look at bytes before they are taken; send a file; take some by splice(2)."""
    with peers.listening() as listener:
        pair = peers.pair(listener)
        pair.client.send(bytes(53))
        select.select([pair.server], [], [])
        pair.server.recv(53, socket.MSG_PEEK)
        pair.server.recv(53)
        with tempfile.TemporaryFile() as file:
            file.write(bytes(8009))
            file.flush()
            file.seek(0)
            pair.client.sendfile(file)
        _splice(pair, 8009)
        pair.facts.up += 53 + 8009
        peers.counts["spliced"] = 8009
        pair.close()


def _splice(pair: Pair, size: int) -> None:
    read_end, write_end = os.pipe()
    try:
        while size:
            moved = os.splice(pair.server.fileno(), write_end, size)
            os.read(read_end, moved)
            size -= moved
    finally:
        os.close(read_end)
        os.close(write_end)


def reset_attempt(peers: Peers) -> None:
    """Let connections end before they begin: a reset into a half-open one, and one that is refused."""
    before = _counted(peers, "TcpAttemptFails")
    with peers.listening():
        send_raw(peers, 40005, peers.port, _SYN, seq=100)
        send_raw(peers, 40005, peers.port, _RST, seq=101)
    with peers.open_socket(peers.network.client) as client:
        if client.connect_ex((peers.address(peers.network.server), peers.port + 1)) != errno.ECONNREFUSED:
            raise RuntimeError("a closed port did not refuse")
    _until_counted(peers, "TcpAttemptFails", before)


def old_timestamp(sock: socket.socket) -> bytes:
    """Give the option of a segment that the socket would have sent long ago (RFC 7323, 3)."""
    now = struct.unpack("I", sock.getsockopt(socket.IPPROTO_TCP, _TCP_TIMESTAMP, 4))[0]
    return struct.pack("!BBBBII", 1, 1, 8, 10, (now - _LONG_AGO) % (1 << 32), 0)


def next_sequence(sock: socket.socket) -> int:
    """Give the sequence number of what the socket sends next."""
    sock.setsockopt(socket.IPPROTO_TCP, 19, 1)  # TCP_REPAIR
    sock.setsockopt(socket.IPPROTO_TCP, 20, 2)  # TCP_REPAIR_QUEUE: TCP_SEND_QUEUE
    sequence = struct.unpack("I", sock.getsockopt(socket.IPPROTO_TCP, 21, 4))[0]  # TCP_QUEUE_SEQ
    sock.setsockopt(socket.IPPROTO_TCP, 19, 0)
    return int(sequence)


def send_raw(
    peers: Peers,
    sport: int,
    dport: int,
    flags: int,
    *,
    seq: int = 1,
    ack: int = 0,
    words: int = 5,
    options: bytes = b"",
    payload: bytes = b"",
    is_good: bool = True,
) -> None:
    """Send a segment, with payload of an even length, from the client to the server that TCP knows nothing of."""
    wire, (client, server) = peers.wire, (peers.network.client, peers.network.server)
    family = socket.AF_INET if wire == IPV4 else socket.AF_INET6
    ends = b"".join(socket.inet_pton(family, end.addresses[wire]) for end in (client, server))
    words += len(options) // 4
    segment = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, words << 4, flags, 1024, 0, 0) + options + payload
    total: int = sum(struct.unpack(f"!{len(ends + segment) // 2}H", ends + segment)) + len(segment) + 6
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    checksum = ~total & 0xFFFF if is_good else 0x1234
    with client.namespace.entered(), socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
        raw.sendto(segment[:16] + struct.pack("!H", checksum) + segment[18:], (server.addresses[wire], 0))
