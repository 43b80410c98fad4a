# SPDX-License-Identifier: GPL-2.0-only
"""What perf wrote to a ring, taken apart."""

import struct

import numpy as np
import pytest

from tcpio.kernel.perf_records import LOST, SAMPLE, Block, decode
from tcpio.schema.batch import Lost
from tests.unit.kernel.perf_writer import PERF_RECORD_LOST, PERF_RECORD_SAMPLE, PERF_RECORD_THROTTLE
from tests.unit.samples import make_records, times


def sample(ts_ns: int) -> bytes:
    """A sample as perf writes it: 72 bytes of record, and the length in front, make 76; so 4 bytes of padding."""
    record = make_records([ts_ns], laddr="192.0.2.1", bytes=ts_ns).tobytes()
    return struct.pack("=IHHI", PERF_RECORD_SAMPLE, 0, 88, 76) + record + bytes(4)


def lost(count: int) -> bytes:
    return struct.pack("=IHHQQ", PERF_RECORD_LOST, 0, 24, 1, count)


def other(length: int, kind: int = PERF_RECORD_THROTTLE) -> bytes:
    return struct.pack("=IHH", kind, 0, 8 + length) + b"\xee" * length


def block(*parts: bytes) -> Block:
    return np.frombuffer(b"".join(parts), np.uint8)


def test_sizes_are_those_of_perf() -> None:
    assert SAMPLE.itemsize == 88
    assert LOST.itemsize == 24
    assert len(sample(1)) == 88


def test_an_empty_block_has_nothing() -> None:
    batch = decode(block(), 0)

    assert ([], ()) == (times(batch.records), batch.marks)


def test_samples_become_records_in_the_rings_order() -> None:
    batch = decode(block(sample(30), sample(10), sample(20)), 0)

    assert times(batch.records) == [30, 10, 20]
    assert batch.records["bytes"].tolist() == [30, 10, 20]
    assert batch.marks == ()


def test_lost_at_the_beginning_stands_before_the_first_record() -> None:
    batch = decode(block(lost(5), sample(10), sample(20)), 3)

    assert times(batch.records) == [10, 20]
    assert batch.marks == (Lost(10, 3, 5),)


def test_lost_in_the_middle_stands_before_the_next_record() -> None:
    batch = decode(block(sample(10), lost(5), sample(20), sample(30)), 3)

    assert times(batch.records) == [10, 20, 30]
    assert batch.marks == (Lost(20, 3, 5),)


def test_lost_before_an_inversion_has_the_time_of_what_follows_it() -> None:
    batch = decode(block(sample(30), lost(5), sample(10), sample(40)), 3)

    assert batch.marks == (Lost(10, 3, 5),)


def test_consecutive_losses_are_marks_of_their_own() -> None:
    batch = decode(block(sample(10), lost(1), lost(2), sample(20), lost(3), sample(30)), 0)

    assert batch.marks == (Lost(20, 0, 1), Lost(20, 0, 2), Lost(30, 0, 3))


def test_lost_at_the_end_is_not_forgotten() -> None:
    batch = decode(block(sample(10), lost(5)), 0)

    assert batch.marks == (Lost(10, 0, 5),)


def test_lost_alone_is_not_forgotten() -> None:
    batch = decode(block(lost(5)), 0)

    assert ([], (Lost(0, 0, 5),)) == (times(batch.records), batch.marks)


@pytest.mark.parametrize("length", [0, 8, 16, 72, 80, 88, 1000])
def test_records_of_another_kind_are_skipped(length: int) -> None:
    batch = decode(block(other(length), sample(10), other(length), other(length), sample(20), other(length)), 0)

    assert ([10, 20], ()) == (times(batch.records), batch.marks)


def test_samples_of_another_size_are_skipped() -> None:
    batch = decode(block(sample(10), other(16, PERF_RECORD_SAMPLE), sample(20)), 0)

    assert times(batch.records) == [10, 20]


@pytest.mark.parametrize("count", [1, 511, 512, 513, 1023, 1024, 1536, 5000])
def test_a_break_is_found_wherever_it_is(count: int) -> None:
    ahead, behind = list(range(1, count + 1)), list(range(count + 1, count + 4))
    batch = decode(block(*map(sample, ahead), lost(9), *map(sample, behind)), 0)

    assert ahead + behind == times(batch.records)
    assert batch.marks == (Lost(count + 1, 0, 9),)


def test_whole_records_come_back() -> None:
    records = make_records([1, 2], laddr="2001:db8::1", raddr="192.0.2.2", lport=[443, 80], seq=0xFFFFFFFF, flags=0x1FF)
    raw = [struct.pack("=IHHI", PERF_RECORD_SAMPLE, 0, 88, 76) + record.tobytes() + bytes(4) for record in records]

    assert records.tobytes() == decode(block(*raw), 0).records.tobytes()
