# SPDX-License-Identifier: GPL-2.0-only
"""Take apart what perf wrote to a ring: samples and the places where some were lost. Pure.

The formats are in perf_event_open(2), "Overflow handling": PERF_RECORD_SAMPLE with PERF_SAMPLE_RAW, PERF_RECORD_LOST.
"""

from typing import TypeAlias

import numpy as np

from tcpio.schema.arrays import NDArray
from tcpio.schema.batch import Batch, Lost
from tcpio.schema.record import RECORD, Records

Block: TypeAlias = NDArray[np.uint8]

RECORD_LOST = 2
RECORD_SAMPLE = 9
HEADER_SIZE = 8
"""struct perf_event_header: u32 type, u16 misc, u16 size."""

_RAW_SIZE = 4  # of the u32 that gives the length of the raw data
_ALIGNMENT = 8


def _sample_dtype() -> np.dtype[np.void]:
    end = HEADER_SIZE + _RAW_SIZE + RECORD.itemsize
    return np.dtype(
        {
            "names": ["type", "misc", "size", "raw_size", "record"],
            "formats": ["u4", "u2", "u2", "u4", RECORD],
            "offsets": [0, 4, 6, HEADER_SIZE, HEADER_SIZE + _RAW_SIZE],
            "itemsize": -(-end // _ALIGNMENT) * _ALIGNMENT,
        }
    )


SAMPLE = _sample_dtype()
"""dtype of one of our samples, padding included."""

LOST = np.dtype([("type", "u4"), ("misc", "u2"), ("size", "u2"), ("id", "u8"), ("lost", "u8")])
"""dtype of PERF_RECORD_LOST."""

_FIRST_SCAN = 512


def decode(block: Block, cpu: int) -> Batch:
    """Give the records of a block, in its order, and a mark for each place where some were lost.

    Args:
        block: Whole perf records, one behind the other.
        cpu: The CPU whose ring it is.
    """
    pieces: list[Records] = []
    losses: list[tuple[int, int]] = []
    count = at = 0
    while at < len(block):
        samples = _leading_samples(block[at:])
        if len(samples):
            pieces.append(samples["record"])
            count += len(samples)
            at += samples.nbytes
            continue
        header = block[at : at + HEADER_SIZE]
        if header[:4].view("u4")[0] == RECORD_LOST:
            losses.append((count, int(block[at : at + LOST.itemsize].view(LOST)["lost"][0])))
        at += max(int(header[6:8].view("u2")[0]), HEADER_SIZE)
    records = _concatenate(pieces)
    return Batch(records, tuple(Lost(_time_at(records, index), cpu, lost) for index, lost in losses))


def _leading_samples(block: Block) -> NDArray[np.void]:
    # The samples before the first record of another kind. Looked for in windows that double, so that many such
    # records do not make it quadratic.
    whole = block[: len(block) // SAMPLE.itemsize * SAMPLE.itemsize].view(SAMPLE)
    start, stop = 0, _FIRST_SCAN
    while start < len(whole):
        window = whole[start:stop]
        others = np.flatnonzero((window["type"] != RECORD_SAMPLE) | (window["size"] != SAMPLE.itemsize))
        if len(others):
            return whole[: start + int(others[0])]
        start, stop = stop, 2 * stop
    return whole


def _concatenate(pieces: list[Records]) -> Records:
    if not pieces:
        return np.empty(0, RECORD)
    return np.concatenate(pieces) if len(pieces) > 1 else pieces[0]


def _time_at(records: Records, index: int) -> int:
    return int(records["ts_ns"][min(index, len(records) - 1)]) if len(records) else 0
