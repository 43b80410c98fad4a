# SPDX-License-Identifier: GPL-2.0-only
"""Records made up for tests."""

import ipaddress
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tcpio.schema.address import V4_MAPPED, from_text, to_words
from tcpio.schema.flags import FLAGS
from tcpio.schema.record import RECEIVE, RECORD, SEND, Records
from tcpio.schema.states import STATES

FIN, SYN, RST, PUSH, ACK, URG, ECE, CWR, AE = (1 << bit for bit in range(9))


def make_records(ts_ns: Sequence[int], **members: int | str | Sequence[int]) -> Records:
    """Give records with these timestamps.

    Args:
        ts_ns: Each record's timestamp.
        members: Other members: one value for all, or one for each; an address as text.
    """
    records = np.zeros(len(ts_ns), RECORD)
    records["ts_ns"] = ts_ns
    for name, value in members.items():
        records[name] = to_words(from_text(value)) if isinstance(value, str) else value
    return records


def make_segment(*, is_received: bool = False, **members: int | str) -> Records:
    """Give one record: by default 464 bytes sent from 192.0.2.8:22 to 192.0.2.40:60337 on CPU 1."""
    usual: dict[str, int | str] = {
        "laddr": "192.0.2.8",
        "lport": 22,
        "raddr": "192.0.2.40",
        "rport": 60337,
        "bytes": 464,
        "flags": PUSH | ACK,
        "cpu": 1,
        "dir": RECEIVE if is_received else SEND,
        "segs": 1,
    }
    ts_ns = members.pop("ts_ns", 0)
    assert isinstance(ts_ns, int)
    return make_records([ts_ns], **{**usual, **members})


def open_fds() -> set[str]:
    """Give the file descriptors that this process has open, but for the one that this takes."""
    return {path.name for path in Path("/proc/self/fd").iterdir() if path.exists()}


def times(records: Records) -> list[int]:
    """Give the timestamps of records."""
    found: list[int] = records["ts_ns"].tolist()
    return found


def any_records(count: int, seed: int = 0) -> Records:
    """Give records that have any values that theirs can be, in the order of time; half of the addresses are IPv4."""
    random = np.random.default_rng(seed)
    records = np.frombuffer(random.bytes(count * RECORD.itemsize), RECORD).copy()
    records["ts_ns"] = np.sort(random.integers(1, 1 << 59, count))
    records["dir"] = random.choice([SEND, RECEIVE], count)
    records["state"] = random.integers(0, len(STATES), count) * (records["dir"] == SEND)
    records["rtx"] = random.integers(0, 2, count) * (records["dir"] == SEND)
    records["flags"] &= 0xFF
    records["thlen"] = random.integers(5, 16, count) * 4
    for name in ("laddr", "raddr"):
        # Few enough that some come again.
        addresses = [V4_MAPPED + random.bytes(4) for _ in range(5)] + [random.bytes(16) for _ in range(5)]
        ends = np.array([to_words(address) for address in addresses], np.uint64)
        records[name] = ends[random.integers(0, len(ends), count)]
    return records


def to_row(record: Records) -> dict[str, object]:
    """Give what the columns of a record hold, None where there is nothing to show; the times are those of ts_ns."""
    is_sent = record["dir"] == SEND
    row: dict[str, object] = {name: int(record[name]) for name in RECORD.names or () if not record[name].ndim}
    for name in ("laddr", "raddr"):
        address = ipaddress.IPv6Address(record[name].tobytes())
        row[name] = str(address.ipv4_mapped or address)
    words = [flag for bit, flag in enumerate(FLAGS) if record["flags"] >> bit & 1]
    row["flags"] = "|".join(words) or "null"
    row["dir"] = "send" if is_sent else "receive"
    row["rtx"] = int(record["rtx"]) if is_sent else None
    row["state"] = (STATES[record["state"]] or None) if is_sent else None
    return row
