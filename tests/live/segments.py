# SPDX-License-Identifier: GPL-2.0-only
"""Segments as tcpio's text shows them, and as tshark reads them from tcpdump's capture."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

SEND, RECEIVE = "->", "<-"

FLAGS = ("FIN", "SYN", "RST", "PUSH", "ACK", "URG", "ECE", "CWR")
"""From bit 0 on."""

_MARK = re.compile(r"(?:\S+ )?# (.*)")
_LINE = re.compile(
    r"(?:(?P<time>\d+\.\d{9}) )? *(?P<cpu>\d+) +(?P<laddr>[0-9a-f.:]+):(?P<lport>\d+) +(?P<dir>->|<-)"
    r" +(?P<raddr>[0-9a-f.:]+):(?P<rport>\d+) +(?P<bytes>\d+)  \((?P<flags>[A-Z|]+|null)\)(?P<rest>.*)"
)
_FIELDS = (
    "frame.time_epoch",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "tcp.srcport",
    "tcp.dstport",
    "tcp.len",
    "tcp.flags",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.window_size_value",
)


class Key(NamedTuple):
    """What tcpio's default columns show of a segment, without the CPU."""

    dir: str
    laddr: str
    lport: int
    raddr: str
    rport: int
    bytes: int
    flags: str

    @property
    def flow(self) -> tuple[str, str, int, str, int]:
        """The connection and the direction."""
        return self[:5]


class Segment(NamedTuple):
    """A segment.

    Args:
        key: What the default columns show.
        seq: Sequence number.
        ack: Acknowledgment number.
        win: Window.
        time_ns: When, since 1970.
        extra: tcpio's columns that a capture does not have.
    """

    key: Key
    seq: int
    ack: int
    win: int
    time_ns: int
    extra: dict[str, str]


class Mark(NamedTuple):
    """A line that is no segment.

    Args:
        at: How many segments stand before it.
        text: What it says.
    """

    at: int
    text: str


class Output(NamedTuple):
    """tcpio's text.

    Args:
        segments: The lines, in their order.
        marks: The marks among them.
    """

    segments: list[Segment]
    marks: list[Mark]


def to_ns(seconds: str) -> int:
    """Read a time with nine decimals; a float would not hold it."""
    whole, _, part = seconds.partition(".")
    return int(whole) * 1_000_000_000 + int(part.ljust(9, "0"))


def read_output(text: str, extra_columns: Sequence[str]) -> Output:
    """Read what tcpio printed, header included; what is neither a line nor a mark is refused."""
    segments: list[Segment] = []
    marks: list[Mark] = []
    for number, line in enumerate(text.splitlines()[1:], start=2):
        mark = _MARK.fullmatch(line)
        if mark:
            marks.append(Mark(len(segments), mark[1]))
            continue
        found = _LINE.fullmatch(line)
        if not found:
            raise ValueError(f"line {number} is none of tcpio's: {line!r}")
        extra = dict(zip(extra_columns, found["rest"].split(), strict=True))
        segments.append(
            Segment(
                Key(
                    found["dir"],
                    found["laddr"],
                    int(found["lport"]),
                    found["raddr"],
                    int(found["rport"]),
                    int(found["bytes"]),
                    found["flags"],
                ),
                int(extra.get("seq", 0)),
                int(extra.get("ack", 0)),
                int(extra.get("win", 0)),
                to_ns(found["time"]) if found["time"] else 0,
                extra,
            )
        )
    return Output(segments, marks)


def read_capture(path: Path, addresses: Sequence[str], *, is_loopback: bool) -> list[Segment]:
    """Read a capture, as the end with these addresses sees it.

    libpcap shows a packet on loopback once, and TCP sends and receives it there: it becomes two segments.
    """
    preferences = ("tcp.desegment_tcp_streams", "tcp.analyze_sequence_numbers", "tcp.relative_sequence_numbers")
    # Newer kernels leave IPv6's length 0 where it cannot be said, and put no jumbo option there.
    sizes = ("-o", "ipv6.tso_support:TRUE")
    command = ["tshark", "-n", "-r", str(path), "-Y", "tcp && !icmp && !icmpv6", "-T", "fields", *sizes]
    command += [word for name in preferences for word in ("-o", f"{name}:FALSE")]
    command += [word for name in _FIELDS for word in ("-e", name)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    segments: list[Segment] = []
    for line in done.stdout.splitlines():
        segments += _seen(dict(zip(_FIELDS, line.split("\t"), strict=True)), addresses, is_loopback=is_loopback)
    return segments


def _seen(packet: dict[str, str], addresses: Sequence[str], *, is_loopback: bool) -> Iterator[Segment]:
    source = (packet["ip.src"] or packet["ipv6.src"], int(packet["tcp.srcport"]))
    target = (packet["ip.dst"] or packet["ipv6.dst"], int(packet["tcp.dstport"]))
    for direction, local, remote in ((SEND, source, target), (RECEIVE, target, source)):
        if is_loopback or local[0] in addresses:
            yield Segment(
                Key(direction, *local, *remote, int(packet["tcp.len"]), _flags(int(packet["tcp.flags"], 16))),
                int(packet["tcp.seq_raw"]),
                int(packet["tcp.ack_raw"]),
                int(packet["tcp.window_size_value"]),
                to_ns(packet["frame.time_epoch"]),
                {},
            )


def _flags(bits: int) -> str:
    return "|".join(name for bit, name in enumerate(FLAGS) if bits >> bit & 1) or "null"
