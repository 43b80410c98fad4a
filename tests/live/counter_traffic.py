# SPDX-License-Identifier: GPL-2.0-only
"""Traffic for single counters of the kernel that move seldom: each function moves one, and waits until it has."""

import ctypes
import fcntl
import mmap
import os
import select
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.live.lossy_traffic import DROP, nth, treating
from tests.live.namespaces import DEADLINE_S, run, wait_until
from tests.live.odd_traffic import next_sequence, old_timestamp, send_raw
from tests.live.peers import Pair, Peers

_SYN, _RST, _ACK = 0x02, 0x04, 0x10
_FIN_WAIT2, _TIME_WAIT, _SYN_RECV = "05", "06", "03"  # st in /proc/net/tcp
_OUT_OF_WINDOW = 1 << 30
_AN_HOUR_MS = 3_600_000
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_MUCH = 1 << 23  # each CPU takes up to a MB that is not seen in the sum: SK_MEMORY_PCPU_RESERVE


class Lacking(Exception):
    """This kernel cannot make the traffic: says what it lacks, and what would provide it."""


def _counted(peers: Peers, name: str) -> int:
    return peers.network.server.namespace.counters()[name]


@contextmanager
def _moving(peers: Peers, name: str) -> Iterator[None]:
    # Leave only when the counter has moved.
    before = _counted(peers, name)
    yield
    wait_until(lambda: _counted(peers, name) > before, name)


@contextmanager
def _having(peers: Peers, **sysctls: object) -> Iterator[None]:
    # Files below /proc/sys/net/ipv4.
    with ExitStack() as stack:
        for end in peers.network.ends:
            for name, value in sysctls.items():
                stack.enter_context(end.namespace.having(f"ipv4/{name}", value))
        yield


def _send_apart(pair: Pair, count: int) -> None:
    # Segments of their own, that nobody reads yet.
    for _ in range(count):
        pair.client.send(bytes(997))
    pair.facts.up += count * 997


def _read(pair: Pair, size: int) -> None:
    while size:
        size -= len(pair.server.recv(size))


def recovery_without_sack(peers: Peers) -> None:
    """Lose a segment where acknowledgments cannot be selective: three duplicate ones tell of it."""
    with _having(peers, tcp_sack=0), peers.listening() as listener, _moving(peers, "TcpExtTCPRenoRecovery"):
        pair = peers.pair(listener)
        with treating(peers, f"tcp dport {peers.port} {nth(1)} {DROP}"):
            _send_apart(pair, 7)
            _read(pair, 7 * 997)
        pair.close()


def lost_flight(peers: Peers) -> None:
    """Lose all that is under way: but for the first segment, it is sent again when that one is acknowledged."""
    with _having(peers, tcp_early_retrans=0), peers.listening() as listener:
        pair = peers.pair(listener)
        with _moving(peers, "TcpExtTCPSlowStartRetrans"):
            with treating(peers, f"tcp dport {peers.port} {DROP}"), _moving(peers, "TcpExtTCPTimeouts"):
                _send_apart(pair, 5)
            _read(pair, 5 * 997)
        pair.close()


def lost_acknowledgments(peers: Peers) -> None:
    """Lose acknowledgments until the sender takes its segments for lost; what comes then says that they were not.

    Neither timestamps nor D-SACK may say so before F-RTO does (RFC 5682).
    """
    with _having(peers, tcp_timestamps=0, tcp_dsack=0), peers.listening() as listener:
        pair = peers.pair(listener)
        with _moving(peers, "TcpExtTCPSpuriousRTOs"):
            with treating(peers, f"tcp sport {peers.port} {DROP}"), _moving(peers, "TcpExtTCPTimeouts"):
                _send_apart(pair, 5)
            _read(pair, 5 * 997)
        pair.close()


def full_backlog(peers: Peers) -> None:
    """Send to a socket whose owner does not let go of it, more than is kept for later."""
    with peers.listening(SO_RCVBUF=4096, SO_SNDBUF=4096) as listener:
        pair = peers.pair(listener)
        sequence = _far(next_sequence(pair.client))
        pair.client.send(bytes(59))
        with _stalled(pair.server, 59), _moving(peers, "TcpExtTCPBacklogDrop"):
            for _ in range(257):
                # Out of the window, and not to be joined: it follows nothing.
                send_raw(peers, pair.facts.cport, peers.port, _ACK, seq=sequence, payload=bytes(1000))
        pair.facts.up += 59
        pair.close()


# include/uapi/linux/userfaultfd.h
_USERFAULTFD = {"x86_64": 323}.get(os.uname().machine, 282)
_UFFD_API = 0xAA
_UFFDIO_API = 0xC018AA3F
_UFFDIO_REGISTER = 0xC020AA00
_UFFDIO_ZEROPAGE = 0xC020AA04
_UFFDIO_REGISTER_MODE_MISSING = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


