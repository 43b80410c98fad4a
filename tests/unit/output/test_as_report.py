# SPDX-License-Identifier: GPL-2.0-only
"""The report as tcpipstat.stp printed it."""

from collections.abc import Mapping

import numpy as np
import pytest

from tcpio.filter.parse import parse_filter
from tcpio.output.as_report import TextReport
from tcpio.output.report import Report, Setting
from tcpio.schema.sums import Sums
from tcpio.stream.audit import Audit
from tcpio.stream.audit import Row as AuditRow
from tests.unit.sums import Row, key, make_closed, make_setting, make_sums

TIME_NS = 1_700_000_000_000_000_000
RULE = "-----------------------------------------"
HTTP = Row("192.0.2.8 80 192.0.2.40 51000", {"SocketBytesSent": 187, "TcpInSegs": 6, "TcpCurrEstab": -1})
COUNTERS = "Socket,Ip,Tcp,TcpExt"


def shown(setting: Setting, sums: Sums, **rest: object) -> str:
    report = Report(sums, TIME_NS, 5.0, **rest)  # type: ignore[arg-type]  # given by name
    return b"".join(TextReport(setting).report(report)).decode()


def test_a_socket_is_shown_as_tcpipstat_did() -> None:
    assert shown(make_setting(counters=COUNTERS), make_sums(HTTP, counters=COUNTERS)) == (
        f"\n{RULE}\n192.0.2.8:80 <-> 192.0.2.40:51000\n{RULE}\n"
        "Socket:\n\tBytes Sent = 187\n"
        "Ip:\n"
        "Tcp:\n\tCurrEstab = -1\n\tInSegs = 6\n"
        "TcpExt:\n\n\n"
    )


def test_its_labels_are_tcpipstat_s() -> None:
    names = ["SocketBytesSent", "SocketMessagesSent", "SocketBytesReceived", "SocketMessagesReceived"]
    names += ["TcpExtDelayedACKs", "TcpExtListenOverflows", "TcpExtListenDrops", "TcpExtTCPMemoryPressures"]
    row = Row(HTTP.tuple, dict.fromkeys(names, 1))
    lines = shown(make_setting(counters="Socket,TcpExt"), make_sums(row, counters="Socket,TcpExt")).splitlines()

    assert [line for line in lines if line.startswith("\t")] == [
        "\tBytes Sent = 1",
        "\tMessages sent = 1",
        "\tBytes Received = 1",
        "\tMessages Received = 1",
        "\tdelayed acks sent = 1",
        "\ttimes the listen queue of a socket overflowed = 1",
        "\tSYNs to LISTEN sockets ignored = 1",
        "\ttcp memory pressure = 1",
    ]


@pytest.mark.parametrize(
    ("by", "row", "title"),
    [
        ("tuple", "2001:db8::8 80 2001:db8::40 51000", "[2001:db8::8]:80 <-> [2001:db8::40]:51000"),
        ("tuple", "192.0.2.8 80 - -", "Local address: 192.0.2.8\nLocal port: 80"),
        ("laddr", "192.0.2.8 - - -", "Local address: 192.0.2.8"),
        ("raddr", "- - 192.0.2.40 -", "Remote address: 192.0.2.40"),
        ("lport", "- 65535 - -", "Local port: 65535"),
        ("rport", "- - - 443", "Remote port: 443"),
        ("raddr/24", "- - 192.0.2.0 -", "Remote address: 192.0.2.0/24"),
        ("rport,laddr", "192.0.2.8 - - 443", "Remote port: 443\nLocal address: 192.0.2.8"),
        ("netns,lport", "- 80 - -", "Network namespace: 4026531833\nLocal port: 80"),
        (
            "tuple,netns",
            "192.0.2.8 80 192.0.2.40 51000",
            "192.0.2.8:80 <-> 192.0.2.40:51000\nNetwork namespace: 4026531833",
        ),
    ],
)
def test_a_bucket_is_called_by_its_parts(by: str, row: str, title: str) -> None:
    text = shown(make_setting(by), make_sums(Row(row, {"TcpInSegs": 1})))

    assert f"\n{RULE}\n{title}\n{RULE}\n" in text


def test_zeros_are_shown_when_asked_for() -> None:
    text = shown(
        make_setting(counters="TcpInSegs,TcpOutSegs", has_zeros=True), make_sums(HTTP, counters="TcpInSegs,TcpOutSegs")
    )

    assert "Tcp:\n\tInSegs = 6\n\tOutSegs = 0\n" in text


