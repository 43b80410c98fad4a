# SPDX-License-Identifier: GPL-2.0-only
"""Reports as tcpipstat.stp printed them."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np

from tcpio.filter.parse import parse_filter
from tcpio.filter.pattern import ANY, ANY_PORT, IPV4, Filter, Network, Ports
from tcpio.output.cells import Cells, constant, squeeze
from tcpio.output.report import FIGURES, Report, Setting, figure, in_order, in_pieces, part_text, time_text
from tcpio.output.report_cells import Which, end_cells, is_known, labelled, masked, part_cells
from tcpio.schema.address import V4_MAPPED, to_text
from tcpio.schema.arrays import NDArray
from tcpio.schema.bucket import TUPLE, Buckets, Part
from tcpio.schema.counters import Counter
from tcpio.schema.sums import Closed, Values
from tcpio.stream.audit import Audit, Row

_WIDTH = 116

RULE = "-" * 41
_DOUBLE_RULE = "=" * 41

_ALWAYS = ("Socket", "Ip", "Tcp", "TcpExt")
"""Blocks whose names tcpipstat printed even if nothing stood in them."""

_TITLES = {
    "laddr": "Local address",
    "raddr": "Remote address",
    "lport": "Local port",
    "rport": "Remote port",
    "netns": "Network namespace",
}
_NOTHING = "\nNo packets were accepted by the filters.\n"
_NOT_WHOLE = "Stats were not collected for the entire socket life.\n"
_ALL = (parse_filter("*:*-*:*"),)
_SOCKET = tuple(Part(name) for name in TUPLE)


class TextReport:
    """Reports for people.

    Args:
        setting: What all reports have in common.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting

    def begin(self) -> bytes:
        """Say what is counted, as tcpipstat did."""
        parts = self._setting.by.parts
        index = "tuple" if parts == _SOCKET else ",".join(map(part_text, parts))
        filters = self._setting.filters or _ALL
        lines = [f"Processed filter #{number} = {_filter_text(one)} \n" for number, one in enumerate(filters, start=1)]
        return f"Indexing collected stats using {index} values\n{''.join(lines)}".encode()

    def report(self, report: Report) -> Iterator[bytes]:
        """Give all buckets, then what belongs to none."""
        if report.span:
            title = f"{time_text(self._setting, report.time_ns)}: {report.span} {report.seconds:.3f} s"
            yield f"\n{_DOUBLE_RULE}\n{title}\n{_DOUBLE_RULE}\n".encode()
        if not len(report.sums.buckets) and not self._setting.is_on_close:
            yield _NOTHING.encode()
        for at in in_order(report.sums):
            head = self._head(report.sums.buckets[at])
            yield squeeze([*head, *self._body(report.sums.counters, report.sums.values[at])])
        yield from self._rest(report)

    def _rest(self, report: Report) -> Iterator[bytes]:
        sums = report.sums
        if sums.other.any():
            title = "Other: what belongs to no socket"
            if self._setting.is_on_close:
                title += ", or came after its end"
            if sums.overflowed:
                title += f", and what found no room for its bucket ({sums.overflowed} times): see --max-buckets"
            yield from self._single(title, sums.counters, sums.other.tolist())
        if any(report.host.values()) or (report.host and self._setting.has_zeros):
            title = f"{self._setting.where}: the kernel's own counters, of all protocols"
            yield from self._single(title, tuple(report.host), list(report.host.values()))
        if report.lacking:
            yield _lacking_text(report.lacking).encode()
        if report.audit:
            yield _audit_text(report.audit, self._setting.where).encode()

    def _single(self, title: str, counters: tuple[Counter, ...], values: list[int]) -> Iterator[bytes]:
        rows: Values = np.array([values], np.int64)
        body = self._blocks(counters, rows, frozenset())
        yield squeeze([constant(f"\n{RULE}\n{title}\n{RULE}\n", 1), *body, constant("\n\n", 1)])

    def closed(self, closed: Closed, times_ns: NDArray[np.uint64]) -> Iterator[bytes]:
        """Give the report of each socket that closed, in the order they did."""
        for at in in_pieces(np.arange(len(times_ns))):
            notes = masked(constant(_NOT_WHOLE, len(at)), closed.sockets["lifetime_ns"][at] == 0)
            figures = [constant("At close:\n\ttime = ", len(at)), self._setting.time(times_ns[at])]
            figures.append(constant("\n", len(at)))
            for name in FIGURES:
                values = figure(closed, name, at)
                figures += labelled(f"\t{name} = ", values, "\n", has_zeros=self._setting.has_zeros)
            head = self._head(closed.sockets[at], notes)
            yield squeeze([*head, *self._body(closed.counters, closed.values[at], figures)])

    def end(self) -> bytes:
        """Give the reasons why some counters are not exact, or are missing."""
        reasons: dict[tuple[str, str], list[str]] = {}
        for counter, reason in self._setting.doubts.items():
            word = "Not exact (~)" if counter in self._setting.counters else "Not counted"
            reasons.setdefault((word, reason), []).append(counter.key)
        return "".join(
            _wrap(f"{word}: {reason}: {' '.join(keys)}") for (word, reason), keys in reasons.items()
        ).encode()

    def _head(self, buckets: Buckets, *notes: Cells) -> list[Cells]:
        count = len(buckets)
        parts = self._setting.by.parts
        is_pair: Which = np.full(count, self._setting.by.is_socket)
        for name in TUPLE:
            is_pair &= is_known(buckets, name)
        lines = [
            (is_pair, [*end_cells("laddr", "lport", buckets), constant(" <-> ", count)]),
            (is_pair, [*end_cells("raddr", "rport", buckets), constant("\n", count)]),
        ]
        for part in parts:
            which = is_known(buckets, part.name) & ~(is_pair & (part.name in TUPLE))
            line = [constant(f"{_TITLES[part.name]}: ", count), part_cells(part, buckets), constant("\n", count)]
            lines.append((which, line))
        shown = [masked(cells, which) for which, line in lines for cells in line]
        return [constant(f"\n{RULE}\n", count), *shown, *notes, constant(f"{RULE}\n", count)]

    def _body(self, counters: Sequence[Counter], values: Values, figures: Sequence[Cells] = ()) -> list[Cells]:
        return [*self._blocks(counters, values, frozenset(_ALWAYS)), *figures, constant("\n\n", len(values))]

    def _blocks(self, counters: Sequence[Counter], values: Values, always: frozenset[str]) -> list[Cells]:
        body: list[Cells] = []
        for block, columns in groupby(range(len(counters)), key=lambda column: _block_of(counters[column])):
            places = list(columns)
            name = constant(f"{block}:\n", len(values))
            body.append(name if block in always or self._setting.has_zeros else masked(name, values[:, places].any(1)))
            for column in places:
                mark = "~" if counters[column] in self._setting.doubts else ""
                lead = f"\t{counters[column].label} = {mark}"
                body += labelled(lead, values[:, column], "\n", has_zeros=self._setting.has_zeros)
        return body


