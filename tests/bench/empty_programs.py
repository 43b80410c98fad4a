# SPDX-License-Identifier: GPL-2.0-only
"""``python3 -m tests.bench.empty_programs``: programs that do nothing, wherever ``tcpio summary`` has its own.

What they cost is the kernel's, whatever programs do. Ends when it is told to.
"""

import os
import signal
import sys
from contextlib import ExitStack

from tcpio.kernel import syscall
from tcpio.kernel.buckets import Counting, Summing
from tcpio.kernel.load import attach_hook, load_hook
from tcpio.schema.bucket import parse_by
from tcpio.schema.counters import COUNTERS

READY = "empty programs"


def main() -> None:
    """Attach them, and wait for the end."""
    counters = tuple(counter for counter in COUNTERS if not counter.is_hosts)
    with Summing(Counting(counters, parse_by("tuple"))) as summing, ExitStack() as stack:
        for program in summing.source.programs:
            fd = load_hook(program.hook, syscall.EMPTY_PROGRAM, summing.btf)
            stack.callback(os.close, fd)
            for link in attach_hook(program.hook, fd):
                stack.callback(os.close, link)
        sys.stderr.write(f"{READY}: {len(summing.source.programs)}\n")
        signal.sigwait({signal.SIGINT})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    main()
