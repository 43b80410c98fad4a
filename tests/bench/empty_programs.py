# SPDX-License-Identifier: GPL-2.0-only
"""``python3 -m tests.bench.empty_programs trace|summary``: programs that do nothing, wherever tcpio has its own.

What they cost is the kernel's, whatever programs do. Ends when it is told to.
"""

import os
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from tcpio.kernel import syscall
from tcpio.kernel.btf import Btf
from tcpio.kernel.buckets import Counting, Summing
from tcpio.kernel.hooks import Direction, Rung
from tcpio.kernel.load import attach_hook, load_hook
from tcpio.kernel.plan import make_plan
from tcpio.kernel.source import Program
from tcpio.schema.bucket import parse_by
from tcpio.schema.counters import COUNTERS

READY = "empty programs"


def _of_trace() -> tuple[Btf, Sequence[Program]]:
    plan = make_plan(None, rung=Rung.TRACEPOINT, directions=tuple(Direction))
    return plan.btf, plan.source("1").programs


def _of_summary() -> tuple[Btf, Sequence[Program]]:
    counters = tuple(counter for counter in COUNTERS if not counter.is_hosts)
    with Summing(Counting(counters, parse_by("tuple"), rung=Rung.TRACEPOINT)) as summing:
        summing.attach()  # or the compiler would still run
        return summing.btf, summing.source.programs


def main() -> None:
    """Attach them, and wait for the end."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    btf, programs = {"trace": _of_trace, "summary": _of_summary}[sys.argv[1]]()
    with ExitStack() as stack:
        for program in programs:
            fd = load_hook(program.hook, syscall.EMPTY_PROGRAM, btf)
            stack.callback(os.close, fd)
            for link in attach_hook(program.hook, fd):
                stack.callback(os.close, link)
        sys.stderr.write(f"{READY}: {len(programs)}\n")
        signal.sigwait({signal.SIGINT})


if __name__ == "__main__":
    main()
