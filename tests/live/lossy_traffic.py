# SPDX-License-Identifier: GPL-2.0-only
"""Traffic of which nftables takes some packets away between the ends."""

import re
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.live.namespaces import DEADLINE_S, run
from tests.live.peers import Peers
from tests.live.plain_traffic import ecn_enabled
from tests.live.topologies import IPV4

DROP = "counter drop"
"""The end of a rule that takes a packet away."""

_LATE = 967  # bytes


def nth(number: int) -> str:
    """Match a rule's packet of this number, counted from 0, and no other."""
    return f"numgen inc mod 1000000 == {number}"


@contextmanager
def treating(peers: Peers, *rules: str, is_output: bool = False) -> Iterator[None]:
    """Have rules of nftables between the ends; count what they drop.

    On the router, which both ends' views of their own traffic leave out. Without one, packets are taken away behind the
    device and before TCP; if it is the client's output, behind TCP and before the device.
    """
    where, hook = peers.network.client.namespace, "input"
    if is_output:
        hook = "output"
    elif peers.network.router:
        where, hook = peers.network.router, "forward"
    where.nft(
        "add table inet tcpio",
        f"add chain inet tcpio between {{ type filter hook {hook} priority 0; }}",
        *(f"add rule inet tcpio between {rule}" for rule in rules),
    )
    try:
        yield
    finally:
        taken = re.findall(r"counter packets (\d+)", where.nft("list table inet tcpio"))
        where.nft("delete table inet tcpio")
        peers.counts["dropped"] = peers.counts.get("dropped", 0) + sum(map(int, taken))


def dropped_segment(peers: Peers) -> None:
    """Lose a segment in the middle: the others behind it tell the sender."""
    with peers.listening() as listener:
        pair = peers.pair(listener)
        with treating(peers, f"tcp dport {peers.port} {nth(3)} {DROP}"):
            for _ in range(23):
                pair.client.send(bytes(997))
            unread = 23 * 997
            while unread:
                unread -= len(pair.server.recv(1 << 16))
        pair.facts.up += 23 * 997
        pair.close()


def dropped_output(peers: Peers) -> None:
    """Have netfilter drop segments, and a SYN, that the client sends, before they leave the host."""
    rules = [f"tcp dport {peers.port} {nth(number)} {DROP}" for number in (0, 7)]
    with peers.listening() as listener, treating(peers, *rules, is_output=True):
        client = peers.open_socket(peers.network.client)
        client.connect(listener.getsockname()[:2])
        pair = peers.accept(listener, client)
        for _ in range(11):
            pair.up(953)
        pair.close()


def dropped_queue(peers: Peers) -> None:
    """Have the queue of the client's device drop what it is handed; it is sent again later."""
    client = peers.network.client
    queue = ("root", "handle", "1:", "blackhole")
    with peers.listening() as listener:
        pair = peers.pair(listener)
        run("tc", "-n", client.namespace.name, "qdisc", "add", "dev", client.device, *queue)
        pair.client.send(bytes(_LATE))
        run("tc", "-n", client.namespace.name, "qdisc", "del", "dev", client.device, *queue)
        unread = _LATE
        while unread:
            unread -= len(pair.server.recv(unread))
        pair.facts.up += _LATE
        pair.close()


def dropped_tail(peers: Peers) -> None:
    """Lose the last segment: only a timer tells the sender."""
    with peers.listening() as listener:
        pair = peers.pair(listener)
        with treating(peers, f"tcp dport {peers.port} {nth(0)} {DROP}"):
            pair.up(991)
        pair.close()


def lost_handshake(peers: Peers) -> None:
    """Lose a SYN, and a SYN-ACK: both are sent again."""
    rules = (f"tcp dport {peers.port} {nth(0)} {DROP}", f"tcp sport {peers.port + 1} {nth(0)} {DROP}")
    with peers.listening(0) as first, peers.listening(1) as second, treating(peers, *rules):
        clients = [peers.open_socket(peers.network.client) for _ in range(2)]
        for client, listener in zip(clients, (first, second), strict=True):
            client.settimeout(0)
            client.connect_ex(listener.getsockname()[:2])
        for client, listener in zip(clients, (first, second), strict=True):
            select.select([], [client], [], DEADLINE_S)
            client.settimeout(DEADLINE_S)
            pair = peers.accept(listener, client)
            pair.up(61)
            pair.close()


def time_wait_ack(peers: Peers) -> None:
    """Lose the last ACK: the FIN comes again, to a socket in TIME_WAIT."""
    with peers.listening() as listener:
        for _ in range(2):
            pair = peers.pair(listener)
            pair.client.shutdown(socket.SHUT_WR)
            pair.server.recv(1)
            with treating(peers, f"tcp dport {peers.port} {nth(0)} {DROP}"):
                pair.server.close()
                peers.settle()
            pair.client.close()
    peers.counts["repeated"] = 2


def simultaneous_close(peers: Peers) -> None:
    """Close both ends, while each one's FIN is lost on its way."""
    is_fin = "tcp flags & fin == fin"
    rules = (f"tcp dport {peers.port} {is_fin} {nth(0)} {DROP}", f"tcp sport {peers.port} {is_fin} {nth(0)} {DROP}")
    with peers.listening() as listener:
        pair = peers.pair(listener)
        pair.up(71)
        with treating(peers, *rules):
            pair.client.close()
            pair.server.close()
            peers.settle()


def congestion_marks(peers: Peers) -> None:
    """Mark a packet on its way as having met congestion: the receiver says so, and the sender that it heard."""
    ip = "ip" if peers.wire == IPV4 else "ip6"
    rule = f"tcp dport {peers.port} {ip} ecn ect0 {nth(3)} {ip} ecn set ce"
    with ecn_enabled(peers), peers.listening() as listener:
        pair = peers.pair(listener)
        with treating(peers, rule):
            for _ in range(11):
                pair.up(983)
        pair.close()
