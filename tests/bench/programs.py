# SPDX-License-Identifier: GPL-2.0-only
"""What the eBPF programs take for each segment, as the kernel measures it, beside one that only submits a record."""

import struct
import threading
from collections import defaultdict

from tcpio.cli.options import default_ring_size
from tcpio.filter.ast import Between, all_of
from tcpio.filter.to_c import to_c
from tcpio.kernel import syscall
from tcpio.kernel.compile import Compilation
from tcpio.kernel.cpus import read_online_cpus
from tcpio.kernel.hooks import Direction, Rung
from tcpio.kernel.load import Attached
from tcpio.kernel.plan import make_plan
from tcpio.kernel.ring import Rings
from tcpio.kernel.source import Program, Source
from tests.bench.tables import show, spread
from tests.bench.traffic import Load, carry, place
from tests.bench.usage import statistics
from tests.live.namespaces import Namespace

_RUN_TIME_NS = 192  # include/uapi/linux/bpf.h: where struct bpf_prog_info has run_time_ns, and behind it run_cnt

_DRAIN_S = 0.02

_EMPTY = """
#include <uapi/linux/ptrace.h>
#include "record.h"
BPF_PERF_OUTPUT(events);
"""
_EMPTY_PROGRAM = """
int {name}(struct bpf_raw_tracepoint_args *ctx)
{{
	struct tcp_record r = {{}};

	events.perf_submit(ctx, &r, sizeof(r));
	return 0;
}}
"""


def measure(load: Load, rounds: int) -> None:
    """Print what a run of each program takes on a load."""
    plan = make_plan(None, rung=Rung.TRACEPOINT, directions=tuple(Direction))
    with place(load) as namespace, statistics():
        here = Between("netns", namespace.inode, namespace.inode)
        sources = {
            "an empty record": _empty(plan.source("1").programs),
            "tcpio": plan.source(to_c(here)),
            "tcpio --on-overload summary": plan.source(to_c(here), counts_overload=True),
            "a filter that matches nothing": plan.source(to_c(all_of(here, Between("lport", 1, 1)))),
        }
        compiled = {name: Compilation(source).result() for name, source in sources.items()}
        costs: dict[tuple[str, str], list[float]] = defaultdict(list)
        for _ in range(rounds):
            for name, source in sources.items():
                attached = Attached(compiled[name], source.programs, plan.btf)
                for target, ns in _run(attached, namespace, load).items():
                    costs[name, target].append(ns)
    _show(load, rounds, costs)


def _show(load: Load, rounds: int, costs: dict[tuple[str, str], list[float]]) -> None:
    empty = next(iter(costs))[0]
    rows = [
        [
            f"{name}: {target}",
            spread(ns, 0),
            spread([one / other for one, other in zip(ns, costs[empty, target], strict=True)]),
        ]
        for (name, target), ns in costs.items()
    ]
    show(f"eBPF, {load.name}, {rounds} rounds", ["program", "ns/segment", "/ an empty record's"], rows)


def _empty(programs: tuple[Program, ...]) -> Source:
    return Source(_EMPTY + "".join(_EMPTY_PROGRAM.format(name=program.name) for program in programs), programs)


def _run(attached: Attached, namespace: Namespace, load: Load) -> dict[str, float]:
    # ns of a run of each program, by where it is attached.
    with attached, Rings(default_ring_size(len(read_online_cpus())), attached.set_ring, read_online_cpus) as rings:
        attached.attach()
        done = threading.Event()
        reader = threading.Thread(target=_drain, args=(rings, done))
        reader.start()
        try:
            carry(namespace, load)
        finally:
            done.set()
            reader.join()
        return {hook.target: _ns_of(fd) for hook, fd in attached._program_fds.items()}


def _drain(rings: Rings, done: threading.Event) -> None:
    while not done.wait(_DRAIN_S):
        rings.drain()


def _ns_of(fd: int) -> float:
    info = syscall._info(fd, syscall._PROG_INFO_SIZE, _RUN_TIME_NS + 16) or b""
    time_ns, runs = struct.unpack_from("=QQ", info, _RUN_TIME_NS)
    return float(time_ns) / float(max(runs, 1))