def test_a_block_that_tcpipstat_did_not_have_is_there_if_something_is_in_it() -> None:
    rows = [Row("2001:db8::8 80 2001:db8::40 51000", {"Ip6InReceives": 3}), HTTP]
    text = shown(make_setting(counters="Ip6,Tcp"), make_sums(*rows, counters="Ip6,Tcp"))

    assert text.count("Ip6:\n") == 1
    assert "Ip6:\n\tInReceives = 3\nTcp:\n" in text


def test_what_is_not_exact_is_marked_and_the_reasons_are_given_last() -> None:
    doubts = {key("TcpInSegs"): "seen at the device", key("TcpInErrs"): "not to be seen here"}
    doubts[key("TcpExtTW")] = doubts[key("TcpInErrs")]
    setting = make_setting(counters="TcpInSegs,TcpOutSegs", doubts=doubts)

    assert "\tInSegs = ~6\n" in shown(setting, make_sums(HTTP, counters="TcpInSegs,TcpOutSegs"))
    assert TextReport(setting).end() == (
        b"Not exact (~): seen at the device: TcpInSegs\nNot counted: not to be seen here: TcpInErrs TcpExtTW\n"
    )


def test_what_may_be_lacking_is_told() -> None:
    text = shown(make_setting(), make_sums(HTTP), lacking={key("TcpOutSegs"): 3, key("TcpExtTCPDelivered"): 2})

    assert text.endswith(
        "Missed: the kernel did not run a program; what may lack at most so many: TcpOutSegs 3, TcpExtTCPDelivered 2\n"
    )


@pytest.mark.parametrize(
    ("filters", "lines"),
    [
        ((), ["Processed filter #1 = *[0x0]:* --> *[0x0]:* "]),
        (("*.*.*.*:80-*.*.*.*:*",), ["Processed filter #1 = 0.0.0.0[0x0]:80 --> 0.0.0.0[0x0]:* "]),
        (
            ("*:*-9.*.*.*:65535", "!192.0.2.8:1..9-*:*"),
            [
                "Processed filter #1 = *[0x0]:* --> 9.0.0.0[0xff000000]:65535 ",
                "Processed filter #2 = !192.0.2.8[0xffffffff]:1..9 --> *[0x0]:* ",
            ],
        ),
        (
            ("*:*-[2001:db8::/32]:443",),
            ["Processed filter #1 = *[0x0]:* --> [2001:db8::][0xffffffff000000000000000000000000]:443 "],
        ),
    ],
)
def test_it_begins_with_the_index_and_the_filters(filters: tuple[str, ...], lines: list[str]) -> None:
    setting = make_setting(filters=[parse_filter(text) for text in filters])

    assert TextReport(setting).begin().decode().splitlines() == ["Indexing collected stats using tuple values", *lines]


def test_a_list_of_parts_is_named_as_it_was_asked_for() -> None:
    assert (
        TextReport(make_setting("laddr,raddr/24"))
        .begin()
        .startswith(b"Indexing collected stats using laddr,raddr/24 values\n")
    )


def test_when_nothing_was_counted_it_says_so() -> None:
    assert shown(make_setting(), make_sums()) == "\nNo packets were accepted by the filters.\n"
    assert shown(make_setting(is_on_close=True), make_sums()) == ""


def test_what_belongs_to_no_socket_has_a_report_of_its_own() -> None:
    text = shown(make_setting(), make_sums(HTTP, other={"TcpOutRsts": 2}))

    assert text.endswith(f"\n{RULE}\nOther: what belongs to no socket\n{RULE}\nTcp:\n\tOutRsts = 2\n\n\n")


def test_what_came_after_the_end_of_a_socket_is_said_to_be_there() -> None:
    text = shown(make_setting(is_on_close=True), make_sums(other={"TcpInSegs": 2}))

    assert "\nOther: what belongs to no socket, or came after its end\n" in text


def test_what_found_no_room_is_said_there() -> None:
    text = shown(make_setting(), make_sums(HTTP, other={"TcpInSegs": 2}, overflowed=9))

    assert (
        "\nOther: what belongs to no socket, and what found no room for its bucket (9 times): see --max-buckets\n"
        in text
    )


