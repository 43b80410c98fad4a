# SPDX-License-Identifier: GPL-2.0-only
"""What the traffic runs over: one namespace's loopback, a veth pair, or two with a router between them."""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from tests.live.links import MTU, allow_big_super_segments, forbid_super_segments
from tests.live.namespaces import Namespace, namespaces, run

IPV4 = "ipv4"
IPV6 = "ipv6"
MAPPED = "mapped"
"""IPv4 through AF_INET6 sockets."""

STRANGER = {IPV4: "192.0.2.77", IPV6: "2001:db8:1::77"}
"""Behind the router, and nobody's: by family."""


@dataclass(frozen=True)
class End:
    """One end of the traffic.

    Args:
        namespace: Where it is.
        device: Where its packets pass.
        addresses: By family: IPV4 and IPV6.
        second: Others that it has too, by family, if it has.
    """

    namespace: Namespace
    device: str
    addresses: dict[str, str]
    second: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Network:
    """Two ends, and what lies between.

    Args:
        client: The end that connects.
        server: The end that is connected to; the same one on loopback.
        router: Where packets between them are forwarded, if they are.
        middle: Where all packets pass, and none is from there or for there.
    """

    client: End
    server: End
    router: Namespace | None = None
    middle: Namespace | None = None

    @property
    def ends(self) -> tuple[End, ...]:
        """The places to watch, each once."""
        return (self.client,) if self.client == self.server else (self.client, self.server)


Topology = Callable[[bool], AbstractContextManager[Network]]
"""Makes a network; the argument tells whether its devices take super-segments."""


class NoSuchDevice(Exception):
    """This kernel has no devices of a type."""


_numbers = itertools.count()


def _names(letters: str) -> list[str]:
    number = next(_numbers)
    return [f"tcpio-{os.getpid()}-{number}{letter}" for letter in letters]


def _limit(namespace: Namespace, device: str, *, has_super_segments: bool) -> None:
    (allow_big_super_segments if has_super_segments else forbid_super_segments)(namespace, device)


def _set_up(namespace: Namespace, device: str, addresses: dict[str, str], *, has_super_segments: bool) -> None:
    # Without duplicate address detection an address can be used at once, link-local ones too.
    namespace.set(f"ipv6/conf/{device}/accept_dad", 0)
    namespace.ip(
        f"addr add {addresses[IPV4]}/24 dev {device}",
        f"addr add {addresses[IPV6]}/64 dev {device} nodad",
        f"link set {device} up",
    )
    _limit(namespace, device, has_super_segments=has_super_segments)


def _veth(one: Namespace, one_device: str, other: Namespace, other_device: str) -> None:
    run("ip", "link", "add", one_device, "netns", one.name, "type", "veth", "peer", other_device, "netns", other.name)


@contextmanager
def loopback(has_super_segments: bool) -> Iterator[Network]:  # noqa: FBT001  as Topology
    """One namespace, whose loopback device carries all."""
    with namespaces(_names("a")) as (alone,):
        _limit(alone, "lo", has_super_segments=has_super_segments)
        end = End(alone, "lo", {IPV4: "127.0.0.1", IPV6: "::1"})
        yield Network(end, end)


@contextmanager
def steered(has_super_segments: bool) -> Iterator[Network]:  # noqa: FBT001  as Topology
    """Loopback whose packets are received on any CPU (receive packet steering), and are as small as Ethernet's."""
    with loopback(has_super_segments) as network:
        network.client.namespace.ip(f"link set dev lo mtu {MTU}")
        cpus = (1 << len(os.sched_getaffinity(0))) - 1
        write = f"echo {cpus:x} > /sys/class/net/lo/queues/rx-0/rps_cpus"
        # A namespace's devices are in a sysfs of its own, which ip-netns(8) mounts.
        run("ip", "netns", "exec", network.client.namespace.name, "sh", "-c", write)
        yield network


@contextmanager
def veth(has_super_segments: bool) -> Iterator[Network]:  # noqa: FBT001  as Topology
    """Two namespaces with a cable between them."""
    with namespaces(_names("ab")) as (a, b):
        client = End(a, "veth-a", {IPV4: "192.0.2.1", IPV6: "2001:db8:1::1"})
        server = End(b, "veth-b", {IPV4: "192.0.2.2", IPV6: "2001:db8:1::2"})
        _veth(a, client.device, b, server.device)
        for end in (client, server):
            _set_up(end.namespace, end.device, end.addresses, has_super_segments=has_super_segments)
        yield Network(client, server)


