# SPDX-License-Identifier: GPL-2.0-only
"""The table of traffic. A scenario has a hundred ports of its own, by which its segments are known."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.live import frames, lossy_traffic, plain_traffic
from tests.live.peers import Peers

_FIRST_PORT = 20000  # below the ephemeral ones
_PORTS = 100


@dataclass(frozen=True)
class Scenario:
    """One kind of traffic.

    Args:
        make: Makes it; it is done when this returns and all sockets are closed.
        is_pinned: Whether it stays on one CPU, so that each of its connections has one order.
        has_frames: Whether it needs the router.
    """

    make: Callable[[Peers], None]
    is_pinned: bool = True
    has_frames: bool = False

    @property
    def name(self) -> str:
        """What it is called."""
        return self.make.__name__


SCENARIOS = (
    Scenario(plain_traffic.handshakes),
    Scenario(plain_traffic.bulk),
    Scenario(plain_traffic.request_response),
    Scenario(plain_traffic.refused),
    Scenario(plain_traffic.resets),
    Scenario(plain_traffic.urgent),
    Scenario(plain_traffic.ecn),
    Scenario(plain_traffic.zero_window),
    Scenario(plain_traffic.half_close),
    Scenario(plain_traffic.keepalive),
    Scenario(plain_traffic.other_protocols),
    Scenario(plain_traffic.both_cpus, is_pinned=False),
    Scenario(lossy_traffic.dropped_segment),
    Scenario(lossy_traffic.dropped_tail),
    Scenario(lossy_traffic.lost_handshake),
    Scenario(lossy_traffic.time_wait_ack),
    Scenario(lossy_traffic.simultaneous_close),
    Scenario(lossy_traffic.congestion_marks),
    Scenario(frames.padded, has_frames=True),
    Scenario(frames.requests, has_frames=True),
)

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


def port_of(name: str) -> int:
    """Give the first of a scenario's ports."""
    return _FIRST_PORT + _PORTS * [scenario.name for scenario in SCENARIOS].index(name)


def scenario_at(*ports: int) -> str:
    """Give the name of the scenario to which a connection belongs; empty if to none."""
    for port in ports:
        index = (port - _FIRST_PORT) // _PORTS
        if 0 <= index < len(SCENARIOS):
            return SCENARIOS[index].name
    return ""
