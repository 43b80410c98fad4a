# SPDX-License-Identifier: GPL-2.0-only
"""The model of a report."""

import numpy as np
import pytest

from tcpio.output.report import FIGURES, figure, in_order, in_pieces, part_text, time_text
from tcpio.schema.bucket import parse_by
from tests.unit.sums import Row, make_closed, make_setting, make_sums


def test_buckets_are_in_the_order_of_their_ends() -> None:
    tuples = [
        "192.0.2.8 80 192.0.2.9 1",
        "192.0.2.8 80 192.0.2.40 1",
        "192.0.2.8 80 192.0.2.40 2",
        "192.0.2.8 443 192.0.2.9 1",
        "192.0.10.8 80 192.0.2.9 1",
        "2001:db8::8 80 2001:db8::9 1",
    ]
    rows = [Row(one) for one in tuples] + [Row(tuples[0], netns=0xFFFFFFFF)]
    shuffled = np.random.default_rng(3).permutation(len(rows))
    sums = make_sums(*(rows[at] for at in shuffled))

    assert [shuffled[at] for places in in_order(sums) for at in places] == list(range(len(rows)))


def test_pieces_are_whole_and_none_is_large() -> None:
    pieces = list(in_pieces(np.arange(10_000)))

    assert np.concatenate(pieces).tolist() == list(range(10_000))
    assert max(map(len, pieces)) == 4096
    assert list(in_pieces(np.arange(0))) == []


@pytest.mark.parametrize("text", ["raddr", "raddr/24", "raddr/64", "raddr/24/64", "raddr/32/24", "lport", "netns"])
def test_a_part_is_written_as_it_is_asked_for(text: str) -> None:
    parts = parse_by(text).parts

    assert parse_by(part_text(parts[0])).parts == parts
    assert part_text(parts[0]) == text


def test_the_namespace_tells_sockets_apart_but_not_groups() -> None:
    assert make_setting("tuple").names == ("laddr", "lport", "raddr", "rport", "netns")
    assert make_setting("netns,tuple").names == ("netns", "laddr", "lport", "raddr", "rport")
    assert make_setting("raddr").names == ("raddr",)


def test_the_figures_are_what_the_kernel_knows_of_a_life() -> None:
    assert {"lifetime_ns", "bytes_acked", "srtt_us", "min_rtt_us"} <= set(FIGURES)
    assert not {"laddr", "netns", "ts_ns"} & set(FIGURES)


def test_a_round_trip_that_was_not_measured_is_not_known() -> None:
    closed = make_closed(Row("192.0.2.8 80 192.0.2.40 51000"), min_rtt_us=0xFFFFFFFF, srtt_us=7)

    assert figure(closed, "min_rtt_us", np.array([0])).tolist() == [0]
    assert figure(closed, "srtt_us", np.array([0])).tolist() == [7]


def test_a_time_is_written_in_full() -> None:
    assert time_text(make_setting(), 1_700_000_000_123_456_789) == "2023-11-14T22:13:20.123456789+00:00"
