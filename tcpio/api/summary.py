# SPDX-License-Identifier: GPL-2.0-only
"""``tcpio.Summary``: the kernel's MIB counters for each socket or group of sockets, from Python."""

from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from tcpio.cli.summary_options import EVERYTHING, make_counting, require_counted, split_counters
from tcpio.errors import UsageError
from tcpio.filter.parse import parse_filter, to_expr
from tcpio.kernel.buckets import Summing
from tcpio.kernel.features import require_privileges
from tcpio.kernel.hooks import Rung
from tcpio.kernel.netns import find_netns
from tcpio.schema.address import BITS, IPV4_BITS, V4_MAPPED, to_text
from tcpio.schema.bucket import ADDRESSES, TUPLE, Buckets, By, Part, parse_by
from tcpio.schema.sums import Sums, Values
from tcpio.stream.fold import add_up, choose, fold


class Socket(NamedTuple):
    """A socket.

    Attributes:
        laddr: Local address, as text: IPv4 in dotted quads, IPv6 as in RFC 5952.
        lport: Local port.
        raddr: Remote address; of a listener ``0.0.0.0`` or ``::``.
        rport: Remote port; of a listener 0.
        netns: Inode of the network namespace.
    """

    laddr: str
    lport: int
    raddr: str
    rport: int
    netns: int


Key: TypeAlias = Callable[[Socket | None], Hashable | None]
"""Gives the bucket of a socket, and of what belongs to none; None is not to count it."""


class Summary:
    """Counters that the kernel sums up while this is open, without an event per segment.

    They are exact but for what ``doubts`` and ``lacking`` say.

    ::

        with tcpio.Summary(by="raddr", counters="RetransSegs") as summary:
            time.sleep(60)
        for raddr, counts in summary.buckets().items():
            print(raddr, counts["TcpRetransSegs"])

    Args:
        by: What makes a bucket, as ``--by`` takes it: ``tuple``, ``raddr``, ``laddr,rport``, ``raddr/24``.
        counters: Which, as ``--counters`` takes it (``RetransSegs,Tcp``); None is all that are counted for sockets.
        filters: Which sockets, each as on the command line; a socket that matches one of them is counted.
        key: Gives each socket's bucket instead of ``by``. It gets a Socket, or None for what belongs to no socket, and
            gives anything hashable, or None to leave it out. It is called when buckets are asked for, once for each
            socket that something was counted for; no Python runs for a segment.
        netns: As ``--netns`` takes it.
        attach: ``auto``, ``fentry``, ``kprobe`` or ``tracepoint``.
        max_buckets: Room for so many in the kernel (with ``key``: sockets); what finds none belongs to no socket.
        btf: The kernel's types, where it has none of its own.

    Raises:
        UsageError: An argument is not as described.
        UnsupportedKernel: The kernel, or its set-up, lacks something; raised on entering.
    """

    def __init__(
        self,
        *,
        by: str = "tuple",
        counters: str | None = None,
        filters: Sequence[str] = (),
        key: Key | None = None,
        netns: str = "all",
        attach: str = "auto",
        max_buckets: int | None = None,
        btf: Path | None = None,
    ) -> None:
        if attach not in ("auto", *(rung.value for rung in Rung)):
            raise UsageError(f"there is no way to attach called {attach!r}")
        chosen, hosts = split_counters(counters)
        if counters is not None and hosts:
            raise UsageError(
                f"{hosts[0].key} belongs to no socket", hint="tcpio summary shows it, from the kernel's own"
            )
        self._by = EVERYTHING if key else parse_by(by)
        self._key = key
        self._counting, self._outside = make_counting(
            self._by,
            chosen,
            to_expr(parse_filter(text) for text in filters),
            netns=find_netns(netns),
            max_buckets=max_buckets,
            rung=None if attach == "auto" else Rung(attach),
            btf=btf,
        )
        self._summing: Summing | None = None
        self._last: Sums | None = None
        self._lacking: dict[str, int] = {}
        self.doubts: dict[str, str] = {}

    def __enter__(self) -> "Summary":
        require_privileges()
        self._summing = Summing(self._counting)
        try:
            require_counted(self._summing, self._counting.counters)
            self._summing.attach()
        except BaseException:
            self._summing.close()
            raise
        self.doubts = {counter.key: reason for counter, reason in self._summing.doubts.items()}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._summing:
            self._summing.detach()
            self._last = self._summing.read()
            self._lacking = self.lacking()
            self._summing.close()
            self._summing = None

    def sums(self) -> Sums:
        """Read what was counted so far, or until this was closed, as numpy arrays (tcpio/schema/sums.py).

        Raises:
            ValueError: It was not entered yet.
        """
        sums = self._summing.read() if self._summing else self._last
        if sums is None:
            raise ValueError("nothing was counted: use it in a with statement")
        return fold(choose(sums, self._outside), self._by)

    def lacking(self) -> dict[str, int]:
        """Read which counters may lack something, and at most how much: the kernel did not run a program so often."""
        if not self._summing:
            return self._lacking
        return {counter.key: count for counter, count in self._summing.read_lacking().items()}

    def buckets(self) -> dict[Hashable | None, dict[str, int]]:
        """Read what was counted so far, or until this was closed.

        Returns:
            For each bucket its counters, by nstat's names. Without ``key`` a bucket is known by what ``by`` names: a
            Socket for ``tuple``, the value for one part (``192.0.2.8``, ``443``, ``192.0.2.0/24``), a tuple of values
            for several; None is what belongs to no socket, if something was counted for it.

        Raises:
            ValueError: It was not entered yet.
        """
        sums = self.sums()
        names = [counter.key for counter in sums.counters]
        keys, values = to_keys(self._by, sums.buckets), sums.values
        if sums.other.any():
            keys, values = [*keys, None], np.concatenate((values, sums.other[np.newaxis]))
        if self._key:
            keys, values = _add_up(list(map(self._key, keys)), values)
        return {key: dict(zip(names, row, strict=True)) for key, row in zip(keys, values.tolist(), strict=True)}


