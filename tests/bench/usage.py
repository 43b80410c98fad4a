# SPDX-License-Identifier: GPL-2.0-only
"""What processes use: CPU time, and what eBPF programs take for them."""

import resource
import time
from pathlib import Path

from tests.live.namespaces import wait_until

_IDLE_S = 0.25  # longer than any consumer's round
_IDLE_CPU_S = 0.01


def read_cpu(pid: int) -> float:
    """Read the CPU time of all threads of a process, those that ended too, in s: clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | 2)


def read_reaped() -> float:
    """Read the CPU time of all processes that were started from here and have ended, in s."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def wait_until_idle(pid: int) -> None:
    """Wait until a process has nothing more to do: tcpdump leaves out what it has not read when it is told to end."""

    def is_idle() -> bool:
        before_s = read_cpu(pid)
        time.sleep(_IDLE_S)
        return read_cpu(pid) - before_s < _IDLE_CPU_S and not _is_runnable(pid)

    wait_until(is_idle, "the consumer to have read all")


def _is_runnable(pid: int) -> bool:
    # On a busy machine what has not run may be waiting for its turn: proc(5), the state behind the name.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "R"


def read_fdinfo(pid: int) -> list[dict[str, int]]:
    """Read the numbers that the kernel gives of each file descriptor of a process, by name."""
    found = []
    for path in Path(f"/proc/{pid}/fdinfo").iterdir():
        pairs = (line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
        found.append({key: int(value) for key, value in pairs if value.strip().isdecimal()})
    return found


def read_programs(pid: int) -> list[dict[str, int]]:
    """Read those of its eBPF programs."""
    return [info for info in read_fdinfo(pid) if "run_cnt" in info]
