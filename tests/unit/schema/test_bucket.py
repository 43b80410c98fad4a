# SPDX-License-Identifier: GPL-2.0-only
"""Buckets, and what makes them."""

import pytest

from tcpio.errors import UsageError
from tcpio.schema.bucket import BUCKET, CLOSED, By, Part, parse_by


def test_a_closed_socket_begins_as_its_bucket() -> None:
    assert [(name, BUCKET.fields[name]) for name in BUCKET.names or () if BUCKET.fields] == [
        (name, CLOSED.fields[name]) for name in (CLOSED.names or ())[:5] if CLOSED.fields
    ]
    assert (BUCKET.itemsize, CLOSED.itemsize) == (40, 104)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("tuple", (Part("laddr"), Part("lport"), Part("raddr"), Part("rport"))),
        ("laddr,rport", (Part("laddr"), Part("rport"))),
        ("raddr/24", (Part("raddr", 24, 128),)),
        ("raddr/64", (Part("raddr", 32, 64),)),
        ("raddr/24/64,netns", (Part("raddr", 24, 64), Part("netns"))),
        ("laddr/0/0", (Part("laddr", 0, 0),)),
    ],
)
def test_buckets_are_made_of_parts(text: str, parts: tuple[Part, ...]) -> None:
    assert parse_by(text) == By(parts)


@pytest.mark.parametrize(
    "text", ["", "port", "lport/8", "raddr/129", "raddr/24/129", "raddr/33/64", "raddr/x", "raddr/1/2/3", "raddr/"]
)
def test_what_makes_no_bucket_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="cannot sum up by"):
        parse_by(text)


@pytest.mark.parametrize("text", ["raddr,raddr", "tuple,lport", "raddr,raddr/24"])
def test_a_part_that_comes_twice_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="comes twice"):
        parse_by(text)


@pytest.mark.parametrize("text", ["tuple", "tuple,netns", "rport,raddr,lport,laddr"])
def test_whole_addresses_and_ports_make_a_socket(text: str) -> None:
    assert parse_by(text).is_socket


@pytest.mark.parametrize("text", ["laddr,rport", "laddr,raddr/24,lport,rport"])
def test_less_makes_no_socket(text: str) -> None:
    assert not parse_by(text).is_socket


def test_parts_have_names() -> None:
    assert parse_by("raddr/24,netns").names == ("raddr", "netns")
