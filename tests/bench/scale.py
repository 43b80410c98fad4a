# SPDX-License-Identifier: GPL-2.0-only
"""The consumer's steps on rounds of machines that are larger than the one at hand: ns of CPU time per segment.

Each round has as many segments, however many CPUs they come from. Connections are drawn anew in each, so that what
remembered them would grow: the last rounds are held against the first.
"""

import mmap
import struct
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np

from tcpio.filter.parse import parse_filter, to_expr
from tcpio.kernel.ring import Ring, drain
from tcpio.output.as_text import TextFormat
from tcpio.output.times import find_zone, make_time
from tcpio.schema.batch import Batch
from tcpio.schema.columns import find_columns
from tcpio.schema.record import Records
from tcpio.stream.order import Order
from tcpio.stream.select import Select
from tests.bench.rendering import NOW_NS, ROUND_NS, make_records, to_block
from tests.bench.tables import show, spread

_CPUS = (1, 2, 16, 64, 256)
_CONNECTIONS = (1, 1_000, 1_000_000)
_STEPS = ("drain", "order", "select", "render")
_SEGMENTS = 1 << 16
_ROUNDS = 24
_WARM = 2
_DATA_HEAD = 1024  # perf_event_open(2): where struct perf_event_mmap_page has data_head
_SWAPPED = 0.01  # of neighbours in a ring, as a softirq's that came between
_FILTERS = tuple(f"!*:{port}-*:*" for port in range(1, 101))


def measure() -> None:
    """Print what a segment costs in each step, by CPUs and connections."""
    rows = []
    for connections in _CONNECTIONS:
        for cpus in _CPUS:
            costs = _measure(cpus, connections)
            totals = [sum(steps) for steps in zip(*costs.values(), strict=True)]
            third = len(totals) // 3
            growth = median(totals[-third:]) / median(totals[:third])
            cells = [spread(of, 0) for of in (*costs.values(), totals)]
            rows.append([f"{cpus} CPUs, {connections} connections", *cells, spread([growth])])
    show(f"Rounds of {_SEGMENTS} segments, CPU ns per segment", ["", *_STEPS, "all", "last / first rounds"], rows)


def _measure(cpus: int, connections: int) -> dict[str, list[float]]:
    # ns per segment in each step, by round.
    order, select = Order(), Select(to_expr([parse_filter(text) for text in _FILTERS]))
    time_format = make_time("iso", find_zone("UTC"), lambda ts_ns: ts_ns.astype(np.int64), NOW_NS)
    text = TextFormat(find_columns("", with_time=True), time_format)

    def put_in_order(batch: Batch) -> Batch:
        order.push(batch)
        return order.end_round()

    steps: tuple[Callable[[Any], Any], ...] = (drain, put_in_order, select, text.chunks)
    costs: dict[str, list[float]] = {name: [] for name in _STEPS}
    for number, records in enumerate(_rounds(cpus, connections)):
        passed: Any = [_fill(cpu, records[records["cpu"] == cpu]) for cpu in range(cpus)]
        for name, step in zip(_STEPS, steps, strict=True):
            before_s = time.process_time()
            passed = step(passed)
            if number >= _WARM:
                costs[name].append((time.process_time() - before_s) / _SEGMENTS * 1e9)
    return costs


def _fill(cpu: int, records: Records) -> Ring:
    # A ring that holds these.
    data = to_block(records)
    memory = bytearray(mmap.PAGESIZE + (1 << max(len(data), 1).bit_length()))
    np.frombuffer(memory, np.uint8)[mmap.PAGESIZE : mmap.PAGESIZE + len(data)] = data
    struct.pack_into("=Q", memory, _DATA_HEAD, len(data))
    return Ring(cpu, memory)


def _rounds(cpus: int, connections: int) -> Iterator[Records]:
    random = np.random.default_rng(cpus)
    for number in range(_ROUNDS + _WARM):
        records = make_records(_SEGMENTS, connections, seed=number)
        records["ts_ns"] += np.uint64(number * ROUND_NS)
        records["cpu"] = random.integers(0, cpus, _SEGMENTS)
        early = np.flatnonzero(random.random(_SEGMENTS // 2 - 1) < _SWAPPED) * 2
        records["ts_ns"][early], records["ts_ns"][early + 1] = records["ts_ns"][early + 1], records["ts_ns"][early]
        yield records
