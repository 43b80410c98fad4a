# SPDX-License-Identifier: GPL-2.0-only
"""Count all there is to count, and what the kernel counts: ``python3 -m tests.live.counted FILE RUNG [BY]``."""

import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from tcpio.filter.ast import Between
from tcpio.kernel.buckets import Counting, Summing, Sums
from tcpio.kernel.hooks import Rung
from tcpio.schema.bucket import parse_by
from tcpio.schema.counters import COUNTERS
from tests.live import lossy_traffic, odd_traffic, plain_traffic
from tests.live.peers import Peers
from tests.live.termination import ending_by
from tests.live.topologies import IPV4, IPV6, MAPPED, Network, loopback

TRAFFIC: tuple[Callable[[Peers], None], ...] = (
    plain_traffic.handshakes,
    plain_traffic.bulk,
    plain_traffic.request_response,
    plain_traffic.refused,
    plain_traffic.resets,
    plain_traffic.urgent,
    plain_traffic.zero_window,
    plain_traffic.half_close,
    plain_traffic.keepalive,
    plain_traffic.other_protocols,
    plain_traffic.both_cpus,
    lossy_traffic.dropped_segment,
    lossy_traffic.dropped_tail,
    lossy_traffic.lost_handshake,
    lossy_traffic.time_wait_ack,
    lossy_traffic.simultaneous_close,
    odd_traffic.overflow,
    odd_traffic.cookies,
    odd_traffic.fast_open,
    odd_traffic.bad_checksums,
    odd_traffic.broken_headers,
    odd_traffic.old_timestamps,
    odd_traffic.timeouts,
    odd_traffic.delayed_acks,
    odd_traffic.backlog,
    odd_traffic.peeked,
    odd_traffic.reset_attempt,
)

_FIRST_PORT = 20000
_RUNGS = {rung.value: rung for rung in Rung}


def make_traffic(network: Network) -> dict[str, Any]:
    """Make all of it by all families, and tell what the programs know."""
    made: dict[str, Any] = {"up": 0, "down": 0, "failures": {}}
    for number, make in enumerate(TRAFFIC):
        for offset, family in enumerate((IPV4, IPV6, MAPPED)):
            peers = Peers(network, family, _FIRST_PORT + 100 * (3 * number + offset))
            try:
                make(peers)
            except Exception:  # noqa: BLE001  the rest still moves counters
                made["failures"][f"{make.__name__} {family}"] = traceback.format_exc()
            peers.settle()
            made["up"] += sum(facts.up for facts in peers.connections)
            made["down"] += sum(facts.down for facts in peers.connections)
    return made


def count(rung: str, by: str) -> dict[str, Any]:
    """Count in a namespace while traffic is made in it.

    Returns:
        For each counter what was summed up and what the kernel counted, what is doubted, and what the programs know.
    """
    counters = tuple(counter for counter in COUNTERS if not counter.is_hosts)
    with loopback(has_super_segments=True) as network:
        inode = network.client.namespace.inode
        counting = Counting(counters, parse_by(by), Between("netns", inode, inode), rung=_RUNGS[rung])
        with Summing(counting) as summing:
            summing.attach()
            before = network.client.namespace.counters()
            made = make_traffic(network)
            after = network.client.namespace.counters()
            summing.detach()
            sums = summing.read()
            return {
                "kernel": os.uname().release,
                "summed": dict(zip((counter.key for counter in counters), _totals(sums), strict=True)),
                "counted": {key: value - before.get(key, 0) for key, value in after.items()},
                "doubts": {counter.key: doubt for counter, doubt in summing.doubts.items()},
                "absent": sorted(counter.key for counter in summing.absent),
                "buckets": len(sums.buckets),
                "other": dict(zip((counter.key for counter in counters), sums.other.tolist(), strict=True)),
                "overflowed": sums.overflowed,
                "missed": {str(hook): missed for hook, missed in summing.read_missed().items()},
                "made": made,
            }


def _totals(sums: Sums) -> list[int]:
    totals: list[int] = (sums.values.sum(axis=0) + sums.other).tolist()
    return totals


def main() -> int:
    """Write what was counted to a file."""
    path, rung, *rest = sys.argv[1:]
    with ending_by(_end):
        Path(path).write_text(json.dumps(count(rung, rest[0] if rest else "tuple"), indent=1))
    return 0


def _end() -> NoReturn:
    raise SystemExit(143)


if __name__ == "__main__":
    raise SystemExit(main())
