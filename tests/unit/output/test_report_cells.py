# SPDX-License-Identifier: GPL-2.0-only
"""Parts of buckets and their counters as cells."""

import numpy as np

from tcpio.output.cells import Cells, constant
from tcpio.output.report_cells import end_cells, integers, is_ipv4, is_known, labelled, masked, part_cells
from tcpio.schema.bucket import Part
from tests.unit.sums import Row, make_buckets

BUCKETS = make_buckets(
    [
        Row("192.0.2.8 80 192.0.2.40 51000"),
        Row("2001:db8::8 80 2001:db8::40 51000"),
        Row("0.0.0.0 80 - -"),
        Row("- - - -", netns=0),
    ]
)


def texts(*parts: Cells) -> list[str]:
    joined = np.concatenate(parts, axis=1)
    return [row.tobytes().replace(b"\0", b"").decode() for row in joined]


def test_only_the_rows_that_are_meant_have_text() -> None:
    cells = constant("x", 3)

    assert texts(masked(cells, np.array([True, False, True]))) == ["x", "", "x"]
    assert texts(masked(cells, np.ones(3, np.bool_))) == ["x"] * 3
    assert masked(cells, np.zeros(3, np.bool_)).shape == (3, 0)


def test_numbers_may_be_negative() -> None:
    values = [0, 7, -7, 10**18, -(10**18), -1]

    assert texts(integers(np.array(values))) == [str(value) for value in values]


def test_zeros_are_left_out_unless_they_are_wanted() -> None:
    values = np.array([0, 3])

    assert texts(*labelled("a=", values, ";", has_zeros=False)) == ["", "a=3;"]
    assert texts(*labelled("a=", values, ";", has_zeros=True)) == ["a=0;", "a=3;"]
    assert labelled("a=", np.zeros(2, np.int64), ";", has_zeros=False) == []


def test_an_end_has_ipv6_in_brackets() -> None:
    assert texts(*end_cells("laddr", "lport", BUCKETS)) == ["192.0.2.8:80", "[2001:db8::8]:80", "0.0.0.0:80", "[::]:0"]


def test_a_part_that_is_a_network_has_its_length() -> None:
    assert texts(part_cells(Part("laddr", 24, 64), BUCKETS)) == [
        "192.0.2.8/24",
        "2001:db8::8/64",
        "0.0.0.0/24",
        "::/64",
    ]
    assert texts(part_cells(Part("laddr"), BUCKETS))[:2] == ["192.0.2.8", "2001:db8::8"]
    assert texts(part_cells(Part("rport"), BUCKETS)) == ["51000", "51000", "0", "0"]


def test_what_is_not_known_is_zero() -> None:
    assert is_known(BUCKETS, "laddr").tolist() == [True, True, True, False]
    assert is_known(BUCKETS, "raddr").tolist() == [True, True, False, False]
    assert is_known(BUCKETS, "rport").tolist() == [True, True, False, False]


def test_no_address_is_not_ipv4() -> None:
    assert is_ipv4(BUCKETS, "laddr").tolist() == [True, False, True, False]
