# SPDX-License-Identifier: GPL-2.0-only
"""Recordings: how large a segment is in each format, and how fast a recording becomes text again."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tcpio.output.formats import FORMATS, Setting
from tcpio.output.times import find_zone, make_time
from tcpio.output.writer import BatchFormat
from tcpio.schema.batch import Batch
from tcpio.schema.columns import find_columns
from tests.bench.rendering import make_records
from tests.bench.tables import show, spread
from tests.bench.traffic import LOOPBACK, Load, carry, place
from tests.live.namespaces import Namespace
from tests.live.programs import CHECKOUT, READY, TCPIO, Program, read_counts

_SNAPLEN = 96
_SIZES = Load("small segments", ("-n", "100M", "-b", "400M", "-M", "1448"), has_super_segments=False)
RECORDS = 10_000_000
BATCH = 1 << 16
_CONNECTIONS = 64
_ROUND_NS = 100_000_000
_READ = ("arrow", "parquet", "pcapng", "csv", "jsonl")
"""What replay is measured with; the rest takes minutes."""

_USUAL = "tcpdump -n -q -r"
_TCPDUMP = f"pcapng of tcpdump -s {_SNAPLEN}"


def measure(records: int, rounds: int) -> None:
    """Measure both; the speed with so many records, in so many rounds."""
    with tempfile.TemporaryDirectory(prefix="tcpio-bench-") as folder:
        _measure_sizes(Path(folder))
    with tempfile.TemporaryDirectory(prefix="tcpio-bench-") as folder:
        _measure_replay(Path(folder), records, rounds)


def _measure_sizes(folder: Path) -> None:
    with place(_SIZES) as namespace:
        segments, packets = _record(namespace, folder)
    sizes = {_TCPDUMP: (folder / "seen.pcapng").stat().st_size / packets}
    for name in FORMATS:
        target = folder / f"again.{name}"
        columns = ("-t",) if name == "text" else ()
        _replay(folder / "trace.arrow", "-f", name, *columns, "-w", str(target))
        sizes["text -t" if name == "text" else name] = target.stat().st_size / segments
        target.unlink()
    usual = sizes[_TCPDUMP]
    rows = [[name, f"{size:.1f}", f"{size / usual:.2f}"] for name, size in sizes.items()]
    show(f"Bytes a segment, {segments} of them", ["format", "bytes", "/ tcpdump's"], rows)


def _record(namespace: Namespace, folder: Path) -> tuple[int, int]:
    # Of the same traffic: how many segments tcpio recorded, and how many packets tcpdump.
    options = f"-i {LOOPBACK} -n -s {_SNAPLEN} -B 65536 -Z root -w {folder / 'seen.pcap'} tcp"
    capture = ["ip", "netns", "exec", namespace.name, "tcpdump", *options.split()]
    trace = [*TCPIO, "--netns", namespace.name, "--attach", "tracepoint", "-f", "arrow"]
    with (
        Program(capture, folder / "tcpdump") as tcpdump,
        Program([*trace, "-w", str(folder / "trace.arrow")], folder / "tcpio") as tcpio,
    ):
        tcpdump.wait_for("listening on")
        tcpio.wait_for(READY)
        carry(namespace, _SIZES)
        tcpdump.stop()
        tcpio.stop()
    subprocess.run(["editcap", "-F", "pcapng", folder / "seen.pcap", folder / "seen.pcapng"], check=True)
    packets = int(tcpdump.said.partition(" packets captured")[0].split()[-1])
    return read_counts(tcpio.said)["printed"], packets


def _replay(path: Path, *options: str) -> None:
    subprocess.run([*TCPIO, "replay", str(path), "-q", *options], check=True, cwd=CHECKOUT)


def _measure_replay(folder: Path, records: int, rounds: int) -> None:
    count = _make_recordings(folder, max(records // BATCH, 1))
    usual = ["tcpdump", "-n", "-q", "-r", str(folder / "x.pcapng")]
    # Without TZ the C library looks at /etc/localtime for each packet.
    commands: dict[str, Sequence[str]] = {_USUAL: usual, f"TZ=UTC {_USUAL}": ["env", "TZ=UTC", *usual]}
    commands["tcpdump -n -q -t -r"] = [*usual, "-t"]
    for name in _READ:
        commands[f"tcpio replay, {name}"] = [*TCPIO, "replay", "-q", str(folder / f"x.{name}")]
        commands[f"tcpio replay -t, {name}"] = [*commands[f"tcpio replay, {name}"], "-t"]
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            runs[name].append(_run(command, folder / "text"))
    rows = []
    for name, found in runs.items():
        times = [(base[0] / run[0], base[1] / run[1]) for base, run in zip(runs[_USUAL], found, strict=True)]
        figures = [
            [run[0] for run in found],
            [run[1] / count * 1e6 for run in found],
            *map(list, zip(*times, strict=True)),
        ]
        rows.append([name, *map(spread, figures)])
    heads = ["command", "seconds", "CPU us/line", "times tcpdump's speed", "by CPU time"]
    show(f"A recording of {count} segments to text in a file", heads, rows)


def _run(command: Sequence[str], to: Path) -> tuple[float, float]:
    # Seconds, and CPU seconds.
    with to.open("wb") as out:
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL, cwd=CHECKOUT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: status {process.returncode}")
    return time.monotonic() - began, used.ru_utime + used.ru_stime


def _make_recordings(folder: Path, batches: int) -> int:
    # The same segments in each format.
    for name in _READ:
        made = make_format(name)
        with (folder / f"x.{name}").open("wb") as file:
            file.write(made.header())
            for batch in make_batches(batches):
                file.writelines(chunk.data for chunk in made.chunks(batch))
            file.writelines(chunk.data for chunk in made.end())
    return batches * BATCH


def make_format(name: str) -> BatchFormat:
    """Make a format with all columns."""
    time_format = make_time("iso", find_zone("UTC"), lambda ts_ns: ts_ns.astype(np.int64), 0)
    every = find_columns("", with_time=False, default=FORMATS["arrow"].columns)
    return FORMATS[name].make(Setting(every, time_format, is_wide=False, colors=None, facts={"host": "bench"}))


def make_batches(count: int) -> Iterator[Batch]:
    """Make so many batches of BATCH segments each, one behind the other in time."""
    records = make_records(BATCH, _CONNECTIONS)
    records["thlen"] = 32
    for number in range(count):
        moved = records.copy()
        moved["ts_ns"] += np.uint64(number * _ROUND_NS)
        yield Batch(moved)