@pytest.mark.parametrize(
    ("host", "has_zeros", "expected"),
    [
        ({"IpReasmReqds": 0}, False, ""),
        ({"IpReasmReqds": 0}, True, "Ip:\n\tReasmReqds = 0\n"),
        ({"IpReasmReqds": 3, "IpExtInNoRoutes": 1}, False, "Ip:\n\tReasmReqds = 3\n\tInNoRoutes = 1\n"),
    ],
)
def test_the_kernel_s_own_counters_are_said_to_be_so(
    host: Mapping[str, int],
    has_zeros: bool,  # noqa: FBT001
    expected: str,
) -> None:
    setting = make_setting(counters="TcpInSegs", has_zeros=has_zeros, where="network namespace 7")
    text = shown(setting, make_sums(HTTP, counters="TcpInSegs"), host={key(name): n for name, n in host.items()})
    title = f"\n{RULE}\nnetwork namespace 7: the kernel's own counters, of all protocols\n{RULE}\n"

    assert text.endswith(f"{title}{expected}\n\n") if expected else title not in text


def test_an_interval_begins_with_its_time() -> None:
    text = shown(make_setting(), make_sums(HTTP), span="the last")

    assert text.startswith(f"\n{'=' * 41}\n2023-11-14T22:13:20.000000000+00:00: the last 5.000 s\n{'=' * 41}\n")


def test_a_socket_that_closed_has_the_kernel_s_figures() -> None:
    closed = make_closed(HTTP, counters="TcpInSegs", lifetime_ns=7, bytes_acked=188, min_rtt_us=0xFFFFFFFF)
    pieces = TextReport(make_setting(counters="TcpInSegs")).closed(closed, np.array([TIME_NS], np.uint64))

    assert b"".join(pieces).decode() == (
        f"\n{RULE}\n192.0.2.8:80 <-> 192.0.2.40:51000\n{RULE}\nTcp:\n\tInSegs = 6\n"
        "At close:\n\ttime = 2023-11-14T22:13:20.000000000+00:00\n\tlifetime_ns = 7\n\tbytes_acked = 188\n\n\n"
    )


def test_a_socket_whose_beginning_was_not_seen_says_so() -> None:
    closed = make_closed(HTTP, lifetime_ns=0)
    pieces = TextReport(make_setting()).closed(closed, np.array([TIME_NS], np.uint64))

    assert (
        f"192.0.2.8:80 <-> 192.0.2.40:51000\nStats were not collected for the entire socket life.\n{RULE}\n"
        in b"".join(pieces).decode()
    )


def test_an_audit_is_a_table_with_a_verdict() -> None:
    rows = (
        AuditRow(key("TcpInSegs"), 40, 2, 42, 0),
        AuditRow(key("TcpOutSegs"), 40, 0, 41, 3),
        AuditRow(key("IpInReceives"), 40, 0, 50, 0),
    )
    text = shown(make_setting(), make_sums(HTTP), audit=Audit(rows, (key("SocketBytesSent"),)))
    lines = text.partition(f"{RULE}\nAudit: the kernel's own counters of all network namespaces\n{RULE}\n")[
        2
    ].splitlines()

    assert [line.split() for line in lines[:3]] == [
        ["counter", "buckets", "other", "kernel", "difference"],
        ["TcpInSegs", "40", "2", "42", "0"],
        ["TcpOutSegs", "40", "0", "41", "1", *["(it", "counted", "3", "while", "it", "was", "read)"]],
    ]
    assert lines[3].endswith("(the kernel counts all protocols)")
    assert lines[4] == "1 of 2 counters of TCP are equal to the kernel's; it has no SocketBytesSent."


def test_an_audit_of_a_namespace_that_has_gone_says_so() -> None:
    text = shown(make_setting(), make_sums(HTTP), audit=Audit((), ()))

    assert text.endswith("\nAudit: the kernel's own counters of all network namespaces are gone.\n")


def test_many_buckets_are_all_shown_in_order() -> None:
    rows = [Row(f"192.0.2.8 80 10.0.{at >> 8}.{at & 255} 9", {"TcpInSegs": at + 1}) for at in range(9000)]
    lines = shown(make_setting(), make_sums(*rows)).splitlines()

    assert [line for line in lines if "<->" in line] == [
        f"192.0.2.8:80 <-> 10.0.{at >> 8}.{at & 255}:9" for at in range(9000)
    ]
    assert [line for line in lines if "InSegs" in line] == [f"\tInSegs = {at + 1}" for at in range(9000)]
