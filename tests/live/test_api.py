# SPDX-License-Identifier: GPL-2.0-only
"""tcpio from Python, against the kernel's counters: README's own examples among it."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

import tcpio
from tests.live.harness import PORT, leaving_nothing, make_segments
from tests.live.lossy_traffic import dropped_segment, dropped_tail
from tests.live.peers import Peers
from tests.live.programs import CHECKOUT
from tests.live.topologies import IPV4, IPV6, Network
from tests.readme import README, python_examples


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with leaving_nothing():
        yield


def test_the_example_counts_retransmissions_by_remote_address(network: Network) -> None:
    example = next(code for code in python_examples(README.read_text()) if "RetransSegs" in code)
    name = network.client.namespace.name
    code = example.replace('counters="RetransSegs",', f'counters="RetransSegs", netns={name!r}, attach="tracepoint",')
    before = network.client.namespace.counters()["TcpRetransSegs"]
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "Enter ends it\n"
        retransmitted = {}
        for family, address in ((IPV4, "127.0.0.1"), (IPV6, "::1")):
            peers = Peers(network, family, PORT)
            dropped_segment(peers)
            dropped_tail(peers)
            peers.settle()
            after = network.client.namespace.counters()["TcpRetransSegs"]
            retransmitted[address], before = after - before, after
        output, _ = process.communicate("\n")
    found = dict(line.split() for line in output.splitlines())

    assert code != example
    assert min(retransmitted.values()) > 0
    assert {address: str(count) for address, count in retransmitted.items()} == found


def test_sums_can_be_read_while_counting(network: Network) -> None:
    namespace = network.client.namespace
    with tcpio.Summary(by="lport", counters="PassiveOpens,OutSegs", netns=namespace.name, attach="tracepoint") as made:
        before = namespace.counters()
        make_segments(network)
        first = made.buckets()[PORT]["TcpPassiveOpens"]
        make_segments(network)
        after = namespace.counters()
    found = made.buckets()

    assert (first, found[PORT]["TcpPassiveOpens"]) == (11, 22)
    assert sum(counts["TcpOutSegs"] for counts in found.values()) == after["TcpOutSegs"] - before["TcpOutSegs"]


def test_batches_are_what_the_kernel_counted(network: Network) -> None:
    batches = tcpio.trace(f"*:{PORT}-*:*", f"*:*-*:{PORT}", netns=network.client.namespace.name, attach="tracepoint")
    assert len(next(batches).records) == 0
    count = make_segments(network)
    found: Counter[int] = Counter()
    last_ns = 0
    while sum(found.values()) < count:
        records = next(batches).records
        times = records["ts_ns"].astype(np.int64)
        assert (np.diff(times, prepend=last_ns) >= 0).all()
        last_ns = int(times[-1]) if len(times) else last_ns
        found.update(records["dir"].tolist())

    batches.close()  # type: ignore[attr-defined]  # it is a generator
    assert found == {0: count // 2, 1: count // 2}
