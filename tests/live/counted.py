# SPDX-License-Identifier: GPL-2.0-only
"""Count in namespaces of its own, beside the kernel: ``python3 -m tests.live.counted FOLDER RUNG [NAME...]``."""

import argparse
import json
import os
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, NoReturn
from unittest.mock import patch

import numpy as np

from tcpio.filter.ast import Between
from tcpio.kernel import buckets
from tcpio.kernel.buckets import Counting, Summing
from tcpio.kernel.hooks import Rung
from tcpio.schema.bucket import parse_by
from tcpio.schema.counters import COUNTERS, Counter, find_counters
from tcpio.schema.sums import Closed, Sums
from tests.live import counter_traffic, lossy_traffic, odd_traffic, plain_traffic
from tests.live.counter_traffic import Lacking
from tests.live.namespaces import Namespace, run, wait_until
from tests.live.peers import Peers
from tests.live.termination import ending_by
from tests.live.topologies import IPV4, IPV6, MAPPED, Network, loopback

ALL = tuple(counter for counter in COUNTERS if not counter.is_hosts)

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
    counter_traffic.recovery_without_sack,
    counter_traffic.lost_flight,
    counter_traffic.lost_acknowledgments,
    counter_traffic.full_backlog,
    counter_traffic.skipped_acknowledgments,
    counter_traffic.skipped_acknowledgments_of_requests,
    counter_traffic.random_loss,
)
OF_MACHINE = (counter_traffic.memory_pressure,)
"""Concerns all that runs on the machine: only for one of the tests' own."""

Make = Callable[[Network], AbstractContextManager[dict[str, Any]]]
"""Makes traffic, and tells what the programs know, for as long as the connections stay that are open yet."""

_FIRST_PORT = 20000
_STEERED_BYTES = 290_000_003
_SHORT = 2003
_CROWD, _ROUNDS = 40, 300
_FEW_ROWS = 16
_POLL_S = 0.1


@contextmanager
def make_all(network: Network, *, is_own_machine: bool = False) -> Iterator[dict[str, Any]]:
    """Make all traffic by all families; then have a connection."""
    made: dict[str, Any] = {"sent": 0, "unread": 0, "spliced": 0, "connections": [], "failures": {}, "lacking": {}}
    for number, make in enumerate((*TRAFFIC, *(OF_MACHINE if is_own_machine else ()))):
        for offset, family in enumerate((IPV4, IPV6, MAPPED)):
            peers = Peers(network, family, _FIRST_PORT + 100 * (3 * number + offset))
            try:
                make(peers)
            except Lacking as lacking:
                made["lacking"][make.__name__] = str(lacking)
            except Exception:  # noqa: BLE001  the rest still moves counters
                made["failures"][f"{make.__name__} {family}"] = traceback.format_exc()
            peers.settle()
            made["sent"] += sum(facts.up + facts.down for facts in peers.connections)
            made["unread"] += peers.counts.get("unread", 0)
            made["spliced"] += peers.counts.get("spliced", 0)
            made["connections"] += [[facts.cport, facts.sport, facts.up, facts.down] for facts in peers.connections]
    peers = Peers(network, IPV4, _FIRST_PORT - 100)
    with peers.listening() as listener:
        pair = peers.pair(listener)
        yield made
        pair.close()


