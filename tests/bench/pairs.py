# SPDX-License-Identifier: GPL-2.0-only
"""Traffic with a watcher between the same traffic without one.

What else runs on a machine changes its speed by more than a watcher does, from one second to the next: so a round is
short, there are many, and each is held against what came just before it and just after it. Both ends of the traffic
have a CPU of their own, or what the scheduler does with them would be most of the difference.
"""

import os
from collections.abc import Sequence

_CPUS = sorted(os.sched_getaffinity(0))
CLIENT_CPU, SERVER_CPU = _CPUS[0], _CPUS[-1]


def stay_on(cpu: int) -> None:
    """Let this process run on one CPU alone."""
    os.sched_setaffinity(0, {cpu})


def find_kept(watched: Sequence[float], alone: Sequence[float]) -> list[float]:
    """Tell what of a rate is kept: each with a watcher, by the mean of those before and after it without.

    Args:
        watched: N of them.
        alone: N + 1 of them: before the first, between each two, and after the last.
    """
    return [2 * rate / (alone[at] + alone[at + 1]) for at, rate in enumerate(watched)]
