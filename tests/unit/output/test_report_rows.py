# SPDX-License-Identifier: GPL-2.0-only
"""Reports as JSON Lines and as CSV, read back by Python's own readers."""

import csv
import json
from typing import Any

import numpy as np

from tcpio.filter.parse import parse_filter
from tcpio.output.report import FIGURES, Report, Setting
from tcpio.output.report_rows import CsvReport, JsonReport
from tcpio.schema.sums import Closed, Sums
from tcpio.stream.audit import Audit
from tcpio.stream.audit import Row as AuditRow
from tests.unit.sums import NETNS, Row, key, make_closed, make_setting, make_sums

TIME_NS = 1_700_000_000_000_000_000
TIME = "2023-11-14T22:13:20.000000000+00:00"
HTTP = Row("192.0.2.8 80 192.0.2.40 51000", {"TcpInSegs": 6, "TcpCurrEstab": -1})
IPV6 = Row("2001:db8::8 80 2001:db8::40 51000", {"TcpInSegs": 7})
SOCKET = {"laddr": "192.0.2.8", "lport": 80, "raddr": "192.0.2.40", "rport": 51000, "netns": NETNS}
COUNTERS = "TcpCurrEstab,TcpInSegs,TcpOutSegs"


def objects(setting: Setting, sums: Sums, **rest: object) -> list[dict[str, Any]]:
    report = Report(sums, TIME_NS, 5.0, **rest)  # type: ignore[arg-type]  # given by name
    made = JsonReport(setting)
    return [json.loads(line) for line in (made.begin() + b"".join(made.report(report)) + made.end()).splitlines()]


def rows(setting: Setting, sums: Sums, **rest: object) -> list[dict[str, str]]:
    report = Report(sums, TIME_NS, 5.0, **rest)  # type: ignore[arg-type]  # given by name
    made = CsvReport(setting)
    return list(csv.DictReader((made.begin() + b"".join(made.report(report)) + made.end()).decode().splitlines()))


def test_the_first_object_says_what_is_counted_and_what_is_not() -> None:
    doubts = {key("TcpInSegs"): "seen at the device", key("TcpInErrs"): "not to be seen here"}
    setting = make_setting(
        "raddr/24", COUNTERS, doubts=doubts, filters=[parse_filter("*:80-*:*")], where="network namespace 7"
    )

    assert objects(setting, make_sums(counters=COUNTERS)) == [
        {
            "kind": "about",
            "by": ["raddr/24"],
            "filters": ["*:80-*:*"],
            "where": "network namespace 7",
            "inexact": {"TcpInSegs": "seen at the device"},
            "not_counted": {"TcpInErrs": "not to be seen here"},
        }
    ]


def test_an_object_has_the_parts_and_what_is_not_zero() -> None:
    _, http, ipv6 = objects(make_setting(counters=COUNTERS), make_sums(IPV6, HTTP, counters=COUNTERS))

    assert http == {"kind": "bucket", "time": TIME, "seconds": 5.0, **SOCKET, "TcpCurrEstab": -1, "TcpInSegs": 6}
    assert (ipv6["laddr"], ipv6["raddr"], ipv6["TcpInSegs"]) == ("2001:db8::8", "2001:db8::40", 7)


def test_zeros_are_there_when_asked_for() -> None:
    setting = make_setting(counters=COUNTERS, has_zeros=True)
    _, http, other = objects(setting, make_sums(HTTP, counters=COUNTERS))

    assert http["TcpOutSegs"] == 0
    assert {name: other[name] for name in ("kind", "TcpCurrEstab", "TcpInSegs", "TcpOutSegs", "overflowed")} == {
        "kind": "other",
        "TcpCurrEstab": 0,
        "TcpInSegs": 0,
        "TcpOutSegs": 0,
        "overflowed": 0,
    }


def test_only_the_parts_that_were_asked_for_are_there() -> None:
    row = Row("- - 192.0.2.0 443", {"TcpInSegs": 1}, netns=0)
    one = objects(make_setting("rport,raddr/24", COUNTERS), make_sums(row, counters=COUNTERS))[1]

    assert one == {
        "kind": "bucket", "time": TIME, "seconds": 5.0, "rport": 443, "raddr": "192.0.2.0/24", "TcpInSegs": 1
    }  # fmt: skip


def test_what_is_not_exact_is_marked_in_its_name() -> None:
    setting = make_setting(counters=COUNTERS, doubts={key("TcpInSegs"): "seen at the device"})
    sums = make_sums(HTTP, counters=COUNTERS, other={"TcpInSegs": 3})

    assert [one["~TcpInSegs"] for one in objects(setting, sums)[1:]] == [6, 3]
    assert [one["~TcpInSegs"] for one in rows(setting, sums)] == ["6", "3"]


