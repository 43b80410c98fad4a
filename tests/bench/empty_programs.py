# SPDX-License-Identifier: GPL-2.0-only
"""``python3 -m tests.bench.empty_programs trace|summary|record``: programs that do nothing, wherever tcpio has its own.

What they cost is the kernel's, whatever programs do. With ``record`` they submit a record in which nothing is written,
and what is submitted is thrown away unread: the least that a trace can cost. Ends when it is told to.
"""

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from tcpio.cli.options import default_ring_size
from tcpio.kernel import syscall
from tcpio.kernel.btf import Btf
from tcpio.kernel.buckets import Counting, Summing
from tcpio.kernel.compile import Compilation
from tcpio.kernel.cpus import read_online_cpus
from tcpio.kernel.hooks import Direction, Rung
from tcpio.kernel.load import Attached, attach_hook, load_hook
from tcpio.kernel.plan import make_plan
from tcpio.kernel.ring import Rings
from tcpio.kernel.source import Program, Source
from tcpio.schema.bucket import parse_by
from tcpio.schema.counters import COUNTERS

READY = "empty programs"
TRACE, SUMMARY, RECORD = "trace", "summary", "record"

_ROUND_S = 0.1

_SOURCE = """
#include <uapi/linux/ptrace.h>
#include "record.h"
BPF_PERF_OUTPUT(events);
"""
_PROGRAM = """
int {name}(struct bpf_raw_tracepoint_args *ctx)
{{
	struct tcp_record r = {{}};

	events.perf_submit(ctx, &r, sizeof(r));
	return 0;
}}
"""


def submit_empty_records(programs: tuple[Program, ...]) -> Source:
    """Give programs that submit an empty record each, and do nothing else, in place of these."""
    return Source(_SOURCE + "".join(_PROGRAM.format(name=program.name) for program in programs), programs)


def _of_trace() -> tuple[Btf, tuple[Program, ...]]:
    plan = make_plan(None, rung=Rung.TRACEPOINT, directions=tuple(Direction))
    return plan.btf, plan.source("1").programs


def _of_summary() -> tuple[Btf, tuple[Program, ...]]:
    counters = tuple(counter for counter in COUNTERS if not counter.is_hosts)
    with Summing(Counting(counters, parse_by("tuple"), rung=Rung.TRACEPOINT)) as summing:
        summing.attach()  # or the compiler would still run
        return summing.btf, summing.source.programs


def _do_nothing(btf: Btf, programs: Sequence[Program]) -> None:
    with ExitStack() as stack:
        for program in programs:
            fd = load_hook(program.hook, syscall.EMPTY_PROGRAM, btf)
            stack.callback(os.close, fd)
            for link in attach_hook(program.hook, fd):
                stack.callback(os.close, link)
        _say_ready(programs)
        signal.sigwait({signal.SIGINT})


def _submit(btf: Btf, programs: tuple[Program, ...]) -> None:
    source = submit_empty_records(programs)
    compiled = Compilation(source).result()
    with (
        Attached(compiled, source.programs, btf) as attached,
        Rings(default_ring_size(len(read_online_cpus())), attached.set_ring, read_online_cpus) as rings,
    ):
        attached.attach()
        _say_ready(programs)
        while not signal.sigtimedwait({signal.SIGINT}, 0):
            rings.wait(_ROUND_S)
            for _, _, ring in rings._open.values():
                ring.release(ring.read_head())


def _say_ready(programs: Sequence[Program]) -> None:
    sys.stderr.write(f"{READY}: {len(programs)}\n")


def main() -> None:
    """Attach them, and wait for the end."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    if sys.argv[1] == RECORD:
        _submit(*_of_trace())
    else:
        _do_nothing(*{TRACE: _of_trace, SUMMARY: _of_summary}[sys.argv[1]]())


if __name__ == "__main__":
    main()