def _add_up(keys: Sequence[Hashable | None], values: Values) -> tuple[list[Hashable | None], Values]:
    # The rows that have the same key; None is left out.
    numbers: dict[Hashable | None, int] = {}
    kept = [at for at, key in enumerate(keys) if key is not None]
    number = np.array([numbers.setdefault(keys[at], len(numbers)) for at in kept], np.intp)
    return list(numbers), add_up(values[kept], number, len(numbers))


def to_sockets(buckets: Buckets) -> list[Socket]:
    """Give the sockets of buckets that have all parts."""
    columns = [_texts(buckets, part) for part in EVERYTHING.parts]
    sockets = [Socket(*row) for row in zip(*columns, strict=True)]
    return [one._replace(raddr=_ANY) if one.raddr == _NONE and ":" not in one.laddr else one for one in sockets]


_NONE, _ANY = "::", "0.0.0.0"  # noqa: S104  an address of no one, not one to listen on


def to_keys(by: By, buckets: Buckets) -> list[Any]:
    """Give what ``Summary.buckets`` knows buckets by."""
    if by.is_socket and by.names in (TUPLE, EVERYTHING.names):
        return list(to_sockets(buckets))
    columns = [_texts(buckets, part) for part in by.parts]
    return list(columns[0]) if len(columns) == 1 else list(zip(*columns, strict=True))


def _texts(buckets: Buckets, part: Part) -> list[Any]:
    values = buckets[part.name]
    if part.name not in ADDRESSES:
        return list(values.tolist())
    return [_to_text(row.tobytes(), part) for row in values]


@lru_cache(maxsize=1 << 16)
def _to_text(address: bytes, part: Part) -> str:
    bits, most = (part.ipv4_bits, IPV4_BITS) if address.startswith(V4_MAPPED) else (part.ipv6_bits, BITS)
    return to_text(address) if bits == most else f"{to_text(address)}/{bits}"
