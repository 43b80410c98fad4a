# SPDX-License-Identifier: GPL-2.0-only
"""The sockets that make the traffic, of both ends, in one thread: what happens, happens in order."""

import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.live.namespaces import DEADLINE_S, wait_until
from tests.live.topologies import IPV4, MAPPED, End, Network

_CHUNK = 1 << 16
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # struct linger: on, 0 s


@dataclass
class Facts:
    """What the program knows of one connection.

    Args:
        cport: The client's port.
        sport: The server's port.
        up: Bytes that the client sent and the server read.
        down: Bytes that the server sent and the client read.
    """

    cport: int
    sport: int
    up: int = 0
    down: int = 0


@dataclass
class Pair:
    """Both sockets of a connection."""

    client: socket.socket
    server: socket.socket
    facts: Facts

    def up(self, size: int) -> None:
        """Move bytes from the client to the server."""
        move(self.client, self.server, size)
        self.facts.up += size

    def down(self, size: int) -> None:
        """Move bytes from the server to the client."""
        move(self.server, self.client, size)
        self.facts.down += size

    def close(self) -> None:
        """Close the client, let the server see it, close the server."""
        self.client.close()
        if self.server.recv(1):
            raise RuntimeError("the server read more than was sent")
        self.server.close()


def move(sender: socket.socket, receiver: socket.socket, size: int) -> None:
    """Send so many bytes and read them all, without waiting for one while the other waits."""
    deadline = time.monotonic() + DEADLINE_S
    unsent = memoryview(bytes(size))
    unread = size
    while unread:
        readable, writable, _ = select.select([receiver], [sender] if unsent else [], [], DEADLINE_S)
        if writable:
            unsent = unsent[sender.send(unsent[:_CHUNK], socket.MSG_DONTWAIT) :]
        if readable:
            unread -= len(receiver.recv(_CHUNK, socket.MSG_DONTWAIT))
        if time.monotonic() > deadline:
            raise TimeoutError(f"{unread} bytes of {size} did not arrive")


def reset_on_close(sock: socket.socket) -> None:
    """Let close() send a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)


@dataclass
class Peers:
    """The two ends, as a scenario uses them.

    Args:
        network: Where they are.
        family: IPV4, IPV6 or MAPPED.
        port: The first of the ports that are the scenario's and the family's own.
        connections: What the program knows of the connections it made.
        counts: What else it knows.
    """

    network: Network
    family: str
    port: int
    connections: list[Facts] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def wire(self) -> str:
        """What the packets are: IPV4 or IPV6."""
        return IPV4 if self.family == MAPPED else self.family

    def address(self, end: End) -> str:
        """The address of an end, as this family's sockets take it."""
        return f"::ffff:{end.addresses[IPV4]}" if self.family == MAPPED else end.addresses[self.family]

    def open_socket(self, end: End, protocol: int = socket.IPPROTO_TCP) -> socket.socket:
        """Make a TCP socket at an end."""
        with end.namespace.entered():
            family = socket.AF_INET if self.family == IPV4 else socket.AF_INET6
            sock = socket.socket(family, socket.SOCK_STREAM, protocol)
        sock.settimeout(DEADLINE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    @contextmanager
    def listening(
        self, offset: int = 0, *, protocol: int = socket.IPPROTO_TCP, **options: int
    ) -> Iterator[socket.socket]:
        """Have a listener; the options are of the level SOL_SOCKET."""
        with self.open_socket(self.network.server, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            for name, value in options.items():
                listener.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
            listener.bind((self.address(self.network.server), self.port + offset))
            listener.listen(128)
            yield listener

    def pair(self, listener: socket.socket) -> Pair:
        """Connect to a listener and accept."""
        client = self.open_socket(self.network.client)
        client.connect(listener.getsockname()[:2])
        return self.accept(listener, client)

    def accept(self, listener: socket.socket, client: socket.socket) -> Pair:
        """Accept the connection of this client, which is the next one."""
        server, _ = listener.accept()
        server.settimeout(DEADLINE_S)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        facts = Facts(client.getsockname()[1], listener.getsockname()[1])
        self.connections.append(facts)
        return Pair(client, server, facts)

    def settle(self) -> None:
        """Wait until no socket of either end has anything left to do."""
        ends = self.network.ends
        wait_until(lambda: all(end.namespace.has_quiet_tcp() for end in ends), "all sockets closed")

    def to_json(self) -> dict[str, Any]:
        """Give what the program knows."""
        return {"port": self.port, "connections": [asdict(facts) for facts in self.connections], "counts": self.counts}
