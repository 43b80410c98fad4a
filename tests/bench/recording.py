# SPDX-License-Identifier: GPL-2.0-only
"""Recordings made up for measurements: ``python3 -m tests.bench.recording LINES SECONDS >FILE``."""

import sys
from collections.abc import Iterator
from datetime import timezone

import numpy as np

from tcpio.output.as_text import TextFormat
from tcpio.output.times import make_time
from tcpio.schema.address import from_text, to_words
from tcpio.schema.batch import Batch
from tcpio.schema.columns import find_columns
from tcpio.schema.record import RECORD

_SEED = 20261121
_BEGAN_NS = 1_795_299_378 * 10**9
_GAP_NS = 10_000  # between segments, on average
_AT_ONCE = 100_000
_CONNECTIONS = 500


def make_text(lines: int, disorder_s: float | None) -> Iterator[bytes | memoryview]:
    """Give lines as ``tcpio -t`` prints them, but not in order.

    Args:
        lines: How many.
        disorder_s: By how much times are wrong; None is any order.
    """
    random = np.random.default_rng(_SEED)
    time = make_time("iso", timezone.utc, lambda ts_ns: ts_ns.astype(np.int64), _BEGAN_NS)
    text_format = TextFormat(find_columns("", with_time=True), time)
    client, server = to_words(from_text("192.0.2.40")), to_words(from_text("192.0.2.8"))
    for first in range(0, lines, _AT_ONCE):
        count = min(_AT_ONCE, lines - first)
        records = np.zeros(count, RECORD)
        if disorder_s is None:
            records["ts_ns"] = _BEGAN_NS + random.integers(0, lines * _GAP_NS, count)
        else:
            ordered = _BEGAN_NS + np.arange(first, first + count) * _GAP_NS
            records["ts_ns"] = ordered + random.integers(0, int(disorder_s * 1e9) + 1, count)
        records["laddr"], records["raddr"], records["lport"] = server, client, 80
        records["rport"] = 40_000 + random.integers(0, _CONNECTIONS, count)
        records["bytes"], records["cpu"] = random.integers(0, 65_000, count), random.integers(0, 4, count)
        records["dir"], records["flags"] = random.integers(0, 2, count), random.choice([0x10, 0x18], count)
        yield from (chunk.data for chunk in text_format.chunks(Batch(records)))


def main() -> None:
    """Write a recording to the standard output."""
    lines, disorder = sys.argv[1:]
    for data in make_text(int(lines), None if disorder == "any" else float(disorder)):
        sys.stdout.buffer.write(data)


if __name__ == "__main__":
    main()
