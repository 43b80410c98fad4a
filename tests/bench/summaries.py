# SPDX-License-Identifier: GPL-2.0-only
"""What counting costs: throughput beside no tracing, lines and tcpdump; time in the kernel; memory for many buckets."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tcpio.kernel.cache import VARIABLE
from tcpio.output.as_report import TextReport
from tcpio.output.report import Report
from tcpio.output.report_rows import CsvReport, JsonReport
from tests.bench import empty_programs
from tests.bench.pairs import find_kept
from tests.bench.tables import NOTHING, show, spread
from tests.bench.traffic import LOOPBACK, Load, carry
from tests.bench.usage import read_fdinfo, read_programs, read_reaped
from tests.live.namespaces import DEADLINE_S, Namespace, namespaces
from tests.live.programs import CHECKOUT, READY, TCPIO, Program
from tests.live.witness import statistics
from tests.unit.sums import Row, make_setting, make_sums

_COUNTING = "tcpio: counting"
_BULK = Load("bulk", ("-n", "2G"), has_super_segments=True)
_EXCHANGES = 40_000
_SHORT_ROUNDS = 8  # of the traffic, for each round that was asked for
_BUCKETS = 100_000


@dataclass(frozen=True)
class _Watcher:
    name: str
    command: Callable[[Namespace], Sequence[str]]
    ready: str


def _tcpio(*words: str) -> Callable[[Namespace], Sequence[str]]:
    return lambda namespace: [*TCPIO, *words, "--netns", namespace.name, "--attach", "tracepoint"]


_WATCHERS = (
    _Watcher(
        "empty programs instead",
        lambda _: [*TCPIO[:-1], "tests.bench.empty_programs", empty_programs.SUMMARY],
        empty_programs.READY,
    ),
    _Watcher("tcpio summary", _tcpio("summary"), _COUNTING),
    _Watcher("tcpio summary --by raddr", _tcpio("summary", "--by", "raddr"), _COUNTING),
    _Watcher("tcpio summary --counters InSegs", _tcpio("summary", "--counters", "InSegs"), _COUNTING),
    _Watcher("tcpio", _tcpio("trace"), READY),
    _Watcher(
        "tcpdump -n -q",
        lambda namespace: ["ip", "netns", "exec", namespace.name, *f"tcpdump -n -q -i {LOOPBACK}".split()],
        "listening on",
    ),
)


def _exchange(namespace: Namespace, connections: int) -> float:
    command = [sys.executable, "-m", "tests.bench.request_response", str(connections), str(_EXCHANGES)]
    with namespace.entered():
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=CHECKOUT, timeout=DEADLINE_S)
    return float(done.stdout)


_LOADS: dict[str, Callable[[Namespace], float]] = {
    "bulk, Gbit/s": lambda namespace: carry(namespace, _BULK).bits_per_s / 1e9,
    "1 connection, 1000 exchanges/s": lambda namespace: _exchange(namespace, 1) / 1000,
    "64 connections, 1000 exchanges/s": lambda namespace: _exchange(namespace, 64) / 1000,
}


def measure(rounds: int) -> None:
    """Print what counting costs."""
    with TemporaryDirectory(prefix="tcpio-bench-") as name, namespaces([f"tcpio-bench-{os.getpid()}"]) as (namespace,):
        folder = Path(name)
        for load, make in _LOADS.items():
            _beside(load, make, namespace, folder, rounds)
        _in_kernel(namespace, folder)
        _memory(namespace, folder)
    _rendering()


def _beside(load: str, make: Callable[[Namespace], float], namespace: Namespace, folder: Path, rounds: int) -> None:
    make(namespace)  # warms up
    alone = [_measure_load(make, namespace)]
    watched: list[_Cost] = []
    for _ in range(rounds * _SHORT_ROUNDS):
        for watcher in _WATCHERS:
            with _watching(watcher, namespace, folder):
                watched.append(_measure_load(make, namespace))
            alone.append(_measure_load(make, namespace))
    kept = find_kept([cost.rate for cost in watched], [cost.rate for cost in alone])
    kept_cpu = find_kept([1 / cost.cpu_s for cost in watched], [1 / cost.cpu_s for cost in alone])
    rows = [["untraced", *_cells(alone), NOTHING, NOTHING]]
    for at, watcher in enumerate(_WATCHERS):
        own = slice(at, None, len(_WATCHERS))
        rows.append([watcher.name, *_cells(watched[own]), spread(kept[own]), spread(kept_cpu[own])])
    show(load, ["", "rate", "CPU s of the traffic", "rate / untraced", "CPU untraced / traced"], rows)


@dataclass(frozen=True)
class _Cost:
    rate: float
    cpu_s: float


def _measure_load(make: Callable[[Namespace], float], namespace: Namespace) -> _Cost:
    # The traffic's own CPU time, in which programs run for it: other work on the machine moves it less than the rate.
    before_s = read_reaped()
    rate = make(namespace)
    return _Cost(rate, read_reaped() - before_s)


def _cells(costs: Sequence[_Cost]) -> list[str]:
    return [spread([cost.rate for cost in costs]), spread([cost.cpu_s for cost in costs])]


@contextmanager
def _watching(watcher: _Watcher, namespace: Namespace, folder: Path) -> Iterator[Program]:
    kept = {VARIABLE: str(folder / "programs")}
    with (
        (folder / "output").open("wb") as file,
        Program(watcher.command(namespace), folder / "stderr", stdout=file, environment=kept) as program,
    ):
        program.wait_for(watcher.ready)
        yield program
        program.stop(signal.SIGINT)


def _in_kernel(namespace: Namespace, folder: Path) -> None:
    # Per segment sent or received: what it costs whoever sends or receives it.
    rows = []
    with statistics():
        for watcher in _WATCHERS[1:-1]:
            with _watching(watcher, namespace, folder) as program:
                before = namespace.counters()
                _exchange(namespace, 64)
                after = namespace.counters()
                found = read_programs(program.process.pid)
            segments = sum(after[key] - before[key] for key in ("TcpInSegs", "TcpOutSegs"))
            ns, runs = (sum(one.get(key, 0) for one in found) for key in ("run_time_ns", "run_cnt"))
            rows.append([watcher.name, str(len(found)), f"{runs / segments:.2f}", f"{ns / segments:.0f}"])
    show("eBPF, 64 connections with one-byte exchanges", ["", "programs", "runs/segment", "ns/segment"], rows)


def _memory(namespace: Namespace, folder: Path) -> None:
    rows = []
    for words in (("--by", "tuple"), ("--by", "raddr"), ("--by", "tuple", "--counters", "InSegs,OutSegs")):
        command = _tcpio("summary", "--max-buckets", str(_BUCKETS), *words)
        watcher = _Watcher(" ".join(words), command, _COUNTING)
        with _watching(watcher, namespace, folder) as program:
            maps = sum(info.get("memlock", 0) for info in read_fdinfo(program.process.pid) if "map_id" in info)
            resident = program.resident
        rows.append([watcher.name, f"{maps / 1e6:.1f}", f"{resident / 1e6:.0f}"])
    show(f"memory for {_BUCKETS} buckets", ["", "maps, MB", "tcpio itself, MB"], rows)


def _rendering() -> None:
    random = np.random.default_rng(1)
    names = [counter.key for counter in make_sums(counters="Socket,Tcp").counters]
    values = random.integers(0, 1 << 30, (_BUCKETS, len(names))).tolist()
    tuples = (f"192.0.2.8 443 10.{at >> 16}.{at >> 8 & 255}.{at & 255} 51000" for at in range(_BUCKETS))
    sums = make_sums(*(Row(one, dict(zip(names, row, strict=True))) for one, row in zip(tuples, values, strict=True)))
    report = Report(sums, 1_700_000_000_000_000_000, 60.0)
    rows = []
    for made in (TextReport(make_setting()), JsonReport(make_setting()), CsvReport(make_setting())):
        before_s = time.process_time()
        size = sum(map(len, made.report(report)))
        rows.append([type(made).__name__, f"{time.process_time() - before_s:.2f}", f"{size / 1e6:.0f}"])
    show(f"rendering {_BUCKETS} buckets with {len(names)} counters", ["", "CPU s", "MB"], rows)
