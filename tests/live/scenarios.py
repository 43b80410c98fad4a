# SPDX-License-Identifier: GPL-2.0-only
"""The table of traffic. A scenario has ports of its own for each family, by which its segments are known."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.live import frames, lossy_traffic, plain_traffic, rare_traffic
from tests.live.peers import Peers
from tests.live.topologies import IPV4, IPV6, MAPPED

_FIRST_PORT = 20000  # below the ephemeral ones
_PORTS_OF_FAMILY = 30
_FAMILIES = (IPV4, IPV6, MAPPED)
_PORTS = _PORTS_OF_FAMILY * len(_FAMILIES)


@dataclass(frozen=True)
class Scenario:
    """One kind of traffic.

    Args:
        make: Makes it; it is done when this returns and all sockets are closed.
        is_pinned: Whether it stays on one CPU, so that each of its connections has one order.
        has_frames: Whether it needs the router.
        find_lacking: Tells what the kernel lacks for it; empty if nothing.
    """

    make: Callable[[Peers], None]
    is_pinned: bool = True
    has_frames: bool = False
    find_lacking: Callable[[], str] = str

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
    Scenario(plain_traffic.flood, is_pinned=False),
    Scenario(lossy_traffic.dropped_segment),
    Scenario(lossy_traffic.dropped_tail),
    Scenario(lossy_traffic.dropped_output),
    Scenario(lossy_traffic.dropped_queue),
    Scenario(lossy_traffic.lost_handshake),
    Scenario(lossy_traffic.time_wait_ack),
    Scenario(lossy_traffic.simultaneous_close),
    Scenario(lossy_traffic.congestion_marks),
    Scenario(rare_traffic.cookies),
    Scenario(rare_traffic.fast_open),
    Scenario(rare_traffic.timeout),
    Scenario(rare_traffic.time_wait_reset),
    Scenario(rare_traffic.simultaneous_open),
    Scenario(rare_traffic.multipath, find_lacking=rare_traffic.lacks_multipath),
    Scenario(frames.padded, has_frames=True),
    Scenario(frames.requests, has_frames=True),
    Scenario(frames.bad_checksum, has_frames=True),
)

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


def port_of(name: str, family: str) -> int:
    """Give the first of the ports that a scenario has for a family."""
    index = [scenario.name for scenario in SCENARIOS].index(name)
    return _FIRST_PORT + _PORTS * index + _PORTS_OF_FAMILY * _FAMILIES.index(family)


def made_at(*ports: int) -> tuple[str, str]:
    """Give the name of the scenario to which a connection belongs, and the family; both empty if to none."""
    for port in ports:
        index, rest = divmod(port - _FIRST_PORT, _PORTS)
        if 0 <= index < len(SCENARIOS):
            return SCENARIOS[index].name, _FAMILIES[rest // _PORTS_OF_FAMILY]
    return "", ""


def scenario_at(*ports: int) -> str:
    """Give the name of the scenario to which a connection belongs; empty if to none."""
    return made_at(*ports)[0]
