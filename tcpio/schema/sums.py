# SPDX-License-Identifier: GPL-2.0-only
"""What was counted."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from tcpio.schema.arrays import NDArray
from tcpio.schema.bucket import Buckets
from tcpio.schema.counters import Counter

Values: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Sums:
    """What was counted from the start on.

    Args:
        counters: Those that are counted: what the columns of ``values`` are.
        buckets: Shape (N,), dtype BUCKET.
        values: Shape (N, counters), int64: of each bucket each counter.
        other: Shape (counters,), int64: what belongs to no socket, or came when the buckets were full.
        overflowed: How often something was counted in ``other`` because the buckets were full.
    """

    counters: tuple[Counter, ...]
    buckets: Buckets
    values: Values
    other: Values
    overflowed: int


@dataclass(frozen=True)
class Closed:
    """Sockets that closed.

    Args:
        counters: What the columns of ``values`` are.
        sockets: Shape (N,), dtype CLOSED, in the order they closed.
        values: Shape (N, counters), int64: all that was counted for each.
    """

    counters: tuple[Counter, ...]
    sockets: Buckets
    values: Values
