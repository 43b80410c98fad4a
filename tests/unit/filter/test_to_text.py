# SPDX-License-Identifier: GPL-2.0-only
"""Filters and expressions as text."""

import pytest
from hypothesis import given

from tcpio.filter.ast import ALWAYS, NEVER, AllOf, AnyBit, AnyOf, Between, Expr, Masked, Not
from tcpio.filter.parse import parse_filter, to_expr
from tcpio.filter.pattern import Filter
from tcpio.filter.to_text import to_filter_text, to_text
from tests.unit.filter.strategies import EXPRESSIONS, FILTERS, unhurried


@unhurried
@given(FILTERS)
def test_text_of_a_filter_parses_to_the_same_filter(original: Filter) -> None:
    assert original == parse_filter(to_filter_text(original))


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("!9.*.*.*:0..65535-0.0.0.0/0:80..80", "!9.0.0.0/8:*-*.*.*.*:80"),
        ("10.*.0.5:8000..8080-[2001:DB8:0::/32]:443", "10.*.0.5:8000..8080-[2001:db8::/32]:443"),
        ("[::ffff:10.0.0.0/104]:*-[::ffff:10.0.0.1]:*", "10.0.0.0/8:*-10.0.0.1:*"),
        ("[::/0]:*-[::1]:*", "[::/0]:*-[::1]:*"),
        ("*:*-*:*", "*:*-*:*"),
    ],
)
def test_text_of_a_filter_is_its_shortest_form(text: str, canonical: str) -> None:
    assert canonical == to_filter_text(parse_filter(text))


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ((), "every segment"),
        (("10.0.0.0/8:*-*:443",), "laddr 10.0.0.0/8 and rport 443"),
        (("*:*-*:443", "*:8000..8080-192.0.2.*:*"), "rport 443 or (lport 8000..8080 and raddr 192.0.2.0/24)"),
        (("!*:22-*:*",), "not lport 22"),
        (("*:*-*:443", "!*:22-10.*.*.5:*", "!*:*-*:1"), "rport 443 and not ((lport 22 and raddr 10.*.*.5) or rport 1)"),
        (("*:*-[::/0]:*",), "not raddr *.*.*.*"),
    ],
)
def test_filters_read_as_a_sentence(filters: tuple[str, ...], expected: str) -> None:
    assert expected == to_text(to_expr(map(parse_filter, filters)))


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (ALWAYS, "every segment"),
        (NEVER, "no segment"),
        (AllOf((AnyBit("flags", 6), Between("dir", 0, 0))), "flags SYN|RST and dir send"),
        (AnyOf((Between("dir", 1, 1), Between("dir", 0, 1))), "dir receive or dir 0..1"),
        (AnyBit("flags", 0x100), "flags any of 0x100"),
        (AnyBit("netns", 3), "netns any of 0x3"),
        (Between("netns", 0, 0xFFFFFFFF), "netns *"),
        (Between("dir", 7, 7), "dir 7"),
        (Not(ALWAYS), "not (every segment)"),
        (Masked("laddr", bytes(16), bytes(16)), "laddr *"),
        (Masked("laddr", b"\x0f" + bytes(15), b"\x01" + bytes(15)), f"laddr is 01{'00' * 15} under 0f{'00' * 15}"),
    ],
)
def test_what_no_filter_says_reads_too(expr: Expr, expected: str) -> None:
    assert expected == to_text(expr)


@unhurried
@given(EXPRESSIONS)
def test_every_expression_has_a_text_of_one_line(expr: Expr) -> None:
    text = to_text(expr)

    assert text
    assert "\n" not in text
