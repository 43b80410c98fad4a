# SPDX-License-Identifier: GPL-2.0-only
"""Sums of fewer sockets, by fewer parts, or since an earlier reading."""

import ipaddress
from collections import Counter

import numpy as np
import pytest

from tcpio.filter.ast import ALWAYS
from tcpio.filter.parse import parse_filter, to_expr
from tcpio.schema.address import to_text
from tcpio.schema.bucket import parse_by
from tcpio.schema.sums import Sums
from tcpio.stream.fold import Deltas, choose, choose_closed, fold
from tests.unit.sums import Row, make_closed, make_sums

HTTP = Row("192.0.2.8 80 192.0.2.40 51000", {"TcpInSegs": 5, "TcpOutSegs": 3})
HTTPS = Row("192.0.2.8 443 192.0.2.41 51000", {"TcpInSegs": 7})
IPV6 = Row("2001:db8::8 80 2001:db8::40 51000", {"TcpInSegs": 11})
LISTENER = Row("192.0.2.8 80 - -", {"TcpInSegs": 13})
ALL = (HTTP, HTTPS, IPV6, LISTENER)


def counted(sums: Sums, name: str = "TcpInSegs") -> dict[tuple[str, int, str, int], int]:
    column = [counter.key for counter in sums.counters].index(name)
    return {
        (to_text(one["laddr"].tobytes()), int(one["lport"]), to_text(one["raddr"].tobytes()), int(one["rport"])): value
        for one, value in zip(sums.buckets, sums.values[:, column].tolist(), strict=True)
    }


def test_only_what_a_filter_wants_is_left() -> None:
    wanted = to_expr([parse_filter("*:80-192.0.2.0/24:*")])

    assert counted(choose(make_sums(*ALL), wanted)) == {("192.0.2.8", 80, "192.0.2.40", 51000): 5}


def test_without_a_filter_all_is_left() -> None:
    sums = make_sums(*ALL)

    assert choose(sums, ALWAYS) is sums
    assert choose_closed(make_closed(HTTP), ALWAYS).sockets["lport"].tolist() == [80]


@pytest.mark.parametrize("extra", [1, 40])
def test_so_it_is_of_sockets_that_closed_for_few_filters_and_for_many(extra: int) -> None:
    wanted = to_expr([parse_filter(text) for text in ["*:443-*:*", *(f"*:{port}-*:*" for port in range(1, extra))]])
    closed = choose_closed(make_closed(*ALL), wanted)

    assert closed.sockets["lport"].tolist() == [443]
    assert len(closed.values) == 1


def test_what_belongs_to_no_socket_is_not_wanted_by_a_filter_that_names_one() -> None:
    sums = make_sums(HTTP, other={"TcpInSegs": 4})

    assert not choose(sums, to_expr([parse_filter("*:80-*:*")])).other.any()
    assert choose(sums, to_expr([parse_filter("!*:80-*:*")])).other.sum() == 4


def test_what_found_no_room_may_be_wanted() -> None:
    sums = make_sums(HTTP, other={"TcpInSegs": 4}, overflowed=2)

    assert choose(sums, to_expr([parse_filter("*:80-*:*")])).other.sum() == 4


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("tuple", 4),
        ("lport", {("::", 80, "::", 0): 29, ("::", 443, "::", 0): 7}),
        ("raddr/24", {("::", 0, "192.0.2.0", 0): 12, ("::", 0, "2001:db8::40", 0): 11, ("::", 0, "::", 0): 13}),
        ("laddr/8/32", {("192.0.0.0", 0, "::", 0): 25, ("2001:db8::", 0, "::", 0): 11}),
        ("lport,rport", {("::", 80, "::", 51000): 16, ("::", 443, "::", 51000): 7, ("::", 80, "::", 0): 13}),
    ],
)
def test_buckets_with_the_same_parts_are_added_up(by: str, expected: object) -> None:
    found = counted(fold(make_sums(*ALL), parse_by(by)))

    assert (len(found) if isinstance(expected, int) else found) == expected


def test_sockets_of_two_namespaces_stay_apart_but_groups_do_not() -> None:
    twice = make_sums(HTTP, Row(HTTP.tuple, HTTP.counts, netns=7))

    assert len(fold(twice, parse_by("tuple")).buckets) == 2
    assert counted(fold(twice, parse_by("raddr"))) == {("::", 0, "192.0.2.40", 0): 10}
    assert sorted(fold(twice, parse_by("netns")).buckets["netns"].tolist()) == sorted([7, HTTP.netns])


def test_folding_agrees_with_python_s_own_networks() -> None:
    random = np.random.default_rng(1)
    hosts = [f"10.{a}.{b}.{c}" for a, b, c in random.integers(0, 4, (500, 3)).tolist()]
    hosts += [f"2001:db8:{a:x}:{b:x}::{c + 1:x}" for a, b, c in random.integers(0, 4, (500, 3)).tolist()]
    counts = random.integers(-9, 1 << 40, len(hosts)).tolist()
    expected: Counter[str] = Counter()
    for host, count in zip(hosts, counts, strict=True):
        network = ipaddress.ip_network((host, 23 if "." in host else 49), strict=False)
        expected[str(network.network_address)] += count
    rows = [Row(f"- - {host} -", {"TcpInSegs": n}) for host, n in zip(hosts, counts, strict=True)]
    found = counted(fold(make_sums(*rows), parse_by("raddr/23/49")))

    assert {raddr: count for (_, _, raddr, _), count in found.items()} == expected


def test_nothing_folds_to_nothing() -> None:
    assert len(fold(make_sums(), parse_by("raddr")).buckets) == 0


def test_the_first_difference_is_all() -> None:
    assert counted(Deltas().take(make_sums(HTTP, HTTPS))) == counted(make_sums(HTTP, HTTPS))


def test_a_difference_has_what_moved_and_what_is_new() -> None:
    deltas = Deltas()
    deltas.take(make_sums(HTTP, HTTPS, other={"TcpInSegs": 2}, overflowed=1))
    more = Row(HTTP.tuple, {"TcpInSegs": 9, "TcpOutSegs": 2})
    found = deltas.take(make_sums(IPV6, HTTPS, more, other={"TcpInSegs": 5}, overflowed=4))

    assert counted(found) == {
        ("192.0.2.8", 80, "192.0.2.40", 51000): 4,
        ("2001:db8::8", 80, "2001:db8::40", 51000): 11,
    }
    assert counted(found, "TcpOutSegs")["192.0.2.8", 80, "192.0.2.40", 51000] == -1
    assert (found.other.sum(), found.overflowed) == (3, 3)


def test_what_has_gone_is_not_in_a_difference() -> None:
    deltas = Deltas()
    deltas.take(make_sums(HTTP, HTTPS))

    assert counted(deltas.take(make_sums(HTTPS))) == {}
    assert counted(deltas.take(make_sums())) == {}
