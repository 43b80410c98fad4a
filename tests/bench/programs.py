# SPDX-License-Identifier: GPL-2.0-only
"""What the eBPF programs take for each segment, as the kernel measures it, beside one that only submits a record."""

import struct
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from operator import truediv
from statistics import median

from tcpio.cli.options import default_ring_size
from tcpio.filter.ast import Between, all_of
from tcpio.filter.to_c import to_c
from tcpio.kernel import syscall
from tcpio.kernel.btf import Btf
from tcpio.kernel.compile import Compilation, Compiled
from tcpio.kernel.cpus import read_online_cpus
from tcpio.kernel.hooks import Direction, Rung
from tcpio.kernel.load import Attached
from tcpio.kernel.plan import make_plan
from tcpio.kernel.ring import Rings
from tcpio.kernel.source import Source
from tests.bench.empty_programs import submit_empty_records
from tests.bench.tables import show, spread
from tests.bench.traffic import Load, place, pouring
from tests.live.namespaces import Namespace
from tests.live.witness import statistics

_RUN_TIME_NS = 192  # include/uapi/linux/bpf.h: where struct bpf_prog_info has run_time_ns, and behind it run_cnt

_LOAD = Load("small segments, 300 000 a second", ("-b", "1700M", "-M", "1448"), has_super_segments=False)
_ROUND_S = 25
_MARGIN_S = 2  # until the traffic has begun, and for the last moments
_MOMENT_S = 0.15
_DRAIN_S = 0.02
_FEWEST_RUNS = 1000


def measure(rounds: int) -> None:
    """Print what a run of each program takes on a steady load.

    Each runs for a moment in turn, loaded anew each time: where programs come to lie in memory is good for a tenth of
    what they take, and other work on the machine slows those that run one after the other alike.
    """
    plan = make_plan(None, rung=Rung.TRACEPOINT, directions=tuple(Direction))
    with place(_LOAD) as namespace, statistics():
        here = Between("netns", namespace.inode, namespace.inode)
        sources = {
            "an empty record": submit_empty_records(plan.source("1").programs),
            "tcpio": plan.source(to_c(here)),
            "tcpio --on-overload summary": plan.source(to_c(here), counts_overload=True),
            "a filter that matches nothing": plan.source(to_c(all_of(here, Between("lport", 1, 1)))),
        }
        compiled = {name: Compilation(source).result() for name, source in sources.items()}
        turns = [_run_in_turn(sources, compiled, plan.btf, namespace) for _ in range(rounds)]
    _show(turns)


def _run_in_turn(
    sources: dict[str, Source], compiled: dict[str, Compiled], btf: Btf, namespace: Namespace
) -> dict[tuple[str, str], list[float]]:
    # ns of a run of each program in each of its moments, by whose it is and where it is attached.
    costs: dict[tuple[str, str], list[float]] = defaultdict(list)
    with pouring(namespace, _LOAD, _ROUND_S):
        end_s = time.monotonic() + _ROUND_S - _MARGIN_S
        names = list(sources)
        while time.monotonic() < end_s:
            turn = {
                (name, target): ns
                for name in names
                for target, ns in _run(Attached(compiled[name], sources[name].programs, btf)).items()
            }
            if all(turn.values()):  # else the traffic stood still for a moment
                for key, ns in turn.items():
                    costs[key].append(ns)
            names.reverse()
    return costs


def _show(rounds: Sequence[Mapping[tuple[str, str], Sequence[float]]]) -> None:
    empty = next(iter(rounds[0]))[0]
    rows = [
        [
            f"{name}: {target}",
            spread([median(costs[name, target]) for costs in rounds], 0),
            spread([median(map(truediv, costs[name, target], costs[empty, target])) for costs in rounds]),
        ]
        for name, target in rounds[0]
    ]
    heads = ["program", "ns/segment", "/ an empty record's"]
    show(f"eBPF, {_LOAD.name}, {len(rounds)} rounds of {_ROUND_S} s in turn", heads, rows)


def _run(attached: Attached) -> dict[str, float]:
    # ns of a run of each program, by where it is attached.
    with attached, Rings(default_ring_size(len(read_online_cpus())), attached.set_ring, read_online_cpus) as rings:
        attached.attach()
        end_s = time.monotonic() + _MOMENT_S
        while time.monotonic() < end_s:
            time.sleep(_DRAIN_S)
            rings.drain()
        attached.detach()
        return {hook.target: _ns_of(fd) for hook, fd in attached._program_fds.items()}


def _ns_of(fd: int) -> float:
    # 0 if it ran too seldom to tell.
    info = syscall._info(fd, syscall._PROG_INFO_SIZE, _RUN_TIME_NS + 16) or b""
    time_ns, runs = struct.unpack_from("=QQ", info, _RUN_TIME_NS)
    return float(time_ns) / float(runs) if runs >= _FEWEST_RUNS else 0.0
