# SPDX-License-Identifier: GPL-2.0-only
"""Counters that the kernel sums up, bucket by bucket."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import TracebackType

import numpy as np

from tcpio.errors import UsageError
from tcpio.filter.ast import ALWAYS, Expr
from tcpio.filter.to_c import to_c
from tcpio.kernel import syscall
from tcpio.kernel.btf import Btf
from tcpio.kernel.compile import Compiled
from tcpio.kernel.count_source import make_count_source
from tcpio.kernel.counting import choose, find_lacking, find_made_up_for
from tcpio.kernel.cpus import read_possible_cpus
from tcpio.kernel.features import ask_hook
from tcpio.kernel.hooks import FUNCTIONS, Ask, Hook, Kind, Rung
from tcpio.kernel.load import Programs
from tcpio.kernel.plan import IPV6_FUNCTION, read_kernel_types, start_loading
from tcpio.kernel.source import CASTS, TRACEPOINT_ITERATOR, Program
from tcpio.kernel.symbols import Symbols, read_symbols
from tcpio.schema.bucket import BUCKET, CLOSED, Buckets, By
from tcpio.schema.counters import Counter
from tcpio.schema.sums import Closed, Sums, Values
from tcpio.schema.support import Support, Verdict


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


class Summing:
    """Programs that count, until this is closed.

    Args:
        counting: What is to be counted.

    Raises:
        UsageError: ``on_close`` without a bucket for each socket.
        UnsupportedKernel: The kernel lacks what is needed.
    """

    def __init__(self, counting: Counting) -> None:
        if counting.on_close and not counting.by.is_socket:
            raise UsageError("a bucket can only end with its socket if each socket has its own", hint="use --by tuple")
        self._counting = counting
        btf = _read_types(counting.btf)
        near = counting.rung is not Rung.TRACEPOINT
        symbols = read_symbols(FUNCTIONS) if near else Symbols(0, frozenset())
        self._choice = choose(
            btf,
            _ask_once(btf, symbols),
            counting.counters,
            rung=counting.rung,
            has_ipv6=btf.find_parameters(IPV6_FUNCTION) is not None,
            has_frames=symbols.per_cpu_offset != 0,
        )
        self._btf, self._symbols = btf, symbols
        self._cpus = len(read_possible_cpus())
        # A bucket that ends with its socket is taken away whole: nothing of it may lie elsewhere.
        self._rows = 0 if counting.on_close else default_rows(len(self._choice.counters), self._cpus)
        asked = (btf, self._choice, counting.by, to_c(counting.wanted))
        make = partial(make_count_source, *asked, rows=self._rows, on_close=counting.on_close)
        self.source = make()
        self._load = start_loading(self.source, partial(make, may_follow_pointers=False), self._load_programs)
        self._programs: Programs | None = None

    @property
    def counters(self) -> tuple[Counter, ...]:
        """What is counted: the columns of all sums."""
        return self._choice.counters

    @property
    def rung(self) -> Rung:
        """The way to attach as a whole."""
        return self._choice.rung

    @property
    def btf(self) -> Btf:
        """The kernel's types."""
        return self._btf

    @property
    def doubts(self) -> dict[Counter, str]:
        """What is not exact, or not counted at all, on this kernel and by this way to attach, and why."""
        return self._choice.doubts

    @property
    def absent(self) -> frozenset[Counter]:
        """Those of the doubts that are not counted at all."""
        return frozenset(self._counting.counters) - frozenset(self.counters)

    @property
    def max_buckets(self) -> int:
        """How many buckets there may be."""
        counting = self._counting
        return counting.max_buckets or default_buckets(len(self._choice.counters), self._copies)

    @property
    def _copies(self) -> int:
        return 1 if self._counting.by.is_socket else self._cpus

    @property
    def _loaded(self) -> Programs:
        if self._programs is None:
            raise ValueError("nothing is attached")
        return self._programs

    def attach(self) -> None:
        """Let the programs count.

        Raises:
            UnsupportedKernel: The kernel refused a map or a program.
        """
        self._programs = self._load()
        if self._programs.has_map("per_cpu_offset"):
            offset = self._symbols.per_cpu_offset.to_bytes(8, sys.byteorder)
            self._programs.set_element("per_cpu_offset", bytes(4), offset)
        self._programs.attach()

    def _load_programs(self, compiled: Compiled, programs: Sequence[Program]) -> Programs:
        cpus = max(read_possible_cpus()) + 1
        sizes = {
            "buckets": self.max_buckets,
            "closed": self.max_buckets,
            "words": cpus,
            "rows": cpus * self._rows,
        }
        return Programs(compiled, programs, self._btf, sizes)

    def read(self) -> Sums:
        """Read what was counted so far, without what ``closed`` gave away."""
        buckets, values = self._read_buckets()
        other = self._loaded.read_element("other", bytes(4)) if self._loaded.has_map("other") else b""
        overflowed = self._loaded.read_element("overflowed", bytes(4)) if self._loaded.has_map("overflowed") else b""
        return Sums(
            self.counters,
            buckets,
            values,
            self._sum(other, self._cpus)[0] if other else np.zeros(len(self.counters), np.int64),
            int(np.frombuffer(overflowed, np.uint64).sum()),
        )

    def _read_buckets(self) -> tuple[Buckets, Values]:
        if not self._loaded.has_map("buckets"):
            return np.empty(0, BUCKET), self._sum(b"", 1)
        if not self._loaded.has_map("rows"):
            return self._read_map()
        with self._hold_rows():  # what went from a row to its bucket between the two would be read twice
            rows = np.frombuffer(b"".join(row for _, row in self._loaded.read_elements("rows")), self._row)
            buckets, values = self._read_map()
        given = rows[rows["is_given"] != 0]
        return add_up(buckets, values, given["bucket"], given["values"][:, : values.shape[1]])

    @contextmanager
    def _hold_rows(self) -> Iterator[None]:
        self._loaded.set_element("are_rows_read", bytes(4), _TRUE)
        try:
            syscall.wait_for_running_programs()
            yield
        finally:
            self._loaded.set_element("are_rows_read", bytes(4), _FALSE)

    def _read_map(self) -> tuple[Buckets, Values]:
        batches = list(self._loaded.read_elements("buckets"))
        keys, values = (b"".join(batch[part] for batch in batches) for part in (0, 1))
        return np.frombuffer(keys, BUCKET), self._sum(values, self._copies)

    @property
    def _row(self) -> np.dtype[np.void]:
        return np.dtype([*_ROW_HEAD, ("values", np.int64, (max(len(self.counters), 1),))])

    def _sum(self, values: bytes, copies: int) -> Values:
        # Shape (N, counters), from N elements of so many copies each.
        words = max(len(self.counters), 1) + _LIFE_WORDS * self._counting.on_close
        table = np.frombuffer(values, np.int64).reshape(-1, copies, words)
        summed: Values = table.sum(axis=1)[:, : len(self.counters)]
        return summed

    def closed(self) -> Closed:
        """Take the sockets that closed since the last time; their buckets are free again.

        A program that found a bucket before its socket closed may still add to it; one that comes later does not.
        So what was being done then is waited for.
        """
        if not self._loaded.has_map("closed"):
            return Closed(self.counters, np.empty(0, CLOSED), self._sum(b"", 1))
        found = b"".join(ends for _, ends in self._loaded.read_elements("closed"))
        sockets = np.frombuffer(found, CLOSED)
        sockets = sockets[np.argsort(sockets["ts_ns"], kind="stable")]
        if len(sockets):
            syscall.wait_for_running_programs()
        values = b"".join(self._take(socket.tobytes()[: BUCKET.itemsize]) for socket in sockets)
        return Closed(self.counters, sockets, self._sum(values, self._copies))

    def _take(self, bucket: bytes) -> bytes:
        values = self._loaded.read_element("buckets", bucket)
        # The bucket first: while it is there, a socket with the same ends cannot begin another.
        self._loaded.delete_element("buckets", bucket)
        self._loaded.delete_element("closed", bucket)
        return values

    def read_missed(self) -> dict[Hook, int | None]:
        """Read how often the kernel did not run a program and nothing makes up for it; None where it does not tell."""
        made_up_for = find_made_up_for(self._choice.hooks)
        return {hook: missed for hook, missed in self._loaded.read_missed().items() if hook not in made_up_for}

    def read_lacking(self) -> dict[Counter, int]:
        """Read which counters may lack something that the kernel ran no program for, and at most how much."""
        return find_lacking(self.read_missed(), self._choice)

    def detach(self) -> None:
        """Let no program count any more; what was counted can still be read."""
        if self._programs:
            self._programs.detach()

    def close(self) -> None:
        """Detach, and give everything back."""
        if self._programs:
            self._programs.close()

    def __enter__(self) -> "Summing":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def default_buckets(counters: int, copies: int) -> int:
    """Give how many buckets there are room for in what memory they may take.

    Each takes as many bytes as a key and the kernel's own struct for an element, and 8 for each counter and copy.

    Args:
        counters: How many are counted.
        copies: 1, or as many as there may be CPUs where each has its own.
    """
    return max(min(_MOST_BUCKETS, _MEMORY // (_ELEMENT + BUCKET.itemsize + 8 * counters * copies)), 1)


def default_rows(counters: int, cpus: int) -> int:
    """Give how many buckets each CPU keeps near: a power of two, in a quarter of the memory that buckets may take.

    Args:
        counters: How many are counted.
        cpus: How many there may be.
    """
    fit = _MEMORY // 4 // cpus // (np.dtype(_ROW_HEAD).itemsize + 8 * counters)
    return 1 << min(max(fit, _FEWEST_ROWS), _MOST_ROWS).bit_length() - 1


def add_up(buckets: Buckets, values: Values, rows: Buckets, row_values: Values) -> tuple[Buckets, Values]:
    """Add what lies in rows to the sums of their buckets.

    Args:
        buckets: dtype BUCKET, shape (N,), each once.
        values: Their sums, int64, shape (N, counters).
        rows: dtype BUCKET, shape (M,): the buckets that rows were given to, each as often as CPUs have it.
        row_values: What is in these, int64, shape (M, counters).

    Returns:
        The buckets in the order of their bytes, each once, and their sums.
    """
    together = np.concatenate([buckets, rows])
    _, first, place = np.unique(together.view(_AS_BYTES), return_index=True, return_inverse=True)
    summed = np.zeros((len(first), values.shape[1]), np.int64)
    np.add.at(summed, place, np.concatenate([values, row_values]))
    return together[first], summed


_TRUE, _FALSE = (number.to_bytes(4, sys.byteorder) for number in (1, 0))
_AS_BYTES = f"S{BUCKET.itemsize}"
_ROW_HEAD = [  # what struct row of bpf/summary.c begins with
    ("users", np.uint64),
    ("patience", np.uint32),
    ("is_given", np.uint32),
    ("bucket", BUCKET),
]
_MOST_ROWS = 1 << 10
_FEWEST_ROWS = 1 << 4
_LIFE_WORDS = 2  # born_ns and is_closed of struct sums
_MEMORY = 64 << 20
_MOST_BUCKETS = 1 << 16
_ELEMENT = 64  # struct htab_elem and its place in the table (kernel/bpf/hashtab.c)


def _read_types(given: Path | None) -> Btf:
    tracepoints = [TRACEPOINT_ITERATOR + name for name in FUNCTIONS]
    return read_kernel_types(given, [*CASTS, *FUNCTIONS, *tracepoints])


def _ask_once(btf: Btf, symbols: Symbols) -> Ask:
    @cache
    def ask(hook: Hook) -> Verdict:
        if hook.kind is not Kind.RAW_TRACEPOINT and hook.target in symbols.split:
            return Verdict(Support.NO, "the compiler split this function, and calls its parts")
        return ask_hook(btf, hook)

    return ask
