# SPDX-License-Identifier: GPL-2.0-only
"""Whether the kernel passes by its tracepoints, told without tcpio; what was made meanwhile is made again.

A kernel for micro-VMs (Linux 6.18, see README) now and then hands up some packets of a softirq as if nothing were
attached to its tracepoints, and does not count that. Lines and sums then fall short of what there was.

The witness is an empty program at the tracepoint behind which the kernel counts each packet itself: what the kernel
passed by there is told by the kernel's own two counts, not by what tcpio printed or summed up.

What is sent, and what else tracepoints tell of, has no such counter, and now and then one or two are passed by there
alone. So what falls short of tcpdump's packets or of the kernel's counters, though the witness saw nothing, is made
again too, but not more than SPARE times. That could hide something that tcpio leaves out by tracepoints in some runs
and not in others; in virtual machines, where the same programs run, nothing is made again.
"""

import os
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from tcpio.kernel import syscall

TRIES = 10
"""How often something is made at most; the last try stands. Of floods four in a row have been passed by."""

SPARE = 4
"""How many of these may be for want of something that the witness does not know of: seen with one flood in four."""

_TRACEPOINT = "netif_receive_skb"
_RECEIVED = Path("/proc/net/softnet_stat")  # __netif_receive_skb_core() counts for each CPU, in the first column

# include/uapi/linux/bpf.h: BPF_ENABLE_STATS (since Linux 5.8), and its BPF_STATS_RUN_TIME.
_ENABLE_STATS = 32
_RUN_TIME = 0

Made = TypeVar("Made")


def make_witnessed(make: Callable[[], Made], lacks: Callable[[Made], bool] = lambda _: False) -> tuple[Made, int]:
    """Make something; again, but not more than TRIES times, if the kernel passed by its tracepoints meanwhile.

    Args:
        make: Makes it.
        lacks: Tells whether what was made falls short of what there was, as others than tcpio saw it.

    Returns:
        What was made last, and how many packets were passed by then.
    """
    spare = SPARE
    for _ in range(TRIES):
        with witness() as count_passed_by:
            made = make()
            passed_by = count_passed_by()
        if passed_by:
            sys.stderr.write(f"the kernel ran no program for {passed_by} packets\n")
        elif spare and lacks(made):
            sys.stderr.write("something is lacking of which the witness does not know\n")
            spare -= 1
        else:
            break
    return made, passed_by


def make_again(make: Callable[[], Made], lacks: Callable[[Made], bool]) -> Made:
    """Make something, and again, but not more than SPARE times, if it lacks something; without a witness."""
    made = make()
    for _ in range(SPARE):
        if not lacks(made):
            break
        made = make()
    return made


@contextmanager
def witness() -> Iterator[Callable[[], int]]:
    """Have an empty program where the machine receives packets.

    Gives what tells for how many it was not run so far. Those that a device takes over from the one below it (macvlan,
    VLAN, bond) are among them, since the kernel counts them for both.
    """
    with statistics(), ExitStack() as stack:
        program = syscall.load_program(syscall.PROG_TYPE_RAW_TRACEPOINT, syscall.EMPTY_PROGRAM)
        stack.callback(os.close, program)
        stack.callback(os.close, syscall.attach_raw_tracepoint(program, _TRACEPOINT))
        runs, packets = _read_runs(program), _read_packets()
        # In this order: a packet between the two readings is one run too many.
        yield lambda: max(0, _read_packets() - packets - (_read_runs(program) - runs))


@contextmanager
def statistics() -> Iterator[None]:
    """Have the kernel measure eBPF programs; that ends with this process's file descriptor, whatever happens."""
    fd = syscall._bpf(_ENABLE_STATS, struct.pack("=I", _RUN_TIME))
    try:
        yield
    finally:
        os.close(fd)


def _read_runs(program: int) -> int:
    lines = Path(f"/proc/self/fdinfo/{program}").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("run_cnt:"))


def _read_packets() -> int:
    return sum(int(line.split()[0], 16) for line in _RECEIVED.read_text().splitlines())
