# SPDX-License-Identifier: GPL-2.0-only
"""What segments alone tell of a group of sockets. The kernel counts more; what was lost is missing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from tcpio.errors import UsageError
from tcpio.schema.arrays import NDArray
from tcpio.schema.distinct import distinct, pack
from tcpio.schema.flags import FLAGS
from tcpio.schema.record import RECEIVE, RECORD, SEND, Records, take

Amounts: TypeAlias = NDArray[Any]
"""Shape (N,): what each record adds."""

TUPLE = ("laddr", "lport", "raddr", "rport")

GROUPS = {"tuple": TUPLE, **{name: (name,) for name in TUPLE}}
"""What segments can be grouped by."""

_FIN, _SYN, _RST, _ACK = 0x01, 0x02, 0x04, 0x10


@dataclass(frozen=True)
class Measure:
    """Something that is added up for each group.

    Args:
        name: Its name, as that of a column.
        help: What it is.
        needs: The columns that it is derived from.
        amount: What each record adds.
    """

    name: str
    help: str
    needs: tuple[str, ...]
    amount: Callable[[Records], Amounts]


def _of(direction: int, member: str) -> Callable[[Records], Amounts]:
    return lambda records: np.where(records["dir"] == direction, records[member], 0)


def _when(direction: int, is_set: int, is_not: int = 0) -> Callable[[Records], Amounts]:
    # Segments of a direction with a flag and without another, that are no retransmissions.
    def amount(records: Records) -> Amounts:
        flags = records["flags"] & (is_set | is_not) == is_set
        chosen: Amounts = flags & (records["dir"] == direction) & (records["rtx"] == 0)
        return chosen

    return amount


def _has(bit: int) -> Callable[[Records], Amounts]:
    return lambda records: records["flags"] >> bit & 1


MEASURES = (
    Measure("segs_sent", "segments sent", ("dir", "segs"), _of(SEND, "segs")),
    Measure("segs_received", "segments received", ("dir", "segs"), _of(RECEIVE, "segs")),
    Measure("bytes_sent", "bytes of payload sent, again too", ("dir", "bytes"), _of(SEND, "bytes")),
    Measure("bytes_received", "bytes of payload received, again too", ("dir", "bytes"), _of(RECEIVE, "bytes")),
    Measure(
        "retransmitted",
        "segments sent again",
        ("dir", "segs", "rtx"),
        lambda records: np.where((records["dir"] == SEND) & (records["rtx"] != 0), records["segs"], 0),
    ),
    Measure("opens_active", "SYN sent", ("dir", "flags", "rtx"), _when(SEND, _SYN, _ACK)),
    Measure("opens_passive", "SYN and ACK sent", ("dir", "flags", "rtx"), _when(SEND, _SYN | _ACK)),
    Measure("resets_sent", "RST sent", ("dir", "flags", "rtx"), _when(SEND, _RST)),
    Measure("resets_received", "RST received", ("dir", "flags", "rtx"), _when(RECEIVE, _RST)),
    *(Measure(flag.lower(), f"lines with {flag}, both ways", ("flags",), _has(bit)) for bit, flag in enumerate(FLAGS)),
)

NEEDED = frozenset(name for measure in MEASURES for name in measure.needs)


def find_group(text: str) -> tuple[str, ...]:
    """Read what to group by: a row of GROUPS, or several of its columns with commas.

    Raises:
        UsageError: There is no such group.
    """
    names = [name.strip() for name in text.lower().split(",")]
    if text.lower() in GROUPS:
        return GROUPS[text.lower()]
    if not set(names) <= set(TUPLE) or len(set(names)) != len(names):
        raise UsageError(f"cannot group by {text!r}", hint=f"groups are {', '.join(GROUPS)}, or several as laddr,rport")
    return tuple(names)


class Derived:
    """The sums of each group so far.

    Args:
        group: Columns.
    """

    def __init__(self, group: Sequence[str]) -> None:
        self._group = group
        self._numbers: dict[bytes, int] = {}  # of a group's values
        self._firsts: list[Records] = []
        self._sums = np.zeros((0, len(MEASURES)), np.int64)

    def add(self, records: Records) -> None:
        """Add records."""
        if not len(records):
            return
        words = pack(records, self._group)
        first, number = distinct(words)
        keys = [row.tobytes() for row in np.ascontiguousarray(words[first])]
        places = np.array([self._numbers.setdefault(key, len(self._numbers)) for key in keys], np.intp)
        is_new = places >= len(self._sums)
        self._firsts.append(take(np.ascontiguousarray(records), first[is_new]))
        self._grow()
        for at, measure in enumerate(MEASURES):
            amounts = measure.amount(records).astype(np.float64)  # exact below 2**53
            self._sums[places, at] += np.bincount(number, amounts, len(first)).astype(np.int64)

    def _grow(self) -> None:
        lacking = len(self._numbers) - len(self._sums)
        if lacking:
            self._sums = np.concatenate([self._sums, np.zeros((lacking, len(MEASURES)), np.int64)])

    def result(self) -> tuple[Records, NDArray[np.int64]]:
        """Give a record of each group, and its sums, shape (G, measures); those with most bytes first."""
        groups = np.concatenate(self._firsts) if self._firsts else np.empty(0, RECORD)
        names = [measure.name for measure in MEASURES]
        traffic = self._sums[:, names.index("bytes_sent")] + self._sums[:, names.index("bytes_received")]
        order = np.argsort(-traffic, kind="stable")
        return groups[order], self._sums[order]
