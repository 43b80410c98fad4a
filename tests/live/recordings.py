# SPDX-License-Identifier: GPL-2.0-only
"""The table of recordings: which traffic over which network, by which family."""

from dataclasses import dataclass

from tests.live.scenarios import SCENARIOS
from tests.live.topologies import (
    IPV4,
    IPV6,
    MAPPED,
    Topology,
    bridge,
    loopback,
    macvlan,
    routed,
    stacked,
    steered,
    switched,
    veth,
)

_PLAIN = (
    "handshakes",
    "bulk",
    "request_response",
    "refused",
    "resets",
    "urgent",
    "ecn",
    "zero_window",
    "half_close",
    "other_protocols",
    "both_cpus",
)
_LOSSY = (
    "dropped_segment",
    "dropped_tail",
    "lost_handshake",
    "time_wait_ack",
    "simultaneous_close",
    "congestion_marks",
    "keepalive",
)
_RARE = ("cookies", "fast_open", "timeout", "time_wait_reset", "simultaneous_open", "multipath")
_FORGED = tuple(scenario.name for scenario in SCENARIOS if scenario.has_frames)
# By IPv4 through AF_INET6 sockets, of which the packets do not tell: enough that all kinds of senders are among them.
_MAPPED = (
    *("handshakes", "request_response", "refused", "resets", "half_close", "zero_window"),
    *("dropped_segment", "dropped_tail", "lost_handshake", "time_wait_ack", "keepalive", "requests", "bad_checksum"),
    *_RARE,
)
_FEW = ("handshakes", "request_response", "refused", "resets", "time_wait_reset")
_DROPPED = ("dropped_output", "dropped_queue")
_MANY = ("handshakes", "request_response", "resets")
_SUPER = ("handshakes", "bulk", "request_response", "zero_window", "both_cpus")


@dataclass(frozen=True)
class Recording:
    """Traffic that is made in one go, in namespaces of its own, and watched.

    Args:
        name: What it is called.
        topology: Makes the network.
        scenarios: Names of what is made, one after the other, by each family of sockets; by MAPPED less.
        families: These.
        has_super_segments: Whether devices take super-segments. If not, a line is a packet.
        is_for_vms: Whether it is made under emulation too, where all takes ten times as long.
        loses_behind_device: Whether packets are taken away where a device has seen them and TCP has not.
        loses_before_device: Whether packets are taken away where TCP has sent them and no device has sent them.
        watches_all: Whether all namespaces together are traced too.
        is_counted_only: Whether there is too much of it to be kept: tcpio's counts are all that is looked at.
        is_overloaded: Whether tcpio is stopped meanwhile, so that its rings are full; with each --on-overload.
    """

    name: str
    topology: Topology
    scenarios: tuple[str, ...]
    families: tuple[str, ...] = (IPV4, IPV6, MAPPED)
    has_super_segments: bool = False
    is_for_vms: bool = False
    loses_behind_device: bool = False
    loses_before_device: bool = False
    watches_all: bool = False
    is_counted_only: bool = False
    is_overloaded: bool = False

    @property
    def traffic(self) -> list[tuple[str, str]]:
        """Families and scenarios, in their order."""
        return [
            (family, name) for family in self.families for name in self.scenarios if family != MAPPED or name in _MAPPED
        ]


RECORDINGS = (
    Recording("loopback", loopback, _PLAIN),
    Recording("loopback-super", loopback, _SUPER, (IPV4, IPV6), has_super_segments=True, is_for_vms=True),
    Recording("loopback-lossy", loopback, ("dropped_segment", "time_wait_ack"), loses_behind_device=True),
    Recording("output", veth, _DROPPED, (IPV4, IPV6), is_for_vms=True, loses_before_device=True),
    Recording("namespaces", veth, ("request_response", "refused"), is_for_vms=True, watches_all=True),
    Recording("veth", veth, _PLAIN),
    Recording("veth-super", veth, _SUPER, (IPV4, IPV6), has_super_segments=True),
    Recording("routed", routed, _PLAIN + _LOSSY + _RARE + _FORGED, is_for_vms=True),
    Recording("bridge", bridge, _FEW),
    Recording("switched", switched, _FEW),
    Recording("macvlan", macvlan, _FEW),
    Recording("steered", steered, ("flood",), (IPV4, IPV6), is_for_vms=True, is_counted_only=True),
    Recording("stacked", stacked, _FEW, is_for_vms=True),
    Recording("overload", loopback, _MANY, (IPV4, IPV6), is_for_vms=True, is_overloaded=True),
)

BY_NAME = {recording.name: recording for recording in RECORDINGS}
