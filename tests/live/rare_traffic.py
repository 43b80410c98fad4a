# SPDX-License-Identifier: GPL-2.0-only
"""Traffic that hosts make seldom, or only if they are told to. Counts are bounded and prime."""

import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.live.lossy_traffic import DROP, nth, treating
from tests.live.namespaces import DEADLINE_S, wait_until
from tests.live.peers import Facts, Pair, Peers

_IPPROTO_MPTCP = 262
_FIN_WAIT2 = "05"  # st in /proc/net/tcp
_FAST_OPEN_BOTH = 3  # tcp_fastopen in ip-sysctl: as client and as server


def cookies(peers: Peers) -> None:
    """Answer each SYN by a cookie (RFC 4987, 3.6), as if the backlog were full."""
    with peers.network.server.namespace.having("ipv4/tcp_syncookies", 2), peers.listening() as listener:
        for _ in range(5):
            pair = peers.pair(listener)
            pair.up(37)
            pair.close()


def fast_open(peers: Peers) -> None:
    """Send data in the SYN (RFC 7413), once a first connection has brought the cookie."""
    with _fast_open_enabled(peers), peers.listening() as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 16)
        for _ in range(5):
            client = peers.open_socket(peers.network.client)
            sent = _connect_with_data(client, listener.getsockname()[:2], 523)
            pair = peers.accept(listener, client)
            unread = sent
            while unread:
                unread -= len(pair.server.recv(unread))
            pair.facts.up += sent
            pair.close()


def _connect_with_data(client: socket.socket, address: tuple[str, int], size: int) -> int:
    # How much went with the SYN: nothing, if it has to ask for a cookie first.
    try:
        return client.sendto(bytes(size), socket.MSG_FASTOPEN, address)
    except BlockingIOError:
        return 0


@contextmanager
def _fast_open_enabled(peers: Peers) -> Iterator[None]:
    with ExitStack() as stack:
        for end in peers.network.ends:
            stack.enter_context(end.namespace.having("ipv4/tcp_fastopen", _FAST_OPEN_BOTH))
            stack.enter_context(end.namespace.having("ipv4/tcp_fastopen_blackhole_timeout_sec", 0))
        yield


def timeout(peers: Peers) -> None:
    """Lose a segment that nothing follows, where no probe (RFC 8985, 7) comes before the retransmission timeout."""
    with peers.network.client.namespace.having("ipv4/tcp_early_retrans", 0), peers.listening() as listener:
        pair = peers.pair(listener)
        with treating(peers, f"tcp dport {peers.port} {nth(0)} {DROP}"):
            pair.up(977)
        pair.close()


def time_wait_reset(peers: Peers) -> None:
    """Send to one who has closed, and of whose socket only its time wait is left: a reset is the answer."""
    namespace = peers.network.client.namespace
    with peers.listening() as listener:
        for _ in range(3):
            pair = peers.pair(listener)
            pair.client.close()
            port = pair.facts.cport
            wait_until(lambda at=port: namespace.has_tcp(at, _FIN_WAIT2), "a closed socket")  # type: ignore[misc]
            pair.server.send(bytes(7))
            pair.facts.down += 7
            select.select([pair.server], [], [], DEADLINE_S)
            pair.server.close()


def simultaneous_open(peers: Peers) -> None:
    """Let both ends connect to each other: the first one's SYN is lost, so that the other's meets one who has sent."""
    client, server = (peers.open_socket(end) for end in (peers.network.client, peers.network.server))
    client.bind((peers.address(peers.network.client), peers.port + 1))
    server.bind((peers.address(peers.network.server), peers.port))
    with treating(peers, f"tcp dport {peers.port} {nth(0)} {DROP}"):
        client.settimeout(0)
        client.connect_ex(server.getsockname()[:2])
        server.connect(client.getsockname()[:2])
    select.select([], [client], [], DEADLINE_S)
    client.settimeout(DEADLINE_S)
    pair = Pair(client, server, Facts(peers.port + 1, peers.port))
    peers.connections.append(pair.facts)
    pair.up(73)
    pair.close()
    peers.counts["crossed"] = 1


def lacks_multipath() -> str:
    """Tell why there is no Multipath TCP; empty if there is."""
    return "" if Path("/proc/sys/net/mptcp/enabled").exists() else "a kernel without CONFIG_MPTCP"


def multipath(peers: Peers) -> None:
    """Make a connection of two subflows (RFC 8684), of which the second one begins at another address."""
    client, server = peers.network.client, peers.network.server
    joined = server.namespace.counters()["MPTcpExtMPJoinAckRx"]
    for end in (client, server):
        end.namespace.ip("mptcp limits set subflows 1 add_addr_accepted 0")
    client.namespace.ip("mptcp endpoint flush", f"mptcp endpoint add {client.second[peers.wire]} subflow")
    with peers.listening(protocol=_IPPROTO_MPTCP) as listener:
        sender = peers.open_socket(client, _IPPROTO_MPTCP)
        sender.connect(listener.getsockname()[:2])
        receiver, _ = listener.accept()
        receiver.settimeout(DEADLINE_S)
        # What the kernel sends by which subflow is its own affair, so no connection is noted down.
        pair = Pair(sender, receiver, Facts(0, 0))
        pair.up(79)
        wait_until(lambda: server.namespace.counters()["MPTcpExtMPJoinAckRx"] > joined, "a second subflow")
        pair.up(83)
        pair.down(89)
        pair.close()
    peers.counts["subflows"] = 2