@contextmanager
def routed(has_super_segments: bool) -> Iterator[Network]:  # noqa: FBT001  as Topology
    """Two namespaces and a router between them, which can lose packets that both ends do not see lost."""
    with namespaces(_names("abr")) as (a, b, router):
        second = {IPV4: "192.0.2.3", IPV6: "2001:db8:1::3"}
        client = End(a, "veth-a", {IPV4: "192.0.2.1", IPV6: "2001:db8:1::1"}, second)
        server = End(b, "veth-b", {IPV4: "198.51.100.1", IPV6: "2001:db8:2::1"})
        near = {
            "to-a": {IPV4: "192.0.2.2", IPV6: "2001:db8:1::2"},
            "to-b": {IPV4: "198.51.100.2", IPV6: "2001:db8:2::2"},
        }
        for end, (device, addresses) in zip((client, server), near.items(), strict=True):
            _veth(end.namespace, end.device, router, device)
            _set_up(router, device, addresses, has_super_segments=has_super_segments)
            _set_up(end.namespace, end.device, end.addresses, has_super_segments=has_super_segments)
            end.namespace.ip(f"route add default via {addresses[IPV4]}", f"route add default via {addresses[IPV6]}")
        # Deprecated, so that nobody takes it who is not told to.
        client.namespace.ip(
            f"addr add {second[IPV4]}/24 dev {client.device}",
            f"addr add {second[IPV6]}/64 dev {client.device} nodad preferred_lft 0",
        )
        router.set("ipv4/ip_forward", 1)
        router.set("ipv6/conf/all/forwarding", 1)
        # What is sent to nobody is dropped in silence: that nobody is there, the server would take for an end.
        router.ip(*(f"route add blackhole {address}" for address in STRANGER.values()))
        yield Network(client, server, router, router)


_ON_A = {IPV4: "192.0.2.1", IPV6: "2001:db8:1::1"}
_ON_B = {IPV4: "192.0.2.2", IPV6: "2001:db8:1::2"}


def _add(namespace: Namespace, device: str, kind: str, options: str = "", lower: str = "") -> None:
    # A device on top of another one.
    on = f"link {lower} " if lower else ""
    try:
        namespace.ip(f"link add {on}{device} type {kind} {options}")
    except RuntimeError as error:
        if "Unknown device type" in str(error) or "not supported" in str(error):
            raise NoSuchDevice(f"this kernel has no devices of type {kind}") from error
        raise


def _enslave(namespace: Namespace, master: str, *devices: str) -> None:
    for device in devices:
        _limit(namespace, device, has_super_segments=False)
        namespace.ip(f"link set {device} down", f"link set {device} master {master}", f"link set {device} up")


@contextmanager
def bridge(has_super_segments: bool) -> Iterator[Network]:  # noqa: FBT001  as Topology
    """The client's end of the cable is the port of a bridge, which has the address."""
    with namespaces(_names("ab")) as (a, b):
        client, server = End(a, "bridge", _ON_A), End(b, "veth-b", _ON_B)
        _veth(a, "veth-a", b, server.device)
        _add(a, client.device, "bridge")
        _enslave(a, client.device, "veth-a")
        for end in (client, server):
            _set_up(end.namespace, end.device, end.addresses, has_super_segments=has_super_segments)
        yield Network(client, server)


@contextmanager
def switched(has_super_segments: bool) -> Iterator[Network]:  # noqa: FBT001  as Topology
    """A bridge between the ends, in a namespace of its own."""
    with namespaces(_names("abs")) as (a, b, switch):
        client, server = End(a, "veth-a", _ON_A), End(b, "veth-b", _ON_B)
        _add(switch, "bridge", "bridge")
        for end, port in ((client, "to-a"), (server, "to-b")):
            _veth(end.namespace, end.device, switch, port)
            _enslave(switch, "bridge", port)
            _set_up(end.namespace, end.device, end.addresses, has_super_segments=has_super_segments)
        switch.ip("link set bridge up")
        yield Network(client, server, middle=switch)


@contextmanager
def macvlan(has_super_segments: bool) -> Iterator[Network]:  # noqa: FBT001  as Topology
    """Both ends are macvlan devices of one cable's end and of the other's, moved out of its namespace."""
    with namespaces(_names("abm")) as (a, b, middle):
        client, server = End(a, "macvlan-a", _ON_A), End(b, "macvlan-b", _ON_B)
        _veth(middle, "to-a", middle, "to-b")
        for end, lower in ((client, "to-a"), (server, "to-b")):
            _limit(middle, lower, has_super_segments=has_super_segments)
            middle.ip(f"link set {lower} up")
            _add(middle, end.device, "macvlan", "mode bridge", lower)
            middle.ip(f"link set {end.device} netns {end.namespace.name}")
            _set_up(end.namespace, end.device, end.addresses, has_super_segments=has_super_segments)
        yield Network(client, server, middle=middle)


@contextmanager
def stacked(has_super_segments: bool) -> Iterator[Network]:  # noqa: FBT001  as Topology
    """The client's bridge has a VLAN of a bond of a cable's end as its port; the server's VLAN is on the other end."""
    with namespaces(_names("ab")) as (a, b):
        client, server = End(a, "bridge", _ON_A), End(b, "vlan", _ON_B)
        _veth(a, "veth-a", b, "veth-b")
        _add(a, "bond", "bond", "mode active-backup miimon 100")
        _enslave(a, "bond", "veth-a")
        a.ip("link set bond up")
        _add(a, "vlan", "vlan", "id 5", "bond")
        _add(a, "bridge", "bridge")
        _enslave(a, "bridge", "vlan")
        _limit(b, "veth-b", has_super_segments=has_super_segments)
        b.ip("link set veth-b up")
        _add(b, "vlan", "vlan", "id 5", "veth-b")
        for end in (client, server):
            _set_up(end.namespace, end.device, end.addresses, has_super_segments=has_super_segments)
        yield Network(client, server)