@contextmanager
def _stalled(sock: socket.socket, size: int) -> Iterator[None]:
    # The kernel holds a socket while it copies what came, here to a page that is not there until the end.
    fault = _LIBC.syscall(_USERFAULTFD, os.O_CLOEXEC | os.O_NONBLOCK)
    if fault < 0:
        raise Lacking(f"userfaultfd(2): {os.strerror(ctypes.get_errno())}: a kernel with CONFIG_USERFAULTFD")
    with os.fdopen(fault, "rb", 0) as faults, mmap.mmap(-1, mmap.PAGESIZE) as page:
        start = ctypes.addressof(ctypes.c_char.from_buffer(page))
        whole = struct.pack("QQ", start, mmap.PAGESIZE)
        fcntl.ioctl(faults, _UFFDIO_API, struct.pack("QQQ", _UFFD_API, 0, 0))
        fcntl.ioctl(faults, _UFFDIO_REGISTER, whole + struct.pack("QQ", _UFFDIO_REGISTER_MODE_MISSING, 0))
        reader = threading.Thread(target=sock.recv_into, args=(page, size))
        reader.start()
        try:
            if not select.select([faults], [], [], DEADLINE_S)[0]:
                raise TimeoutError("nobody came to the page that is not there")
            yield
        finally:
            fcntl.ioctl(faults, _UFFDIO_ZEROPAGE, whole + struct.pack("Qq", 0, 0))
            reader.join(DEADLINE_S)


def _far(sequence: int) -> int:
    return (sequence + _OUT_OF_WINDOW) % (1 << 32)


def skipped_acknowledgments(peers: Peers) -> None:
    """Send what an ACK answers, but not twice so soon: out of the window, of long ago, to FIN_WAIT2, to TIME_WAIT."""
    namespace = peers.network.server.namespace
    with _having(peers, tcp_invalid_ratelimit=_AN_HOUR_MS), peers.listening() as listener:
        pair = peers.pair(listener)
        pair.up(61)
        sequence = _far(next_sequence(pair.client))
        _send_twice(peers, "Seq", pair.facts.cport, sequence)
        _send_twice(peers, "PAWS", pair.facts.cport, sequence, old_timestamp(pair.client))
        # The end that closes first keeps only what it needs for the other's FIN.
        pair.server.shutdown(socket.SHUT_WR)
        wait_until(lambda: namespace.has_tcp(peers.port, _FIN_WAIT2), "a FIN that is acknowledged")
        pair.server.close()
        _send_twice(peers, "FinWait2", pair.facts.cport, sequence)
        pair.client.close()
        wait_until(lambda: namespace.has_tcp(peers.port, _TIME_WAIT), "a socket in TIME_WAIT")
        _send_twice(peers, "TimeWait", pair.facts.cport, sequence)


def skipped_acknowledgments_of_requests(peers: Peers) -> None:
    """Send out of the window of a connection that is only asked for; nobody sees the SYN-ACK."""
    namespace = peers.network.server.namespace
    asking = 40006
    limited = _having(peers, tcp_invalid_ratelimit=_AN_HOUR_MS)
    with peers.listening(), limited, treating(peers, f"tcp dport {asking} {DROP}"):
        send_raw(peers, asking, peers.port, _SYN, seq=100)
        wait_until(lambda: namespace.has_tcp(peers.port, _SYN_RECV), "a request")
        _send_twice(peers, "SynRecv", asking, _far(100), flags=_SYN)
        send_raw(peers, asking, peers.port, _RST, seq=101)
        peers.settle()


def _send_twice(peers: Peers, why: str, sport: int, seq: int, options: bytes = b"", *, flags: int = _ACK) -> None:
    with _moving(peers, f"TcpExtTCPACKSkipped{why}"):
        for _ in range(2):
            send_raw(peers, sport, peers.port, flags, seq=seq, options=options)


def memory_pressure(peers: Peers) -> None:
    """Let TCP's memory be short, which is the whole machine's: only for a machine of one's own."""
    limits = Path("/proc/sys/net/ipv4/tcp_mem")
    before = limits.read_text()
    with peers.listening() as listener:
        listener.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _MUCH)
        pair = peers.pair(listener)
        pair.client.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _MUCH)
        limits.write_text(f"1 1 {before.split()[2]}")
        try:
            with _moving(peers, "TcpExtTCPMemoryPressures"):
                sent = pair.client.send(bytes(_MUCH), socket.MSG_DONTWAIT)
        finally:
            limits.write_text(before)
        pair.facts.up += sent
        _read(pair, sent)
        pair.close()


def random_loss(peers: Peers) -> None:
    """Lose some packets of many, at random."""
    namespace, device = peers.network.client.namespace, peers.network.client.device
    with namespace.entered():
        try:
            run(*f"tc qdisc add dev {device} root netem loss 3%".split())
        except RuntimeError as error:
            if "kind is unknown" not in str(error):
                raise
            raise Lacking("no netem: a kernel with CONFIG_NET_SCH_NETEM, or its module sch_netem") from error
        try:
            with peers.listening() as listener, _moving(peers, "TcpRetransSegs"):
                pair = peers.pair(listener)
                pair.up(6_000_011)
                pair.down(1_000_003)
                pair.close()
            peers.settle()
        finally:
            run(*f"tc qdisc del dev {device} root".split())
