# SPDX-License-Identifier: GPL-2.0-only
"""Programs that follow the kernel's pointers, and those that ask a helper for each read, see the same."""

from collections.abc import Iterator

import pytest

from tcpio.cli.options import default_ring_size
from tcpio.filter.ast import Between
from tcpio.filter.to_c import to_c
from tcpio.kernel.compile import Compilation
from tcpio.kernel.cpus import read_online_cpus
from tcpio.kernel.hooks import SITES, Direction, Hook, Kind, choose
from tcpio.kernel.load import Attached
from tcpio.kernel.plan import Plan, read_kernel_types
from tcpio.kernel.ring import Rings
from tcpio.kernel.source import CAST, CASTS
from tcpio.schema.support import YES, Support, Verdict
from tests.live.harness import make_segments
from tests.live.topologies import Network


def _names(kind: Kind, *, casts: bool) -> Iterator[str]:
    yield from (hook.btf_name for site in SITES for way in site.ways for hook in way.hooks if hook.kind is kind)
    if casts:
        yield from CASTS


@pytest.mark.parametrize(
    ("kind", "follows", "casts"),
    [
        (Kind.BTF_TRACEPOINT, True, True),
        (Kind.BTF_TRACEPOINT, True, False),
        (Kind.BTF_TRACEPOINT, False, False),
        (Kind.RAW_TRACEPOINT, True, True),
        (Kind.RAW_TRACEPOINT, False, False),
    ],
)
def test_all_segments_are_seen(network: Network, kind: Kind, follows: bool, casts: bool) -> None:  # noqa: FBT001
    def ask(hook: Hook) -> Verdict:
        return YES if hook.kind is kind else Verdict(Support.NO, "not asked for")

    directions = tuple(Direction)
    choices = choose(ask, rung=None, directions=directions, has_ipv6=True)
    btf = read_kernel_types(None, _names(kind, casts=casts))
    if casts and not btf.find_id(CAST):
        pytest.skip("the kernel has no bpf_rdonly_cast(): Linux 6.2 has")
    plan = Plan(btf, choices)
    inode = network.client.namespace.inode
    source = plan.source(to_c(Between("netns", inode, inode)), may_follow_pointers=follows)
    cpus = read_online_cpus()
    with (
        Attached(Compilation(source).result(), source.programs, plan.btf) as attached,
        Rings(default_ring_size(len(cpus)), attached.set_ring, read_online_cpus) as rings,
    ):
        attached.attach()
        count = make_segments(network)
        attached.detach()
        records = rings.drain().records

    assert (source.follows_pointers, "TCPIO_RDONLY_CAST" in source.text.partition("/*")[0]) == (follows, casts)
    assert len(records) == count > 0
