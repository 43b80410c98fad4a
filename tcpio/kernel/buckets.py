# SPDX-License-Identifier: GPL-2.0-only
"""Counters that the kernel sums up, bucket by bucket."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from tcpio.filter.ast import ALWAYS, Expr
from tcpio.kernel.hooks import Hook, Rung
from tcpio.schema.bucket import Buckets, By
from tcpio.schema.counters import Counter


@dataclass(frozen=True)
class Counting:
    """What is to be counted.

    Args:
        counters: Which; those that are the host's (``is_hosts``) are not for this.
        by: What makes a bucket.
        wanted: What is counted at all; of a bucket's members, which are 0 for what has no socket.
        max_buckets: How many there may be; None is as many as the memory allows, see ``default_buckets``.
        on_close: Give the bucket of a socket back when it closes; only if ``by`` is for sockets.
        rung: Only this way to attach; None is the best one.
        btf: The kernel's types, where it has none of its own.
    """

    counters: tuple[Counter, ...]
    by: By
    wanted: Expr = ALWAYS
    max_buckets: int | None = None
    on_close: bool = False
    rung: Rung | None = None
    btf: Path | None = None


@dataclass(frozen=True)
class Sums:
    """What was counted from the start on.

    Args:
        buckets: Shape (N,), dtype BUCKET.
        values: Shape (N, counters), int64: of each bucket each counter, in the order they were asked for.
        other: Shape (counters,), int64: what belongs to no socket, or came when the buckets were full.
        overflowed: How often something was counted in ``other`` because the buckets were full.
    """

    buckets: Buckets
    values: npt.NDArray[np.int64]
    other: npt.NDArray[np.int64]
    overflowed: int


@dataclass(frozen=True)
class Closed:
    """Sockets that closed.

    Args:
        sockets: Shape (N,), dtype CLOSED, in the order they closed.
        values: Shape (N, counters), int64: all that was counted for each.
        lost: How many more closed, of which nothing is known since the ring was full; their counts stay in buckets.
    """

    sockets: Buckets
    values: npt.NDArray[np.int64]
    lost: int


class Summing:
    """Programs that count, until this is closed.

    Args:
        counting: What is to be counted.

    Raises:
        UnsupportedKernel: The kernel lacks what is needed.
    """

    def __init__(self, counting: Counting) -> None:
        raise NotImplementedError(counting)

    @property
    def doubts(self) -> dict[Counter, str]:
        """What is not exact, or not counted at all, on this kernel and by this way to attach, and why."""
        raise NotImplementedError

    @property
    def absent(self) -> frozenset[Counter]:
        """Those of the doubts that are not counted at all."""
        raise NotImplementedError

    def attach(self) -> None:
        """Let the programs count."""
        raise NotImplementedError

    def read(self) -> Sums:
        """Read what was counted so far, without what ``closed`` gave away."""
        raise NotImplementedError

    def closed(self) -> Closed:
        """Take the sockets that closed since the last time; their buckets are free again."""
        raise NotImplementedError

    def read_missed(self) -> dict[Hook, int | None]:
        """Read how often the kernel did not run a program that it should have run; None where it does not tell."""
        raise NotImplementedError

    def close(self) -> None:
        """Detach, and give everything back."""

    def __enter__(self) -> "Summing":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