@contextmanager
def make_steered(network: Network) -> Iterator[dict[str, Any]]:
    """Make over 300 000 segments, whose receipt is steered to both CPUs: softirqs interrupt what sends."""
    namespace = network.client.namespace
    namespace.ip("link set dev lo gso_max_segs 1 mtu 1500")
    with namespace.entered():
        _steer("3")
    peers = Peers(network, IPV6, _FIRST_PORT)
    with peers.listening() as listener:
        pair = peers.pair(listener)
        pair.up(_STEERED_BYTES)
        pair.down(_STEERED_BYTES // 2)
        pair.close()
    peers.settle()
    yield {"failures": {}}


def _steer(cpus: str) -> None:
    # The namespace's own devices are in a sysfs of its own: a new mount shows it.
    with tempfile.TemporaryDirectory(prefix="tcpio-") as folder:
        run("mount", "-t", "sysfs", "none", folder)
        try:
            Path(folder, "class/net/lo/queues/rx-0/rps_cpus").write_text(cpus)
        finally:
            run("umount", folder)


@contextmanager
def make_short(network: Network) -> Iterator[dict[str, Any]]:
    """Make connections by the thousand, each of which ends."""
    peers = Peers(network, IPV4, _FIRST_PORT)
    with peers.listening() as listener:
        for _ in range(_SHORT):
            pair = peers.pair(listener)
            pair.up(7)
            pair.close()
    peers.settle()
    yield {"failures": {}, "connections": _SHORT, "sent": 7 * _SHORT}


@contextmanager
def make_crowded(network: Network) -> Iterator[dict[str, Any]]:
    """Make connections that take turns, on both CPUs: softirqs interrupt what sends."""
    with network.client.namespace.entered():
        _steer("3")
    peers = Peers(network, IPV4, _FIRST_PORT)
    with peers.listening() as listener:
        pairs = [peers.pair(listener) for _ in range(_CROWD)]
        for _ in range(_ROUNDS):
            for pair in pairs:
                pair.up(7)
                pair.down(11)
        for pair in pairs:
            pair.close()
    peers.settle()
    yield {"failures": {}, "sent": sum(facts.up + facts.down for facts in peers.connections)}


class Count:
    """Counting in a namespace, from now on.

    Args:
        namespace: Which.
        counting: What is counted.
        is_read: Whether sums are read all the while.
    """

    def __init__(self, namespace: Namespace, counting: Counting, *, is_read: bool) -> None:
        self._namespace = namespace
        self.summing = Summing(counting)
        self._counters = self.summing.counters
        self.summing.attach()
        self._is_read = is_read
        self._read: list[int] = []
        self._closed: list[Closed] = []
        self._is_over = threading.Event()
        self._polling = threading.Thread(target=self._poll)
        self._polling.start()
        self._before = namespace.counters()

    def _poll(self) -> None:
        # As often as a user would: the ends of a socket may be those of another soon.
        while not self._is_over.wait(_POLL_S / 10 if self._is_read else _POLL_S):
            self._closed.append(self.summing.closed())
            if self._is_read:
                self._read.append(int(self.summing.read().values.sum()))

    def __enter__(self) -> "Count":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._polling.join()

    def end(self, made: dict[str, Any]) -> dict[str, Any]:
        """Tell for each counter what was summed up, what the kernel counted, and what is doubted."""
        summing = self.summing
        if any(program.hook.target == "tw_timer_handler" for program in summing.source.programs):
            # What is counted when TIME_WAIT ends would go on while it is read.
            wait_until(lambda: not self._namespace.has_time_wait(), "the end of TIME_WAIT")
        counted = self._namespace.counters()
        summing.detach()
        self._is_over.set()
        self._polling.join()
        self._closed.append(summing.closed())
        sums = summing.read()
        sockets = np.concatenate([closed.sockets for closed in self._closed])
        totals = (sums.values.sum(axis=0) + sums.other + sum(c.values.sum(axis=0) for c in self._closed)).tolist()
        return {
            "kernel": os.uname().release,
            "summed": self._by_key(totals),
            "counted": {key: value - self._before.get(key, 0) for key, value in counted.items()},
            "doubts": {counter.key: doubt for counter, doubt in summing.doubts.items()},
            "absent": sorted(counter.key for counter in summing.absent),
            "other": self._by_key(sums.other.tolist()),
            "bytes sent": self._bytes_sent(sums),
            "buckets left": len(sums.buckets),
            "closed": len(sockets),
            "whole lives": int((sockets["lifetime_ns"] > 0).sum()),
            "bytes acked": int(sockets["bytes_acked"].sum()),
            "overflowed": sums.overflowed,
            "read": self._read,
            "lacking": {counter.key: count for counter, count in summing.read_lacking().items()},
            "missed": {str(hook): missed for hook, missed in summing.read_missed().items() if missed},
            "made": made,
        }

    def _by_key(self, values: Sequence[int]) -> dict[str, int]:
        return dict(zip((counter.key for counter in self._counters), values, strict=True))

    def _bytes_sent(self, sums: Sums) -> list[list[int]]:
        keys = [counter.key for counter in self._counters]
        if "SocketBytesSent" not in keys:
            return []
        ends = zip(sums.buckets["lport"].tolist(), sums.buckets["rport"].tolist(), strict=True)
        amounts = sums.values[:, keys.index("SocketBytesSent")].tolist()
        return [[lport, rport, amount] for (lport, rport), amount in zip(ends, amounts, strict=True) if amount]


SEGMENTS = find_counters("TcpInSegs,TcpOutSegs,TcpRetransSegs,TcpCurrEstab")
GROWING = find_counters("TcpInSegs,TcpOutSegs,SocketBytesSent,SocketMessagesSent,SocketBytesReceived")
"""These are never taken back."""


class Run(NamedTuple):
    """One run: the traffic, the counters, what makes a bucket, and whether it ends with its socket.

    In a crowd each CPU has fewer rows than there are buckets, and sums are read all the while.
    """

    make: Make
    counters: tuple[Counter, ...]
    by: str
    on_close: bool = False
    is_crowd: bool = False


RUNS = {
    "all": Run(make_all, ALL, "tuple"),
    "short": Run(make_short, ALL, "tuple", on_close=True),
    "steered": Run(make_steered, SEGMENTS, "lport"),
    "crowd": Run(make_crowded, GROWING, "tuple", is_crowd=True),
    "groups": Run(make_crowded, GROWING, "rport", is_crowd=True),
}
"""Name -> run."""


def count(rung: str, name: str, *, is_own_machine: bool) -> dict[str, Any]:
    """Count in a namespace while traffic is made in it."""
    asked = RUNS[name]
    make = partial(make_all, is_own_machine=is_own_machine) if asked.make is make_all else asked.make
    with loopback(has_super_segments=True) as network, ExitStack() as stack:
        inode = network.client.namespace.inode
        wanted = Between("netns", inode, inode)
        counting = Counting(asked.counters, parse_by(asked.by), wanted, rung=Rung(rung), on_close=asked.on_close)
        if asked.is_crowd:
            stack.enter_context(patch.object(buckets, "default_rows", lambda *_: _FEW_ROWS))
        count = Count(network.client.namespace, counting, is_read=asked.is_crowd)
        with count.summing, count, make(network) as made:
            return count.end(made)


def main() -> int:
    """Write what was counted by a way to attach to RUNG-NAME.json, for all runs or those named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("rung")
    parser.add_argument("names", nargs="*", default=list(RUNS))
    parser.add_argument("--own-machine", action="store_true")
    given = parser.parse_args()
    with ending_by(_end):
        for name in given.names:
            counted = count(given.rung, name, is_own_machine=given.own_machine)
            (given.folder / f"{given.rung}-{name}.json").write_text(json.dumps(counted, indent=1))
    return 0


def _end() -> NoReturn:
    raise SystemExit(143)


if __name__ == "__main__":
    raise SystemExit(main())