def _wrap(line: str) -> str:
    return textwrap.fill(line, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False) + "\n"


def _lacking_text(lacking: Mapping[Counter, int]) -> str:
    keys = ", ".join(f"{counter.key} {count}" for counter, count in lacking.items())
    return _wrap(f"Missed: the kernel did not run a program; what may lack at most so many: {keys}")


def _block_of(counter: Counter) -> str:
    return "Ip" if counter.block == "IpExt" else counter.block


def _filter_text(one: Filter) -> str:
    local = f"{_network_text(one.laddr)}:{_ports_text(one.lport)}"
    return f"{'!' * one.is_exclusion}{local} --> {_network_text(one.raddr)}:{_ports_text(one.rport)}"


def _network_text(network: Network) -> str:
    if network == ANY:
        return "*[0x0]"
    mask, text = int.from_bytes(network.mask, "big"), to_text(network.value)
    prefix = int.from_bytes(IPV4.mask, "big")
    if network.value.startswith(V4_MAPPED) and mask & prefix == prefix:
        return f"{text}[{mask ^ prefix:#x}]"
    return f"[{text}][{mask:#x}]"


def _ports_text(ports: Ports) -> str:
    if ports == ANY_PORT:
        return "*"
    return str(ports.low) if ports.low == ports.high else f"{ports.low}..{ports.high}"


_AUDIT = "{:<28} {:>20} {:>14} {:>20} {:>12}{}\n"


def _audit_text(audit: Audit, where: str) -> str:
    rows = [_AUDIT.format("counter", "buckets", "other", "kernel", "difference", "")]
    rows += [_row_text(row) for row in audit.rows]
    if not audit.rows:
        return f"\nAudit: the kernel's own counters of {where} are gone.\n"
    exact = [row for row in audit.rows if row.is_of_tcp]
    wrong = [row for row in exact if row.difference]
    verdict = f"{len(exact) - len(wrong)} of {len(exact)} counters of TCP are equal to the kernel's"
    if audit.without:
        verdict += f"; it has no {', '.join(counter.key for counter in audit.without)}"
    verdict = _wrap(f"{verdict}.")
    return f"\n{RULE}\nAudit: the kernel's own counters of {where}\n{RULE}\n{''.join(rows)}{verdict}\n\n"


def _row_text(row: Row) -> str:
    notes = [] if row.is_of_tcp else ["the kernel counts all protocols"]
    if row.slack:
        notes.append(f"it counted {row.slack} while it was read")
    note = f"  ({'; '.join(notes)})" if notes else ""
    return _AUDIT.format(row.counter.key, row.buckets, row.other, row.kernel, row.difference, note)
