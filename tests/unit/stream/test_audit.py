# SPDX-License-Identifier: GPL-2.0-only
"""tcpio's counters beside the kernel's."""

import numpy as np

from tcpio.schema.counters import find_counters
from tcpio.stream.audit import Row, compare
from tests.unit.sums import key, make_sums

COUNTERS = find_counters("TcpInSegs,TcpRetransSegs")


def compared(buckets: int, other: int, least: int, most: int) -> Row:
    audit = compare(
        (key("TcpInSegs"),), np.array([buckets]), np.array([other]), {"TcpInSegs": least}, {"TcpInSegs": most}
    )
    return audit.rows[0]


def test_buckets_and_what_belongs_to_none_are_held_against_the_kernel() -> None:
    row = compared(buckets=40, other=2, least=42, most=42)

    assert (row.buckets, row.other, row.kernel, row.difference, row.slack) == (40, 2, 42, 0, 0)


def test_what_is_missing_is_the_difference() -> None:
    assert compared(40, 0, 42, 42).difference == 2
    assert compared(45, 0, 42, 42).difference == -3


def test_what_passed_while_the_kernel_was_read_is_no_difference() -> None:
    assert [compared(total, 0, 40, 45).difference for total in (39, 40, 43, 45, 46)] == [1, 0, 0, 0, -1]
    assert compared(43, 0, 40, 45).slack == 5


def test_a_gauge_may_go_down_while_it_is_read() -> None:
    row = compared(-3, 0, least=-2, most=-4)

    assert (row.difference, row.slack) == (0, 2)


def test_what_the_kernel_does_not_have_is_named() -> None:
    sums = make_sums(counters="SocketBytesSent,TcpInSegs")
    audit = compare(sums.counters, np.zeros(2, np.int64), sums.other, {"TcpInSegs": 0}, {"TcpInSegs": 0})

    assert [row.counter.key for row in audit.rows] == ["TcpInSegs"]
    assert [counter.key for counter in audit.without] == ["SocketBytesSent"]


def test_of_ip_the_kernel_counts_more_than_tcp() -> None:
    sums = make_sums(counters="IpInReceives,Ip6InReceives,TcpInSegs,TcpExtTW")
    counts = {counter.key: 7 for counter in sums.counters}
    audit = compare(sums.counters, np.zeros(4, np.int64), sums.other, counts, counts)

    assert [row.is_of_tcp for row in audit.rows] == [False, False, True, True]
