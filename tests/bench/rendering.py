# SPDX-License-Identifier: GPL-2.0-only
"""The consumer's own steps alone, without a kernel: CPU time per line."""

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from tcpio.kernel.perf_records import RECORD_SAMPLE, SAMPLE, Block, decode
from tcpio.output.as_text import TextFormat
from tcpio.output.times import find_zone, make_time
from tcpio.schema.address import from_text, to_words
from tcpio.schema.batch import Batch
from tcpio.schema.columns import COLUMNS, find_columns
from tcpio.schema.record import RECEIVE, RECORD, SEND, Records
from tcpio.stream.order import Order
from tests.bench.tables import show

_BATCHES = (1_000, 30_000)
_CONNECTIONS = (2, 64, 10_000)
ROUND_NS = 100_000_000
NOW_NS = 1_000_000_000_000_000
_REPEAT_S = 0.5
_LEAST_REPEATS = 5


def measure() -> None:
    """Print what a line costs in each step."""
    zone = find_zone("UTC")
    time_format = make_time("iso", zone, lambda ts_ns: ts_ns.astype(np.int64), NOW_NS)
    every = ",".join(column.name for column in COLUMNS)
    texts = {
        "text": TextFormat(find_columns("", with_time=False), time_format),
        "text -t": TextFormat(find_columns("", with_time=True), time_format),
        "text, all columns": TextFormat(find_columns(every, with_time=True), time_format),
    }
    rows = []
    for size in _BATCHES:
        for connections in _CONNECTIONS:
            records = make_records(size, connections)
            block, pushed, batch = to_block(records), _by_cpu(records), Batch(records)
            steps: list[Callable[[], object]] = [partial(decode, block, 0), partial(_order, pushed)]
            steps += [partial(text.chunks, batch) for text in texts.values()]
            rows.append([f"{size} lines, {connections} connections", *(f"{_cost(step, size):.3f}" for step in steps)])
    show("The consumer's steps alone: CPU us/line, the least of many", ["batch", "decode", "order", *texts], rows)


def _cost(step: Callable[[], object], lines: int) -> float:
    costs: list[float] = []
    while len(costs) < _LEAST_REPEATS or sum(costs) < _REPEAT_S:
        before = time.process_time()
        step()
        costs.append(time.process_time() - before)
    return min(costs) / lines * 1e6


def make_records(count: int, connections: int, seed: int = 0) -> Records:
    """Make the records of a round: as many connections to different hosts, each sending and receiving."""
    random = np.random.default_rng((count, connections, seed))
    records = np.zeros(count, RECORD)
    records["ts_ns"] = np.sort(random.integers(NOW_NS, NOW_NS + ROUND_NS, count))
    which = random.integers(0, connections, count)
    records["laddr"] = to_words(from_text("192.0.2.8"))
    # 10.0.0.0 + host, in network order
    hosts = np.tile(np.frombuffer(from_text("10.0.0.0"), np.uint8), (count, 1))
    hosts[:, -3:] = which.astype(">u4").view(np.uint8).reshape(count, 4)[:, 1:]
    records["raddr"] = hosts.view(np.uint64)
    records["lport"] = 443
    records["rport"] = 32768 + which % 32768
    records["bytes"] = random.choice([0, 512, 1448, 65160], count)
    records["seq"] = random.integers(0, 1 << 32, count)
    records["ack"] = random.integers(0, 1 << 32, count)
    records["win"] = random.integers(0, 1 << 16, count)
    records["segs"] = 1
    records["flags"] = random.choice([0x10, 0x18], count)
    records["dir"] = random.choice([SEND, RECEIVE], count)
    records["cpu"] = random.integers(0, 2, count)
    records["netns"] = 0xF0000001
    return records


def to_block(records: Records) -> Block:
    """Give records as perf writes them to a ring."""
    samples = np.zeros(len(records), SAMPLE)
    samples["type"] = RECORD_SAMPLE
    samples["size"] = SAMPLE.itemsize
    samples["record"] = records
    return samples.view(np.uint8)


def _by_cpu(records: Records) -> list[Batch]:
    return [Batch(records[records["cpu"] == cpu]) for cpu in (0, 1)]


def _order(pushed: list[Batch]) -> None:
    order = Order()
    for batch in pushed:
        order.push(batch)
    order.end_round()
    order.flush()
