# SPDX-License-Identifier: GPL-2.0-only
"""The table of the kinds of segments: which traffic has them, how they are known, and what counts them.

What is looked at is the capture: what tcpio showed has no say in it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tests.live.segments import Segment

CLIENT, SERVER = "client", "server"

Find = Callable[[Sequence[Segment], Sequence[Segment]], list[Segment]]
"""From what an end sent and what it received, in the order of the capture: the segments of a kind among the former."""


@dataclass(frozen=True)
class Kind:
    """A kind of segment.

    Args:
        name: What it is called.
        scenario: The traffic that has it.
        side: The end that sends it.
        find: Finds it in a capture.
        counter: What the kernel counts at ``counted_at``, by nstat's name, or the program by one without a capital.
        is_one_each: Whether there are as many segments as were counted; else at least one, if anything was counted.
        counted_at: The end where it is counted, if not the one that sends it.
        is_received: Whether the other end receives it: one that answers a forged segment goes to nobody.
    """

    name: str
    scenario: str
    side: str
    find: Find
    counter: str
    is_one_each: bool = False
    counted_at: str = ""
    is_received: bool = True


def _taken(segment: Segment) -> int:
    # Sequence numbers that it takes (RFC 9293, 3.4).
    flags = segment.key.flags.split("|")
    return segment.key.bytes + ("SYN" in flags) + ("FIN" in flags)


def _is_behind(seq: int, other: int) -> bool:
    return (seq - other) % (1 << 32) < 1 << 31


def repeated(segments: Iterable[Segment]) -> list[bool]:
    """Tell of each segment whether all it takes of its flow's sequence numbers was taken before it."""
    ends: dict[object, int] = {}
    told = []
    for segment in segments:
        flow, taken = segment.key.flow, _taken(segment)
        end = (segment.seq + taken) % (1 << 32)
        last = ends.get(flow)
        told.append(taken > 0 and last is not None and _is_behind(last, end))
        if last is None or not _is_behind(last, end):
            ends[flow] = end
    return told


def _again(sent: Sequence[Segment]) -> list[Segment]:
    return [segment for segment, is_again in zip(sent, repeated(sent), strict=True) if is_again]


def _flags(*wanted: str) -> Find:
    return lambda sent, _: [s for s in sent if s.key.flags in wanted]


def _data(sent: Sequence[Segment], _: Sequence[Segment]) -> list[Segment]:
    return [s for s in sent if s.key.bytes and "SYN" not in s.key.flags]


def _data_again(sent: Sequence[Segment], received: Sequence[Segment]) -> list[Segment]:
    return _data(_again(sent), received)


def _syn_data(sent: Sequence[Segment], _: Sequence[Segment]) -> list[Segment]:
    return [s for s in sent if s.key.flags.startswith("SYN") and s.key.bytes]


def _answers_again(sent: Sequence[Segment], _: Sequence[Segment]) -> list[Segment]:
    return [s for s in _again(sent) if s.key.flags == "SYN|ACK"]


def _fins(sent: Sequence[Segment], _: Sequence[Segment]) -> list[Segment]:
    return [s for s in sent if "FIN" in s.key.flags]


def _resets(sent: Sequence[Segment], _: Sequence[Segment]) -> list[Segment]:
    return [s for s in sent if "RST" in s.key.flags]


def _probes(sent: Sequence[Segment], _: Sequence[Segment]) -> list[Segment]:
    # With the last sequence number that was acknowledged, which is one before the next.
    next_seq: dict[object, int] = {}
    found = []
    for s in sent:
        expected = next_seq.get(s.key.flow)
        if expected is not None and s.key.flags == "ACK" and not s.key.bytes and (s.seq + 1) % (1 << 32) == expected:
            found.append(s)
        elif _taken(s):
            next_seq[s.key.flow] = (s.seq + _taken(s)) % (1 << 32)
    return found


def _answers_to_repeated_fins(sent: Sequence[Segment], received: Sequence[Segment]) -> list[Segment]:
    fins = {((s.seq + _taken(s)) % (1 << 32), s.key[1:5]) for s in _again(received) if "FIN" in s.key.flags}
    acks = [s for s in sent if s.key.flags == "ACK" and (s.ack, s.key[1:5]) in fins]
    first = {s.key.flow: index for index, s in reversed(list(enumerate(acks)))}
    return [s for index, s in enumerate(acks) if index != first[s.key.flow]]


def _acks_without_a_socket(sent: Sequence[Segment], _: Sequence[Segment]) -> list[Segment]:
    # The traffic has no connections, so nothing else sends these.
    return [s for s in sent if s.key.flags == "ACK"]


def _of_second_subflow(sent: Sequence[Segment], _: Sequence[Segment]) -> list[Segment]:
    first = sent[0].key.laddr
    return [s for s in sent if s.key.laddr != first]


KINDS = (
    Kind("SYN", "handshakes", CLIENT, _flags("SYN"), "TcpActiveOpens", is_one_each=True),
    Kind("SYN-ACK", "handshakes", SERVER, _flags("SYN|ACK"), "TcpPassiveOpens", is_one_each=True),
    Kind("SYN-ACK retransmission", "lost_handshake", SERVER, _answers_again, "TcpExtTCPSynRetrans", is_one_each=True),
    Kind("cookie SYN-ACK", "cookies", SERVER, _flags("SYN|ACK"), "TcpExtSyncookiesSent", is_one_each=True),
    Kind(
        "TFO SYN with data",
        "fast_open",
        CLIENT,
        _syn_data,
        "TcpExtTCPFastOpenPassive",
        is_one_each=True,
        counted_at=SERVER,
    ),
    Kind("data", "request_response", CLIENT, _data, "TcpExtTCPOrigDataSent"),
    Kind("retransmission by RTO", "timeout", CLIENT, _data_again, "TcpExtTCPTimeouts"),
    Kind("fast retransmit", "dropped_segment", CLIENT, _data_again, "TcpExtTCPFastRetrans"),
    Kind("TLP", "dropped_tail", CLIENT, _data_again, "TcpExtTCPLossProbes"),
    Kind("keepalive", "keepalive", CLIENT, _probes, "TcpExtTCPKeepAlive", is_one_each=True),
    Kind("window probe", "zero_window", CLIENT, _probes, "TcpExtTCPWinProbe", is_one_each=True),
    Kind("FIN", "handshakes", CLIENT, _fins, "closed", is_one_each=True),
    Kind("RST by linger", "resets", CLIENT, _resets, "TcpExtTCPAbortOnData", is_one_each=True),
    Kind("RST of unread data", "resets", SERVER, _resets, "TcpExtTCPAbortOnClose", is_one_each=True),
    Kind("RST of a closed port", "refused", SERVER, _resets, "TcpOutRsts", is_one_each=True),
    Kind("RST from TIME_WAIT", "time_wait_reset", CLIENT, _resets, "TcpOutRsts", is_one_each=True),
    Kind("TIME_WAIT ACK", "time_wait_ack", CLIENT, _answers_to_repeated_fins, "repeated"),
    Kind(
        "request-socket ACK",
        "requests",
        SERVER,
        _acks_without_a_socket,
        "acks",
        is_one_each=True,
        is_received=False,
    ),
    Kind("MPTCP subflow", "multipath", CLIENT, _of_second_subflow, "MPTcpExtMPJoinSynAckRx"),
    Kind("simultaneous open: SYN", "simultaneous_open", SERVER, _flags("SYN"), "TcpActiveOpens", is_one_each=True),
    Kind("simultaneous open: SYN-ACK", "simultaneous_open", CLIENT, _flags("SYN|ACK"), "crossed", is_one_each=True),
)