def test_what_belongs_to_no_socket_follows() -> None:
    audit = Audit((AuditRow(key("TcpInSegs"), 6, 3, 10, 0),), ())
    sums = make_sums(HTTP, counters=COUNTERS, other={"TcpInSegs": 3}, overflowed=2)
    host = {key("IpReasmReqds"): 4, key("IpReasmOKs"): 0}
    found = objects(make_setting(counters=COUNTERS, host=tuple(host)), sums, host=host, audit=audit)[2:]

    assert [one.pop("time") for one in found] == [TIME] * 4
    assert [one.pop("seconds") for one in found] == [5.0] * 4
    assert found == [
        {"kind": "other", "TcpInSegs": 3, "overflowed": 2},
        {"kind": "host", "IpReasmReqds": 4},
        {"kind": "kernel", "TcpInSegs": 10},
        {"kind": "difference", "TcpInSegs": 1},
    ]


def test_what_may_be_lacking_is_told() -> None:
    found = objects(make_setting(counters=COUNTERS), make_sums(counters=COUNTERS), lacking={key("TcpInSegs"): 3})

    assert found[-1] == {"kind": "lacking", "time": TIME, "seconds": 5.0, "TcpInSegs": 3}


def test_rows_have_all_columns() -> None:
    audit = Audit((AuditRow(key("TcpInSegs"), 6, 3, 10, 0),), ())
    sums = make_sums(HTTP, counters=COUNTERS, other={"TcpInSegs": 3}, overflowed=2)
    host = {key("IpReasmReqds"): 4}
    found = rows(make_setting(counters=COUNTERS, host=tuple(host)), sums, host=host, audit=audit)
    ends = {name: str(value) for name, value in SOCKET.items()}
    nothing = dict.fromkeys([*SOCKET, "TcpCurrEstab", "TcpInSegs", "TcpOutSegs", "IpReasmReqds", "overflowed"], "")
    common = {"time": TIME, "seconds": "5.000", **nothing}

    assert found == [
        {**common, "kind": "bucket", **ends, "TcpCurrEstab": "-1", "TcpInSegs": "6", "TcpOutSegs": "0"},
        {**common, "kind": "other", "TcpInSegs": "3", "overflowed": "2"},
        {**common, "kind": "host", "IpReasmReqds": "4"},
        {**common, "kind": "kernel", "TcpInSegs": "10"},
        {**common, "kind": "difference", "TcpInSegs": "1"},
    ]


def closed() -> Closed:
    return make_closed(HTTP, IPV6, counters=COUNTERS, lifetime_ns=5, bytes_acked=188, srtt_us=40, min_rtt_us=0xFFFFFFFF)


def test_an_object_of_a_socket_that_closed_has_its_time_and_the_figures() -> None:
    times = np.array([TIME_NS, TIME_NS + 1], np.uint64)
    pieces = JsonReport(make_setting(counters=COUNTERS, is_on_close=True)).closed(closed(), times)
    one, other = (json.loads(line) for line in b"".join(pieces).splitlines())

    assert one == {
        "kind": "closed", "time": TIME, **SOCKET, "lifetime_ns": 5, "bytes_acked": 188, "srtt_us": 40,
        "TcpCurrEstab": -1, "TcpInSegs": 6
    }  # fmt: skip
    assert (other["time"], other["laddr"]) == ("2023-11-14T22:13:20.000000001+00:00", "2001:db8::8")


def test_a_row_of_a_socket_that_closed_has_columns_of_its_own() -> None:
    made = CsvReport(make_setting(counters=COUNTERS, is_on_close=True))
    text = made.begin() + b"".join(made.closed(closed(), np.array([TIME_NS, TIME_NS], np.uint64)))
    one = next(csv.DictReader(text.decode().splitlines()))

    assert set(FIGURES) <= set(one)
    assert (one["kind"], one["seconds"], one["lifetime_ns"], one["min_rtt_us"]) == ("closed", "", "5", "0")
    assert (one["TcpInSegs"], one["overflowed"]) == ("6", "")


def test_both_say_the_same_of_many_buckets() -> None:
    random = np.random.default_rng(4)
    many = [
        Row(f"192.0.2.8 80 10.0.{at >> 8}.{at & 255} 9", {"TcpInSegs": int(n), "TcpOutSegs": -int(n)})
        for at, n in enumerate(random.integers(-(1 << 50), 1 << 50, 5000))
    ]
    setting, sums = make_setting(counters=COUNTERS, has_zeros=True), make_sums(*many, counters=COUNTERS)
    from_json = [one for one in objects(setting, sums) if one["kind"] == "bucket"]
    from_csv = [one for one in rows(setting, sums) if one["kind"] == "bucket"]

    assert [one["TcpInSegs"] for one in from_json] == [row.counts["TcpInSegs"] for row in many]
    assert [(one["raddr"], str(one["TcpOutSegs"])) for one in from_json] == [
        (one["raddr"], one["TcpOutSegs"]) for one in from_csv
    ]
