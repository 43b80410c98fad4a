# SPDX-License-Identifier: GPL-2.0-only
"""The record of bpf/record.h, as numpy sees it."""

from typing import Any, TypeAlias

import numpy as np

from tcpio.schema.arrays import NDArray
from tcpio.schema.c_header import read_header
from tcpio.schema.layout import to_dtype

_HEADER = read_header("record.h")

RECORD = to_dtype(_HEADER.structs["tcp_record"], "tcp_record")
"""dtype of a segment's record, 72 bytes; members, units and sources are in bpf/record.h."""

Records: TypeAlias = NDArray[np.void]
"""Shape (N,), dtype RECORD."""

SEND = _HEADER.enums["tcp_dir"]["TCP_DIR_SEND"]
RECEIVE = _HEADER.enums["tcp_dir"]["TCP_DIR_RECEIVE"]

OUTCOMES = _HEADER.enums["tcp_outcome"]["TCP_OUTCOMES"]
LOST = _HEADER.enums["tcp_outcome"]["TCP_LOST"]
UNREADABLE = _HEADER.enums["tcp_outcome"]["TCP_UNREADABLE"]


def no_records() -> Records:
    """Give an empty array of records."""
    return np.empty(0, RECORD)


def opaque(records: Records, member: str) -> NDArray[Any]:
    """Give a member of records, each value as one item: numpy copies opaque items faster than pairs of numbers."""
    dtype, offset = RECORD.fields[member][:2] if RECORD.fields else (RECORD, 0)
    item = np.dtype(f"V{dtype.itemsize}") if dtype.shape else dtype
    return np.ndarray(len(records), item, records, offset, records.strides)


def take(records: Records, index: NDArray[np.intp]) -> Records:
    """Give ``records[index]``, of any structured dtype; numpy copies opaque items faster than structured ones."""
    taken: Records = records.view(f"V{records.dtype.itemsize}")[index].view(records.dtype)
    return taken
