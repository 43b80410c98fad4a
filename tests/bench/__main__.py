# SPDX-License-Identifier: GPL-2.0-only
"""``python3 -m tests.bench``: what tcpio costs, beside what else there is, on the same traffic. Asserts nothing.

As root, on a machine that does nothing else. Only ratios of one run compare.
"""

import argparse
import platform
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.bench import (
    closing,
    following,
    matrix,
    memory,
    programs,
    recordings,
    rendering,
    scale,
    side_by_side,
    sorting,
    start,
    summaries,
)
from tests.bench.tables import say, write_json
from tests.bench.traffic import Load

SMALL = ("-M", "1448")  # bytes a segment: what Ethernet carries

FULL = Load("small segments, as fast as they go", ("-n", "800M", *SMALL), has_super_segments=False)
STEADY = Load("small segments, 300 000 a second", ("-n", "1000M", "-b", "1700M", *SMALL), has_super_segments=False)
BULK = Load("super-segments, as fast as they go", ("-n", "12G"), has_super_segments=True)

LOADS = {"full": FULL, "steady": STEADY, "bulk": BULK}


def find_parts(rounds: int, records: int, connections: int, seconds: int) -> dict[str, Callable[[], None]]:
    """Give what can be measured, by name.

    Args:
        rounds: Of each consumer on each load.
        records: That are replayed.
        connections: That come and go.
        seconds: For which memory is watched, with each format.
    """
    return {
        **{name: partial(side_by_side.measure, load, rounds) for name, load in LOADS.items()},
        "matrix": partial(matrix.measure, rounds),
        "programs": partial(programs.measure, rounds),
        "memory": partial(memory.measure, seconds),
        "start": start.measure,
        "render": rendering.measure,
        "scale": scale.measure,
        "sort": partial(sorting.measure, rounds),
        "recordings": partial(recordings.measure, records, rounds),
        "follow": partial(following.measure, records),
        "summary": partial(summaries.measure, rounds),
        "closing": partial(closing.measure, connections),
    }


PARTS = tuple(find_parts(0, 0, 0, 0))


def main() -> int:
    """Measure, print tables, and give the exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (default: all)")
    parser.add_argument(
        "--records",
        type=int,
        default=recordings.RECORDS,
        metavar="N",
        help=f"that are replayed (default: {recordings.RECORDS})",
    )
    parser.add_argument(
        "--connections",
        type=int,
        default=closing.CONNECTIONS,
        metavar="N",
        help=f"that come and go (default: {closing.CONNECTIONS})",
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="of each consumer on each load (default: 3)")
    parser.add_argument(
        "--seconds",
        type=int,
        default=memory.SECONDS,
        metavar="N",
        help=f"for which memory is watched, with each format (default: {memory.SECONDS})",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write each single measurement there")
    args = parser.parse_args()
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"there is no part {unknown.pop()!r}")
    for number in (signal.SIGTERM, signal.SIGHUP):  # ends as ^C does: what was made is removed
        signal.signal(number, signal.default_int_handler)
    try:
        machine = _machine()
        say(f"{machine}; medians, (least..most)")
        for name, measure in find_parts(args.rounds, args.records, args.connections, args.seconds).items():
            if name in (args.parts or PARTS):
                measure()
                if args.json:  # after each: the next may take minutes, and may fail
                    write_json(args.json, machine)
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    return 0


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    cpus = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(cpus)} x {cpus[0] if cpus else platform.machine()}, Linux {platform.release()}"


if __name__ == "__main__":
    raise SystemExit(main())
