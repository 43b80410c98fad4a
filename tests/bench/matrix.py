# SPDX-License-Identifier: GPL-2.0-only
"""Each kind of traffic beside each way to watch it: what it does to the traffic, and what it takes."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tcpio.kernel.cache import VARIABLE
from tests.bench import consumers, empty_programs
from tests.bench.pairs import find_kept
from tests.bench.side_by_side import count_segments
from tests.bench.tables import NOTHING, show, spread
from tests.bench.traffic import LOOPBACK, Load, carry, place
from tests.bench.usage import read_cpu, read_programs, wait_until_idle
from tests.live.namespaces import DEADLINE_S, Namespace
from tests.live.overload import read_peak
from tests.live.programs import CHECKOUT, READY, TCPIO, Program, read_counts
from tests.live.witness import statistics

_BULK = Load("", ("-n", "3G"), has_super_segments=True)
_SMALL = Load("", ("-n", "75M", "-M", "512"), has_super_segments=False)  # 12 of these are options
_EXCHANGES = "50000"
_CONNECTIONS = "20000"
_SHORT_ROUNDS = 4  # of the traffic, for each round that was asked for
_TCPDUMP_READY = "listening on"
_OUTPUT = "output"
_CAPTURED = re.compile(r"(\d+) packets? captured")


@dataclass(frozen=True)
class _Traffic:
    # Its rate, in whatever it is counted, is what is kept or not.
    name: str
    load: Load
    make: Callable[[Namespace], float]


def _script(*words: str) -> Callable[[Namespace], float]:
    def make(namespace: Namespace) -> float:
        command = [sys.executable, "-m", *words]
        with namespace.entered():
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=CHECKOUT, timeout=DEADLINE_S)
        return float(done.stdout)

    return make


_TRAFFIC = (
    _Traffic("bulk, super-segments", _BULK, lambda namespace: carry(namespace, _BULK).bits_per_s),
    _Traffic("bulk, 500 bytes a segment", _SMALL, lambda namespace: carry(namespace, _SMALL).bits_per_s),
    _Traffic("1 byte and back, 1 connection", _BULK, _script("tests.bench.request_response", "1", _EXCHANGES)),
    _Traffic("1 byte and back, 64 connections", _BULK, _script("tests.bench.request_response", "64", _EXCHANGES)),
    _Traffic("connect and close", _BULK, _script("tests.bench.churn", _CONNECTIONS)),
)


@dataclass(frozen=True)
class _Watcher:
    # Its output goes to a file, and may be lines; lost is a share, given what it said, segments, and packets of the
    # device.
    name: str
    command: Callable[[Namespace, Path], Sequence[str]]
    ready: str
    lost: Callable[[str, int, int], float | None]
    has_lines: bool = False


def _tcpio(
    name: str, *words: str, lost: Callable[[str, int, int], float | None] | None = None, has_lines: bool = False
) -> _Watcher:
    def command(namespace: Namespace, _: Path) -> Sequence[str]:
        return [*TCPIO, *words, "--netns", namespace.name, "--attach", "tracepoint"]

    ready = "tcpio: counting" if "summary" in words else READY
    find_lost = lost or (lambda said, segments, _: read_counts(said)["lost"] / segments)
    return _Watcher(name, command, ready, find_lost, has_lines)


def _tcpdump(name: str, *options: str, has_lines: bool = False) -> _Watcher:
    def command(namespace: Namespace, _: Path) -> Sequence[str]:
        return ["ip", "netns", "exec", namespace.name, "tcpdump", "-n", "-q", "-i", LOOPBACK, *options]

    def lost(said: str, _: int, packets: int) -> float:
        match = _CAPTURED.search(said)
        return max(packets - int(match[1] if match else 0), 0) / packets

    return _Watcher(name, command, _TCPDUMP_READY, lost, has_lines)


_CALLBACK = next(consumer for consumer in consumers.CONSUMERS if consumer.name == consumers.CALLBACK)


def _instead(name: str, of: str) -> _Watcher:
    return _Watcher(
        name, lambda *_: [*TCPIO[:-1], "tests.bench.empty_programs", of], empty_programs.READY, lambda *_: None
    )


_WATCHERS = (
    _instead("empty programs instead", empty_programs.TRACE),
    _instead("an empty record each instead", empty_programs.RECORD),
    _tcpio("tcpio", has_lines=True),
    _tcpio("tcpio, a filter that matches nothing", "*:1-*:1"),
    _tcpio("tcpio summary", "summary", lost=lambda *_: None),
    *([_tcpio("tcpio -f arrow", "-f", "arrow")] if find_spec("pyarrow") else ()),
    _tcpdump(consumers.TCPDUMP, has_lines=True),
    _tcpdump("tcpdump -w", "-w", "-"),
    _Watcher(
        _CALLBACK.name,
        _CALLBACK.command,
        _CALLBACK.ready,
        lambda said, segments, packets: _CALLBACK.lost(said, 0, packets) / segments,
        has_lines=True,
    ),
)


_TCPDUMP_AT = next(at for at, watcher in enumerate(_WATCHERS) if watcher.name == consumers.TCPDUMP)


@dataclass(frozen=True)
class _Run:
    # One watcher, once.
    rate: float
    segments: int
    lines: int | None
    cpu_s: float
    lost: float | None  # a share
    peak: int  # bytes
    start_s: float

    @property
    def cpu_us_per_line(self) -> float | None:
        return self.cpu_s / self.lines * 1e6 if self.lines else None


def measure(rounds: int) -> None:
    """Print what each watcher costs, by kind of traffic."""
    for traffic in _TRAFFIC:
        with place(traffic.load) as namespace, TemporaryDirectory(prefix="tcpio-bench-") as name:
            namespace.set("ipv4/ip_local_port_range", "1024 65535")  # those of closed connections are taken for a while
            _measure(traffic, rounds, namespace, Path(name))


def _measure(traffic: _Traffic, rounds: int, namespace: Namespace, folder: Path) -> None:
    traffic.make(namespace)  # warms up
    alone = [traffic.make(namespace)]
    runs: list[_Run] = []
    for _ in range(rounds * _SHORT_ROUNDS):
        for watcher in _WATCHERS:
            runs.append(_run(watcher, traffic, namespace, folder))
            alone.append(traffic.make(namespace))
    kept = find_kept([run.rate for run in runs], alone)
    tcpdump = runs[_TCPDUMP_AT :: len(_WATCHERS)]
    rows = [["untraced", spread([rate / median(alone) for rate in alone]), *[NOTHING] * (len(_HEADS) - 2)]]
    with statistics():  # apart from what is measured by the clock, since it takes time itself
        for at, watcher in enumerate(_WATCHERS):
            program_ns = [] if watcher.ready == _TCPDUMP_READY else [_in_kernel(watcher, traffic, namespace, folder)]
            own = slice(at, None, len(_WATCHERS))
            rows.append([watcher.name, *_cells(runs[own], kept[own], tcpdump, program_ns)])
    title = f"{traffic.name}, {rounds * _SHORT_ROUNDS} rounds; untraced is beside its own median"
    show(title, _HEADS, rows)


_HEADS = (
    "",
    "rate / untraced",
    "CPU us/line",
    "/ tcpdump's",
    "CPU s per million segments",
    "lost %",
    "eBPF ns/segment",
    "peak MB",
    "exec to ready, s",
)


def _cells(
    runs: Sequence[_Run], kept: Sequence[float], tcpdump: Sequence[_Run], program_ns: Sequence[float]
) -> list[str]:
    costs = [(run.cpu_us_per_line, other.cpu_us_per_line) for run, other in zip(runs, tcpdump, strict=True)]
    return [
        spread(kept),
        spread([cost for cost, _ in costs if cost is not None]),
        spread([cost / other for cost, other in costs if cost is not None and other]),
        spread([run.cpu_s / run.segments * 1e6 for run in runs]),
        spread([100 * run.lost for run in runs if run.lost is not None]),
        spread(program_ns, 0),
        spread([run.peak / 1e6 for run in runs], 0),
        spread([run.start_s for run in runs]),
    ]


@contextmanager
def _watching(watcher: _Watcher, namespace: Namespace, folder: Path) -> Iterator[Program]:
    command = watcher.command(namespace, folder)
    kept = {VARIABLE: str(folder / "programs")}
    with (
        (folder / _OUTPUT).open("wb") as file,
        Program(command, folder / "stderr", stdout=file, environment=kept) as program,
    ):
        program.wait_for(watcher.ready)
        yield program


def _segments(namespace: Namespace) -> int:
    counted = namespace.counters()
    return counted["TcpInSegs"] + counted["TcpOutSegs"] + counted["TcpRetransSegs"]


def _packets(namespace: Namespace) -> int:
    line = next(line for line in namespace.read("dev").splitlines() if line.lstrip().startswith(f"{LOOPBACK}:"))
    return int(line.split()[2])


def _run(watcher: _Watcher, traffic: _Traffic, namespace: Namespace, folder: Path) -> _Run:
    began_s = time.monotonic()
    with _watching(watcher, namespace, folder) as program:
        start_s = time.monotonic() - began_s
        segments, packets = _segments(namespace), _packets(namespace)
        before_s = read_cpu(program.process.pid)
        rate = traffic.make(namespace)
        wait_until_idle(program.process.pid)
        segments, packets = _segments(namespace) - segments, _packets(namespace) - packets
        cpu_s, peak = read_cpu(program.process.pid) - before_s, read_peak(program)
        program.stop(signal.SIGINT)
    lines = count_segments(folder / _OUTPUT) if watcher.has_lines else None
    return _Run(rate, segments, lines, cpu_s, watcher.lost(program.said, segments, packets), peak, start_s)


def _in_kernel(watcher: _Watcher, traffic: _Traffic, namespace: Namespace, folder: Path) -> float:
    # ns of eBPF per segment sent or received.
    with _watching(watcher, namespace, folder) as program:
        before = _segments(namespace)
        traffic.make(namespace)
        total_ns = sum(info.get("run_time_ns", 0) for info in read_programs(program.process.pid))
        segments = _segments(namespace) - before
        program.stop(signal.SIGINT)
    return total_ns / segments
