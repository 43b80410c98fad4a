# SPDX-License-Identifier: GPL-2.0-only
"""Frames made by hand, for what no socket would send: put on the cable by the router."""

import socket
import struct
from dataclasses import dataclass

from tests.live.namespaces import wait_until
from tests.live.peers import Peers
from tests.live.topologies import IPV4, IPV6, STRANGER

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10

_ETHERNET_MINIMUM = 60  # without the checksum
_ETH_P = {IPV4: 0x0800, IPV6: 0x86DD}


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


@dataclass(frozen=True)
class Forger:
    """Sends segments to the server that come from an address where nobody lives.

    Args:
        peers: Where.
        padding: Bytes behind each packet that do not belong to it, at least; Ethernet's minimum adds to them.
    """

    peers: Peers
    padding: int = 0

    def send(self, sport: int, dport: int, flags: int, seq: int = 1, ack: int = 0, *, is_intact: bool = True) -> None:
        """Send a segment without payload; its checksum is right if it is to be intact."""
        wire, server = self.peers.wire, self.peers.network.server
        family = socket.AF_INET if wire == IPV4 else socket.AF_INET6
        ends = b"".join(socket.inet_pton(family, text) for text in (STRANGER[wire], server.addresses[wire]))
        segment = struct.pack("!HHIIBBHHH", sport, dport, seq, ack, 0x50, flags, 1024, 0, 0)
        pseudo = ends + struct.pack("!II", len(segment), socket.IPPROTO_TCP)
        checksum = _checksum(pseudo + segment) ^ (0 if is_intact else 0x5555)
        segment = segment[:16] + struct.pack("!H", checksum) + segment[18:]
        if wire == IPV4:
            header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 1, 0, 64, socket.IPPROTO_TCP, 0) + ends
            header = header[:10] + struct.pack("!H", _checksum(header)) + header[12:]
        else:
            header = struct.pack("!IHBB", 6 << 28, len(segment), socket.IPPROTO_TCP, 64) + ends
        self._put(header + segment)

    def _put(self, packet: bytes) -> None:
        router, server = self.peers.network.router, self.peers.network.server
        if router is None:
            raise RuntimeError("frames are forged on the router")
        with server.namespace.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as cable:
            cable.bind((server.device, 0))
            to = cable.getsockname()[4]
        with router.entered(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as cable:
            cable.bind(("to-b", 0))
            frame = to + cable.getsockname()[4] + struct.pack("!H", _ETH_P[self.peers.wire]) + packet
            cable.send((frame + b"\xaa" * self.padding).ljust(_ETHERNET_MINIMUM, b"\xaa"))

    def expect_answer(self, sport: int, dport: int, flags: int, seq: int = 1, ack: int = 0) -> None:
        """Send a segment, and wait until the server has answered it."""
        namespace = self.peers.network.server.namespace
        before = namespace.counters()["TcpOutSegs"]
        self.send(sport, dport, flags, seq, ack)
        wait_until(lambda: namespace.counters()["TcpOutSegs"] > before, f"an answer to flags {flags:#x}")


def padded(peers: Peers) -> None:
    """Send short segments in frames with padding, to a closed port: each is answered by a reset."""
    for number in range(5):
        Forger(peers, padding=number * 7).expect_answer(7001, peers.port, ACK, ack=number)
    peers.counts["padded"] = 5


def requests(peers: Peers) -> None:
    """Ask for connections that are never made: the server answers though it has no socket for them."""
    forger = Forger(peers)
    with peers.listening():
        for sport in (7011, 7013, 7019):
            forger.expect_answer(sport, peers.port, SYN, seq=1000)
            # Out of the window, which is answered by an ACK; and for an acknowledgment of nothing, by a reset.
            forger.expect_answer(sport, peers.port, SYN, seq=3_000_000_000)
            forger.expect_answer(sport, peers.port, ACK, seq=1001, ack=1)
            forger.send(sport, peers.port, RST, seq=1001)
        # To a listener, for no request.
        forger.expect_answer(7027, peers.port, ACK, ack=1)
    peers.counts["acks"] = 3


def bad_checksum(peers: Peers) -> None:
    """Send segments to a closed port that were damaged on their way: nobody answers."""
    namespace = peers.network.server.namespace
    before = namespace.counters()["TcpInCsumErrors"]
    for number in range(5):
        Forger(peers).send(7041, peers.port, SYN, seq=number, is_intact=False)
    wait_until(lambda: namespace.counters()["TcpInCsumErrors"] == before + 5, "bad checksums")
    peers.counts["damaged"] = 5
