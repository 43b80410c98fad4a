# SPDX-License-Identifier: GPL-2.0-only
"""What is claimed of tcpio's output, held against recordings: see tests/live/recorder.py.

A test's argument says against which (tests/live/selection.py). The layer with VMs takes the same claims.

A kernel may skip a program now and then, and tcpio says how often, or that it cannot know (EndRecorded.may_miss). So
much may be missing, and no more; where nothing was skipped, nothing may. Never may there be a line too many.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from itertools import pairwise
from operator import sub

import pytest

from tcpio.schema.batch import Counted, Overload, parse_mark
from tcpio.schema.flags import FLAGS
from tcpio.schema.tally import Tally
from tests.live.kinds import CLIENT, KINDS, SERVER, Kind, repeated
from tests.live.links import MTU
from tests.live.overload import losses
from tests.live.recorded import EndRecorded, Recorded, by_flow, differences, made_by, scenario_of
from tests.live.recorder import ALL, MIDDLE
from tests.live.segments import RECEIVE, SEND, Segment
from tests.live.topologies import IPV4, IPV6, MAPPED, STRANGER, routed

_FLOOD = 300_000  # segments: fewer may show nothing of what the kernel skips
_IPV4_MOST = 0xFFFF  # bytes that IPv4's header can say
_FULL = (MTU - 52, MTU - 72)  # bytes of payload: less the headers of IPv4, of IPv6, and of TCP with timestamps
_HANDSHAKE = ("-> SYN", "<- SYN", "-> SYN|ACK", "<- SYN|ACK", "-> ACK", "<- ACK")
_STATES = {"SYN": "SYN_SENT", "SYN|ACK": "NEW_SYN_RECV", "PUSH|ACK": "ESTABLISHED"}
_OTHER_STATES = (
    "half_close",  # a program goes on after its peer closed: in CLOSE_WAIT
    "cookies",  # a SYN-ACK belongs to nobody
    "time_wait_reset",  # a program goes on as above
    "fast_open",  # a SYN-ACK belongs to a socket already, in SYN_RECV
    "simultaneous_open",  # a SYN-ACK belongs to the socket that has sent a SYN
)


def _hold(recorded: Recorded, find: Callable[[EndRecorded], object]) -> None:
    # Find what is wrong at each end.
    wrong = {end.side: found for end in recorded.ends if (found := find(end))}

    assert wrong == {}


def _header(segment: Segment) -> tuple[object, ...]:
    return (*segment.key, segment.seq, segment.ack, segment.win)


def _sent(segments: Iterable[Segment]) -> list[Segment]:
    return [segment for segment in segments if segment.key.dir == SEND]


def _received(segments: Iterable[Segment]) -> list[Segment]:
    return [segment for segment in segments if segment.key.dir == RECEIVE]


def _is_syn(segment: Segment) -> bool:
    flags = segment.key.flags.split("|")
    return "SYN" in flags and "ACK" not in flags


def _falls_short(end: EndRecorded, lines: int, expected: int) -> str:
    # Tell if there are fewer than expected, but for what may be missing, or more.
    return "" if lines <= expected <= lines + end.may_miss else f"{lines}, not {expected}: {end.said}"


# Against tcpdump: the same packets, seen by both at the same device.


def test_lines_are_the_packets_that_tcpdump_saw(single: Recorded) -> None:
    _hold(single, lambda end: differences([s.key for s in end.traced], [s.key for s in end.captured], end.may_miss))


def test_sequence_numbers_and_windows_are_those_of_the_packets(single: Recorded) -> None:
    _hold(single, lambda end: differences(map(_header, end.traced), map(_header, end.captured), end.may_miss))


def test_each_direction_of_a_connection_is_in_the_order_of_tcpdump(single: Recorded) -> None:
    def wrong(end: EndRecorded) -> list[object]:
        captured = {flow: iter([_header(s) for s in of]) for flow, of in by_flow(end.captured).items()}
        # What an iterator has passed does not come again: this looks for one sequence inside the other.
        return [
            flow
            for flow, of in by_flow(end.traced).items()
            if flow not in captured or not all(_header(s) in captured[flow] for s in of)
        ]

    _hold(single, wrong)


def test_payload_of_super_segments_adds_up_to_what_tcpdump_saw(big: Recorded) -> None:
    def payloads(segments: Iterable[Segment]) -> dict[object, int]:
        return {flow: sum(s.key.bytes for s in of) for flow, of in by_flow(segments).items()}

    def wrong(end: EndRecorded) -> dict[object, tuple[int, int]]:
        traced, captured = payloads(end.traced), payloads(end.captured)
        other = {f: (traced.get(f, 0), captured.get(f, 0)) for f in traced.keys() | captured.keys()}
        other = {flow: pair for flow, pair in other.items() if pair[0] != pair[1]}
        is_short = all(less < more for less, more in other.values())
        return {} if is_short and len(other) <= end.may_miss else other

    _hold(big, wrong)


def test_super_segments_are_as_large_as_those_that_tcpdump_saw(big: Recorded) -> None:
    def largest(segments: Iterable[Segment]) -> int:
        return max(s.key.bytes for s in segments)

    _hold(big, lambda end: largest(end.captured) > _IPV4_MOST >= largest(end.traced))
    _hold(big, lambda end: max(int(s.extra["segs"]) for s in _sent(end.traced)) == 1)


# Each kind of segment.


@pytest.mark.parametrize("family", [IPV4, IPV6, MAPPED])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_each_kind_of_segment_is_shown_once_by_each_end(of_kinds: Recorded, kind: Kind, family: str) -> None:
    made = of_kinds.made(kind.scenario, family)
    if made["lacking"]:
        pytest.skip(f"{kind.name}: {made['lacking']}")
    counted = {**made["counts"], **made["counted"][kind.counted_at or kind.side]}.get(kind.counter, 0)
    sender, receiver = of_kinds.end(kind.side), of_kinds.end(CLIENT if kind.side == SERVER else SERVER)
    captured = [made_by(sender.captured, kind.scenario, family, direction) for direction in (SEND, RECEIVE)]
    found = kind.find(*captured)

    assert counted > 0, f"there was none: {kind.counter} did not move"
    assert len(found) == counted if kind.is_one_each else found
    wanted = {_header(s) for s in found}
    assert _differ(sender, wanted, kind, family, SEND) == []
    if kind.is_received:
        assert _differ(receiver, {_as_received(header) for header in wanted}, kind, family, RECEIVE) == []


def _differ(end: EndRecorded, wanted: set[tuple[object, ...]], kind: Kind, family: str, direction: str) -> list[str]:
    # Between what was captured at an end and what was shown there, with the columns that no packet has.
    captured = made_by(end.captured, kind.scenario, family, direction)
    traced = made_by(end.traced, kind.scenario, family, direction)
    rtx = [_rtx(s, is_again=is_again) for s, is_again in zip(captured, repeated(captured), strict=True)]
    expected = [(_header(s), "1", rtx) for s, rtx in zip(captured, rtx, strict=True) if _header(s) in wanted]
    got = [(_header(s), s.extra["segs"], s.extra["rtx"]) for s in traced if _header(s) in wanted]
    return differences(got, expected, end.may_miss) if expected else ["it never came"]


def _rtx(segment: Segment, *, is_again: bool) -> str:
    if segment.key.dir == RECEIVE:
        return "-"
    # A request sends its SYN-ACK anew, and the kernel adds it to OutSegs each time.
    is_of_request = segment.key.flags.startswith("SYN|ACK") and scenario_of(segment.key) != "simultaneous_open"
    return str(int(is_again and not is_of_request))


def _as_received(header: tuple[object, ...]) -> tuple[object, ...]:
    _, laddr, lport, raddr, rport, *rest = header
    return (RECEIVE, raddr, rport, laddr, lport, *rest)


def test_retransmissions_are_what_the_packets_repeat(single: Recorded) -> None:
    def wrong(end: EndRecorded) -> list[str]:
        captured, expected = _sent(end.captured), []
        for segment, is_again in zip(captured, repeated(captured), strict=True):
            expected.append((_header(segment), _rtx(segment, is_again=is_again)))
        return differences([(_header(s), s.extra["rtx"]) for s in _sent(end.traced)], expected, end.may_miss)

    _hold(single, wrong)


def test_a_super_segment_is_as_many_segments_as_its_payload_fills(big: Recorded) -> None:
    # Of the traffic whose windows are wide: half of a narrow one limits the segments too.
    def wrong(end: EndRecorded) -> list[Segment]:
        lines = [s for s in end.traced if scenario_of(s.key) == "bulk" and s.key.bytes]
        return [s for s in lines if int(s.extra["segs"]) != math.ceil(s.key.bytes / _FULL[":" in s.key.laddr])]

    _hold(big, wrong)


# Times, and what must come before what.


def test_times_never_go_back(recorded: Recorded) -> None:
    _hold(recorded, lambda end: [pair for pair in pairwise(s.time_ns for s in end.traced) if pair[0] > pair[1]])


def test_no_segment_is_received_before_it_is_sent(on_loopback: Recorded) -> None:
    def wrong(end: EndRecorded) -> list[Segment]:
        under_way: Counter[object] = Counter()
        early = []
        for s in end.traced:
            ends = (s.key[1:3], s.key[3:5])
            packet = (ends if s.key.dir == SEND else ends[::-1], s.key.bytes, s.key.flags, s.seq, s.ack)
            under_way[packet] += 1 if s.key.dir == SEND else -1
            early += [s] if under_way[packet] < 0 else []
        return early if len(early) > end.may_miss else []

    _hold(on_loopback, wrong)


def test_a_handshake_reads_as_it_happened(on_loopback: Recorded) -> None:
    def wrong(end: EndRecorded) -> list[tuple[str, ...]]:
        lines: dict[object, list[str]] = {}
        for s in end.traced:
            if scenario_of(s.key) == "handshakes":
                lines.setdefault(frozenset((s.key[1:3], s.key[3:5])), []).append(f"{s.key.dir} {s.key.flags}")
        begun = [tuple(of[: len(_HANDSHAKE)]) for of in lines.values()]
        other = [lines for lines in begun if lines != _HANDSHAKE]
        return other if len(other) > end.may_miss else []

    _hold(on_loopback, wrong)


def test_what_is_only_passed_on_is_not_shown(with_middle: Recorded) -> None:
    shown = with_middle.beside(MIDDLE).traced
    if with_middle.is_device_view and with_middle.recording.topology is routed:
        # A device cannot know of what it receives whether IP will forward it; and the forged frames begin there.
        shown = [s for s in shown if s.key.dir == SEND and s.key.laddr not in STRANGER.values()]

    assert shown == []


def test_all_namespaces_together_are_each_of_them(watching_all: Recorded) -> None:
    # What else the machine does is not looked at.
    ends = {str(end.facts["netns"]) for end in watching_all.ends}
    together = watching_all.beside(ALL)
    shown = [(_header(s), *s.extra.values()) for s in together.traced if s.extra["netns"] in ends]
    expected = [(_header(s), *s.extra.values()) for end in watching_all.ends for s in end.traced]

    assert len(ends) == len(watching_all.ends) > 1
    assert differences(shown, expected, together.may_miss, may_exceed=watching_all.may_miss) == []


def test_what_is_dropped_on_output_tcp_has_sent_and_the_device_what_its_queue_drops(losing_output: Recorded) -> None:
    by_netfilter = losing_output.known("dropped").total()
    end = losing_output.end(CLIENT)
    counted = end.counted("TcpOutSegs") + end.counted("TcpRetransSegs")
    by_queue = counted - len(_sent(end.captured)) - by_netfilter
    seen = counted - by_netfilter if losing_output.is_device_view else counted

    assert min(by_netfilter, by_queue) > 0
    assert _falls_short(end, len(_sent(end.traced)), seen) == ""


@pytest.mark.parametrize("family", [IPV4, IPV6, MAPPED])
def test_damaged_segments_are_received_and_counted_as_the_kernel_does(of_kinds: Recorded, family: str) -> None:
    server, made = of_kinds.end(SERVER), of_kinds.made("bad_checksum", family)
    received = made_by(server.traced, "bad_checksum", family, RECEIVE)
    counted = made["counted"][SERVER]

    assert made["counts"]["damaged"] == counted["TcpInCsumErrors"] == counted["TcpInSegs"] > 0
    assert _falls_short(server, len(received), counted["TcpInSegs"]) == ""
    assert made_by(server.traced, "bad_checksum", family, SEND) == []


# Against the kernel's own counts, in a namespace where nothing else happened.


def _segs(segments: Iterable[Segment], rtx: str) -> int:
    return sum(int(segment.extra["segs"]) for segment in segments if segment.extra["rtx"] == rtx)


def _falls_short_in_segs(end: EndRecorded, segs: int, expected: int) -> str:
    # What was missed may have been a super-segment.
    return "" if segs != expected and 0 < segs < expected and end.may_miss else _falls_short(end, segs, expected)


def test_lines_received_are_in_segs(recorded: Recorded) -> None:
    # A device hands up what the network then takes away before TCP sees it.
    is_extra = recorded.recording.loses_behind_device and recorded.is_device_view
    dropped = sum(recorded.known("dropped").values()) if is_extra else 0

    _hold(recorded, lambda end: _falls_short(end, len(_received(end.traced)) - dropped, end.counted("TcpInSegs")))


def test_segments_sent_once_are_out_segs(recorded: Recorded) -> None:
    _hold(recorded, lambda end: _falls_short_in_segs(end, _segs(_sent(end.traced), "0"), end.counted("TcpOutSegs")))


def test_segments_sent_again_are_retrans_segs(recorded: Recorded) -> None:
    def wrong(end: EndRecorded) -> str:
        # A SYN-ACK that is sent again is in both counters, and is not marked.
        answers = Counter((s.key.flow, s.seq) for s in _sent(end.captured) if s.key.flags.startswith("SYN|ACK"))
        again = sum(answers.values()) - len(answers)
        # And the one that answers a SYN by him who has sent one is in neither, and is marked.
        crossed = recorded.known("crossed").total() if end.side == CLIENT else 0
        expected = end.counted("TcpRetransSegs") - again + crossed
        return _falls_short_in_segs(end, _segs(_sent(end.traced), "1"), expected)

    _hold(recorded, wrong)


def test_printed_lost_and_missed_are_all_that_the_kernel_counted(counted: Recorded) -> None:
    (end,) = counted.ends

    assert end.segments >= _FLOOD
    assert 0.9 * end.segments < end.seen <= end.segments, end.said
    if counted.is_device_view and counted.passed_by and end.seen < end.segments:
        pytest.xfail(
            f"tracepoints that the kernel did not run, nor counted: {end.segments - end.seen} of {end.segments}"
        )
    assert not end.is_countable or end.seen == end.segments, end.said


def test_resets_sent_are_out_rsts(recorded: Recorded) -> None:
    def resets(end: EndRecorded) -> int:
        return sum("RST" in s.key.flags for s in _sent(end.traced))

    _hold(recorded, lambda end: _falls_short(end, resets(end), end.counted("TcpOutRsts")))


def test_every_line_names_its_namespace(recorded: Recorded) -> None:
    _hold(recorded, lambda end: {s.extra["netns"] for s in end.traced} ^ {str(end.facts["netns"])})


# Of a tcpio that was stopped while much was sent.


def test_what_became_of_each_segment_is_told_though_the_rings_were_full(overloaded: Recorded) -> None:
    def wrong(end: EndRecorded) -> str:
        counts, total = end.counts, sum(end.counted(f"Tcp{name}") for name in ("InSegs", "OutSegs", "RetransSegs"))
        not_printed = counts["counted"] + counts["lost"]
        ends_well = end.facts["status"] == 0 and not_printed == counts["counted" if end.side == "summary" else "lost"]
        is_marked = sum(count for _, count in losses(end.output)) == not_printed > 0
        if not ends_well or not is_marked or len(end.traced) != counts["printed"]:
            return f"status {end.facts['status']}, {len(end.traced)} lines, marks {end.output.marks}: {end.said}"
        return _falls_short(end, counts["printed"] + not_printed, total)

    _hold(overloaded, wrong)


def test_what_was_lost_or_counted_is_told_where_it_is_missing(overloaded: Recorded) -> None:
    def wrong(end: EndRecorded) -> list[tuple[int, int, int]]:
        told = [sum(count for at, count in losses(end.output) if at <= place) for place in range(len(end.traced) + 1)]
        bounds = [_missing(end, direction) for direction in (SEND, RECEIVE)]
        least, most = ([sum(both) for both in zip(*of, strict=True)] for of in zip(*bounds, strict=True))
        of_places = zip(least, told, most, strict=True)
        return [of for of in of_places if not of[0] - end.may_miss <= of[1] <= of[2]]

    assert all(len(losses(end.output)) >= len(overloaded.recording.families) for end in overloaded.ends)
    _hold(overloaded, wrong)


def _missing(end: EndRecorded, direction: str) -> tuple[list[int], list[int]]:
    # How many captured segments of a direction are missing before each place among the lines, at least and at most:
    # between two lines of that direction they may be so before or behind a mark, or a line of the other direction.
    passed = [_header(s) for s in end.captured if s.key.dir == direction]
    least, most, at = [0], list[int](), 0
    for s in end.traced:
        missing = least[-1]
        if s.key.dir == direction:
            found = passed.index(_header(s), at)
            missing += found - at
            most += [missing] * (len(least) - len(most))
            at = found + 1
        least.append(missing)
    return least, most + [least[-1] + len(passed) - at] * (len(least) - len(most))


def test_every_flag_and_byte_is_in_a_line_or_in_a_count(overloaded: Recorded) -> None:
    end = overloaded.end("summary")
    marks = [parse_mark(mark.text, 0) for mark in end.output.marks]
    counts = [mark for mark in marks if isinstance(mark, Counted)]

    assert [type(mark) for mark in marks] == [Overload, Counted] * len(counts)
    for direction, counted in ((SEND, [c.sent for c in counts]), (RECEIVE, [c.received for c in counts])):
        passed, printed = ([s for s in of if s.key.dir == direction] for of in (end.captured, end.traced))
        left = reduce(sub, [_tally(printed), *counted], _tally(passed))
        assert left == Tally() if not end.may_miss else 0 <= left.segments <= end.may_miss


def _tally(segments: Sequence[Segment]) -> Tally:
    flags = [s.key.flags.split("|") for s in segments]
    return Tally(len(segments), sum(s.key.bytes for s in segments), tuple(sum(f in of for of in flags) for f in FLAGS))


# Against the program that made the traffic.


def test_payload_sent_for_the_first_time_is_what_the_program_sent(recorded: Recorded) -> None:
    first: Counter[object] = Counter()
    for end in recorded.ends:
        for s in _sent(end.traced):
            first[s.key.lport, s.key.rport] += s.key.bytes if s.extra["rtx"] == "0" else 0
    expected: Counter[object] = Counter()
    for _, known in recorded.connections:
        expected[known.cport, known.sport] += known.up
        expected[known.sport, known.cport] += known.down
    other = {ports: (first[ports], count) for ports, count in expected.items() if first[ports] != count}

    assert len(other) <= recorded.may_miss, other
    assert all(less < more for less, more in other.values()), other


def test_each_connection_and_nothing_else_begins_with_a_syn(recorded: Recorded) -> None:
    client = recorded.ends[0]
    begun = Counter(scenario_of(s.key) for s in _sent(client.traced) if _is_syn(s) and s.extra["rtx"] == "0")
    known = Counter(name for name, _ in recorded.connections) + recorded.known("refused") + recorded.known("subflows")

    assert begun <= known
    assert (known - begun).total() <= client.may_miss


def test_states_are_those_of_the_sending_socket(recorded: Recorded) -> None:
    def wrong(end: EndRecorded) -> set[tuple[str, str]]:
        pairs = {(s.key.flags, s.extra["state"]) for s in _sent(end.traced) if scenario_of(s.key) not in _OTHER_STATES}
        return {(flags, state) for flags, state in pairs if _STATES.get(flags, state) != state}

    _hold(recorded, wrong)


def test_what_is_received_has_neither_state_nor_retransmission(recorded: Recorded) -> None:
    _hold(recorded, lambda end: {(s.extra["state"], s.extra["rtx"]) for s in _received(end.traced)} - {("-", "-")})


# What tcpio says.


def test_tcpio_ends_well_and_says_how_much_it_printed(recorded: Recorded) -> None:
    def wrong(end: EndRecorded) -> str:
        ends_well = end.facts["status"] == 0 and (end.counts["printed"], end.counts["lost"]) == (len(end.traced), 0)
        return "" if ends_well else f"status {end.facts['status']}, {len(end.traced)} lines: {end.said}"

    _hold(recorded, wrong)


def test_tracing_is_by_the_rung_that_was_asked_for(recorded: Recorded) -> None:
    _hold(recorded, lambda end: "" if f"tracing by {recorded.facts['rung']} " in end.said else end.said)


def test_no_loss_is_marked(recorded: Recorded) -> None:
    _hold(recorded, lambda end: end.output.marks)
