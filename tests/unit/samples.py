# SPDX-License-Identifier: GPL-2.0-only
"""Records made up for tests."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tcpio.schema.address import from_text, to_words
from tcpio.schema.record import RECEIVE, RECORD, SEND, Records

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
