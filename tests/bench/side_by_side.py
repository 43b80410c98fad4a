# SPDX-License-Identifier: GPL-2.0-only
"""Consumers in turn on the same traffic, with untraced traffic between them."""

import signal
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tcpio.kernel.cache import VARIABLE
from tests.bench.consumers import CALLBACK, CONSUMERS, TCPDUMP, Consumer
from tests.bench.tables import NOTHING, show, spread
from tests.bench.traffic import Carried, Load, carry, place
from tests.bench.usage import read_cpu, read_reaped, wait_until_idle
from tests.live.namespaces import Namespace
from tests.live.programs import Program

_OUTPUT = "output.txt"
_NOTE = b"# "  # tcpio's, of segments that were lost

_IDLE_TIMES = 3  # the least counts: what other work adds would be taken off what lines cost

_FEW = 1000  # lines of which no cost per line can be told


@dataclass(frozen=True)
class Run:
    """A consumer on a load, once.

    Args:
        carried: What traffic there was.
        untraced: The same without the consumer, just before.
        lines: What was printed.
        lost: What should have been printed too.
        cpu_s: User and system time from its ready line to its end, without what that takes when nothing happens.
    """

    carried: Carried
    untraced: Carried
    lines: int
    lost: int
    cpu_s: float

    @property
    def cpu_us_per_line(self) -> float | None:
        """What a line costs, if there are enough of them to tell."""
        return self.cpu_s / self.lines * 1e6 if self.lines >= _FEW else None


def measure(load: Load, rounds: int) -> None:
    """Print how the consumers do on a load."""
    with place(load) as namespace, TemporaryDirectory(prefix="tcpio-bench-") as name:
        folder = Path(name)
        carry(namespace, load)  # warms up
        idle = {
            consumer: min(_consume(consumer, namespace, lambda: None, folder)[1] for _ in range(_IDLE_TIMES))
            for consumer in CONSUMERS
        }
        runs: dict[Consumer, list[Run]] = defaultdict(list)
        untraced: list[Carried] = []
        for _ in range(rounds):
            for consumer in CONSUMERS:
                untraced.append(carry(namespace, load))
                run = _run(consumer, namespace, load, folder, untraced[-1])
                runs[consumer].append(replace(run, cpu_s=max(run.cpu_s - idle[consumer], 0.0)))
    _show(load, rounds, untraced, runs)


def _run(consumer: Consumer, namespace: Namespace, load: Load, folder: Path, untraced: Carried) -> Run:
    carried: list[Carried] = []
    said, cpu_s = _consume(consumer, namespace, lambda: carried.append(carry(namespace, load)), folder)
    output = folder / _OUTPUT
    lines = count_segments(output)
    output.unlink()
    return Run(carried[0], untraced, lines, consumer.lost(said, lines, carried[0].packets), cpu_s)


def _consume(
    consumer: Consumer, namespace: Namespace, make_traffic: Callable[[], None], folder: Path
) -> tuple[str, float]:
    # What it said on stderr, and its CPU time from the ready line on.
    command = consumer.command(namespace, folder)
    kept = {VARIABLE: str(folder / "programs")}
    with (
        (folder / _OUTPUT).open("wb") as file,
        Program(command, folder / "stderr.txt", stdout=file, environment=kept) as program,
    ):
        program.wait_for(consumer.ready)
        before_s = read_cpu(program.process.pid)
        make_traffic()
        wait_until_idle(program.process.pid)
        reaped_s = read_reaped()
        program.stop(signal.SIGINT)
        return program.said, read_reaped() - reaped_s - before_s


def count_segments(output: Path) -> int:
    """Count the lines that are segments."""
    with output.open("rb") as file:
        return sum(_NOTE not in line for line in file)


_HEADS = (
    "consumer",
    "CPU us/line",
    "/ tcpdump's",
    "/ callback's",
    "CPU us/segment",
    "lost %",
    "1000 segments/s",
    "Gbit/s",
    "/ untraced",
)


def _show(load: Load, rounds: int, untraced: Sequence[Carried], runs: dict[Consumer, list[Run]]) -> None:
    of = {consumer.name: of for consumer, of in runs.items()}
    rows = [["untraced", *[NOTHING] * 5, *_rates(untraced), NOTHING]]
    rows += [[name, *_cells(list_, of[TCPDUMP], of[CALLBACK])] for name, list_ in of.items()]
    millions = 2 * median(carried.packets for carried in untraced) / 1e6
    show(f"{load.name}: {millions:.2f} million segments sent and received, {rounds} rounds", _HEADS, rows)


def _rates(all_carried: Sequence[Carried]) -> list[str]:
    # Segments sent and received, as tcpio shows them: two for each packet.
    return [
        spread([2 * carried.packets / carried.seconds / 1000 for carried in all_carried], 0),
        spread([carried.bits_per_s / 1e9 for carried in all_carried]),
    ]


def _cells(runs: Sequence[Run], tcpdump: Sequence[Run], callback: Sequence[Run]) -> list[str]:
    return [
        spread([cost for run in runs if (cost := run.cpu_us_per_line) is not None]),
        _ratio(runs, tcpdump),
        _ratio(runs, callback),
        spread([run.cpu_s / (2 * run.carried.packets) * 1e6 for run in runs]),
        spread([100 * run.lost / max(run.lost + run.lines, 1) for run in runs], 1),
        *_rates([run.carried for run in runs]),
        spread([run.carried.bits_per_s / run.untraced.bits_per_s for run in runs]),
    ]


def _ratio(runs: Sequence[Run], others: Sequence[Run]) -> str:
    pairs = [(run.cpu_us_per_line, other.cpu_us_per_line) for run, other in zip(runs, others, strict=True)]
    return spread([mine / theirs for mine, theirs in pairs if mine is not None and theirs])
