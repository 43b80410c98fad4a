# SPDX-License-Identifier: GPL-2.0-only
"""What CPUs keep near of their buckets, read while other buckets take its place."""

from unittest.mock import patch

from tcpio.filter.ast import Between
from tcpio.kernel import buckets
from tcpio.kernel.buckets import Counting, Summing
from tcpio.schema.bucket import Buckets, parse_by
from tcpio.schema.counters import find_counters
from tcpio.schema.sums import Values
from tests.live.peers import Peers
from tests.live.topologies import IPV4, Network
from tests.live.witness import make_again

_ROWS = 16
_OTHERS = 60  # so that some share the first one's row on each CPU
_MANY, _SOME = 500, 30  # the others' are more than a row's patience


def test_what_leaves_its_row_while_it_is_read_is_counted_once(network: Network) -> None:
    expected = [*[_SOME] * _OTHERS, _MANY]
    ports = iter(range(20000, 30000, 1000))
    counted = make_again(lambda: _count(network, next(ports)), lambda made: sum(made) < sum(expected))

    assert counted == expected


def _count(network: Network, first_port: int) -> list[int]:
    # How many messages each socket sent that sent any; most were sent between the reading of rows and that of buckets.
    inode = network.client.namespace.inode
    counting = Counting(find_counters("SocketMessagesSent"), parse_by("lport"), Between("netns", inode, inode))
    peers = Peers(network, IPV4, first_port)
    with patch.object(buckets, "default_rows", lambda *_: _ROWS), Summing(counting) as summing:
        summing.attach()
        read_map = summing._read_map
        with peers.listening() as listener:
            first, *others = (peers.pair(listener) for _ in range(1 + _OTHERS))
            for _ in range(_MANY):
                first.up(1)

            def read_map_later() -> tuple[Buckets, Values]:
                for pair in others:
                    for _ in range(_SOME):
                        pair.up(1)
                return read_map()

            with patch.object(summing, "_read_map", read_map_later):
                sums = summing.read()
            for pair in (first, *others):
                pair.close()
    return sorted(sums.values[:, 0].tolist())
