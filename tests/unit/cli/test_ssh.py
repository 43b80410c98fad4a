# SPDX-License-Identifier: GPL-2.0-only
"""The SSH session that tcpio may be running in."""

import pytest

from tcpio.cli.ssh import find_own_session
from tcpio.filter.ast import ALWAYS, Expr
from tcpio.filter.parse import parse_filter, to_expr

IPV4 = {"SSH_CONNECTION": "192.0.2.40 60337 192.0.2.8 22"}
IPV6 = {"SSH_CONNECTION": "2001:db8::40 60337 2001:db8::8 22"}


def filters(*texts: str) -> Expr:
    return to_expr(map(parse_filter, texts))


def test_a_session_is_named_by_its_filter() -> None:
    assert find_own_session(IPV4, ALWAYS) == "192.0.2.8:22-192.0.2.40:60337"


def test_ipv6_stands_in_brackets() -> None:
    assert find_own_session(IPV6, ALWAYS) == "[2001:db8::8]:22-[2001:db8::40]:60337"


@pytest.mark.parametrize("environment", [IPV4, IPV6])
def test_the_filter_leaves_the_session_out(environment: dict[str, str]) -> None:
    session = find_own_session(environment, ALWAYS)

    assert find_own_session(environment, filters(f"!{session}")) == ""


def test_a_session_that_is_not_traced_anyway_is_not_named() -> None:
    assert find_own_session(IPV4, filters("!*:22-*:*")) == ""
    assert find_own_session(IPV4, filters("*:80-*:*")) == ""


def test_a_session_that_is_traced_among_others_is_named() -> None:
    assert find_own_session(IPV4, filters("*:80-*:*", "*:*-192.0.2.0/24:*")) == "192.0.2.8:22-192.0.2.40:60337"


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "192.0.2.40 60337 192.0.2.8",
        "192.0.2.40 60337 192.0.2.8 22 5",
        "UNKNOWN 65535 UNKNOWN 65535",
        "192.0.2.40 many 192.0.2.8 22",
        "192.0.2.40 70000 192.0.2.8 22",
        "192.0.2.40 60337 192.0.2.8 -1",
        "fe80::1%eth0 60337 fe80::2%eth0 22",
    ],
)
def test_what_is_no_session_is_not_named(value: str | None) -> None:
    assert find_own_session({} if value is None else {"SSH_CONNECTION": value}, ALWAYS) == ""
