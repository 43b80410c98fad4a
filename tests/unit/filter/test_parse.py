# SPDX-License-Identifier: GPL-2.0-only
"""From text to filters, and to what they ask together."""

import socket

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tcpio.errors import FilterError
from tcpio.filter.ast import ALWAYS, AllOf, AnyOf, Between, Masked, Not
from tcpio.filter.parse import parse_filter, to_expr
from tcpio.filter.pattern import ANY, ANY_PORT, IPV4, Filter, Network, Ports, to_mask_bytes
from tcpio.filter.to_mask import to_mask
from tcpio.schema.address import V4_MAPPED, from_text, to_words
from tcpio.schema.record import RECORD
from tests.unit.filter.strategies import FILTER_TEXTS, FILTERS, records, unhurried


def _network(address: str, bits: int) -> Network:
    return Network(to_mask_bytes(bits), from_text(address))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*", ANY),
        ("*.*.*.*", IPV4),
        ("0.0.0.0/0", IPV4),
        ("[::ffff:0:0/96]", IPV4),
        ("192.0.2.1", _network("192.0.2.1", 128)),
        ("192.0.2.1/32", _network("192.0.2.1", 128)),
        ("9.*.*.*", _network("9.0.0.0", 96 + 8)),
        ("10.0.0.0/8", _network("10.0.0.0", 96 + 8)),
        ("10.*.0.5", Network(b"\xff" * 13 + b"\0\xff\xff", from_text("10.0.0.5"))),
        ("*.0.0.*", Network(b"\xff" * 12 + b"\0\xff\xff\0", V4_MAPPED + bytes(4))),
        ("[2001:DB8::1]", _network("2001:db8::1", 128)),
        ("[2001:db8::/32]", _network("2001:db8::", 32)),
        ("[::ffff:10.0.0.0/104]", _network("10.0.0.0", 96 + 8)),
        ("[::/0]", Network(bytes(16), bytes(16), is_ipv6_only=True)),
        ("[::/80]", Network(to_mask_bytes(80), bytes(16), is_ipv6_only=True)),
        ("[::/96]", _network("::", 96)),
        ("[::ffc0:0:0/90]", Network(to_mask_bytes(90), from_text("::ffc0:0:0"), is_ipv6_only=True)),
    ],
)
def test_address_means_these_bits(text: str, expected: Network) -> None:
    parsed = parse_filter(f"{text}:*-*:*")

    assert Filter(expected, ANY_PORT, ANY, ANY_PORT) == parsed
    assert Filter(ANY, ANY_PORT, expected, ANY_PORT) == parse_filter(f"*:*-{text}:*")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*", ANY_PORT),
        ("0..65535", ANY_PORT),
        ("0", Ports(0, 0)),
        ("443", Ports(443, 443)),
        ("8000..8080", Ports(8000, 8080)),
        ("80..80", Ports(80, 80)),
    ],
)
def test_port_means_this_range(text: str, expected: Ports) -> None:
    assert Filter(ANY, expected, ANY, ANY_PORT) == parse_filter(f"*:{text}-*:*")
    assert Filter(ANY, ANY_PORT, ANY, expected) == parse_filter(f"*:*-*:{text}")


def test_exclamation_mark_excludes() -> None:
    assert Filter(ANY, Ports(22, 22), ANY, ANY_PORT, is_exclusion=True) == parse_filter("!*:22-*:*")


# The caret is below the first character that is wrong.
WRONG = [
    ("", "^", "found the end, expected an address"),
    ("!", " ^", "found the end, expected an address"),
    ("!!*:*-*:*", " ^", "found '!', expected an address"),
    ("host:80-*:*", "^", "found 'h', expected an address"),
    (":80-*:*", "^", "found ':', expected an address"),
    ("*", " ^", "found the end, expected ':' and the local port"),
    ("*:", "  ^", "found the end, expected a port"),
    ("*:80", "    ^", "found the end, expected '-' and the remote end"),
    ("*:80:*:80", "    ^", "found ':', expected '-' and the remote end"),
    ("*:80-", "     ^", "found the end, expected an address"),
    ("*:80-*", "      ^", "found the end, expected ':' and the remote port"),
    ("*:80-*:*x", "        ^", "found 'x', expected the end"),
    (" *:80-*:*", "^", "found ' ', expected an address"),
    ("1.2.3:*-*:*", "     ^", "found ':', expected '.': an IPv4 address has 4 octets"),
    ("1.*:*-*:*", "   ^", "found ':', expected '.': an IPv4 address has 4 octets"),
    ("1.2.3.4.5:*-*:*", "       ^", "found '.', expected ':' and the local port"),
    ("1.2..4:*-*:*", "    ^", "found '.', expected an octet"),
    ("1.2.256.4:*-*:*", "    ^", "octet 256 is above 255"),
    ("1.2.03.4:*-*:*", "    ^", "octet 03 begins with a 0, which some read as octal: write 3"),
    ("1.2.٣.4:*-*:*", "    ^", "found '٣', expected an octet"),
    ("10.0.0.0/33:*-*:*", "         ^", "prefix length 33 is above 32"),
    ("10.0.0.0/:*-*:*", "         ^", "found ':', expected a prefix length, 0 to 32"),
    ("10.*.*.*/8:*-*:*", "        ^", "found '/', expected ':' and the local port"),
    ("10.1.2.3/8:*-*:*", "^", "10.1.2.3/8 has bits set behind its prefix; the network is 10.0.0.0/8"),
    ("*:*-10.1.2.3/0:*", "    ^", "the network is *.*.*.*"),
    ("[2001:db8::1/32]:*-*:*", " ^", "2001:db8::1/32 has bits set behind its prefix; the network is [2001:db8::/32]"),
    ("[::ffff:10.1.2.3/104]:*-*:*", " ^", "the network is 10.0.0.0/8"),
    ("[::1/0]:*-*:*", " ^", "the network is [::/0]"),
    ("[::/129]:*-*:*", "    ^", "prefix length 129 is above 128"),
    ("[::1:*-*:*", "     ^", "found '*', expected a group"),
    ("[::1", "    ^", "found the end, expected ']'"),
    ("[]:*-*:*", " ^", "found ']', expected a group of up to four hexadecimal digits"),
    ("[:1::]:*-*:*", "  ^", "found '1', expected '::'"),
    ("[1:2]:*-*:*", "    ^", "found ']', expected ':': an IPv6 address has 8 groups"),
    ("[1:2:3:4:5:6:7:8:9]:*-*:*", "                ^", "found ':', expected ']'"),
    ("[1::2:3:4:5:6:7:8]:*-*:*", "               ^", "found ':', expected ']'"),
    ("[1::2::3]:*-*:*", "      ^", "found ':', expected a group"),
    ("[1:::3]:*-*:*", "    ^", "found ':', expected ']'"),
    ("[12345::]:*-*:*", "     ^", "found '5', expected ':'"),
    ("[fe80::1%eth0]:*-*:*", "        ^", "found '%', expected ']'"),
    ("[1.2.3.4]:*-*:*", "  ^", "found '.', expected ':': an IPv6 address has 8 groups"),
    ("[::1.2.3]:*-*:*", "        ^", "found ']', expected '.': an IPv4 address has 4 octets"),
    ("[::1.2.3.*]:*-*:*", "         ^", "found '*', expected an octet, 0 to 255"),
    ("[::f.2.3.4]:*-*:*", "    ^", "found '.', expected ']'"),
    ("[1:2:3:4:5:6:7:1.2.3.4]:*-*:*", "                ^", "found '.', expected ']'"),
    ("*:65536-*:*", "  ^", "port 65536 is above 65535"),
    ("*:99999999999999999999-*:*", "  ^", "port 99999... is above 65535"),
    ("*:080-*:*", "  ^", "port 080 begins with a 0"),
    ("*:-1-*:*", "  ^", "found '-', expected a port"),
    ("*:80.-*:*", "     ^", "found '-', expected '..'"),
    ("*:80..-*:*", "      ^", "found '-', expected the last port of the range"),
    ("*:80...90-*:*", "      ^", "found '.', expected the last port of the range"),
    ("*:90..80-*:*", "      ^", "the range ends with 80, before it begins with 90"),
    ("*:*..80-*:*", "   ^", "found '.', expected '-' and the remote end"),
]


@pytest.mark.parametrize(("text", "caret", "message"), WRONG)
def test_error_says_where_and_what(text: str, caret: str, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(text)

    assert message in str(caught.value)
    assert caret.index("^") == caught.value.position
    assert text == caught.value.text


@unhurried
@given(st.text() | st.text("*.:-[]/!0123456789abcdef", max_size=40))
@example("*:" + "9" * 5000 + "-*:*")
@example("[" + "0" * 5000)
@example("\ud800")
def test_whatever_is_given_is_parsed_or_refused_with_its_place(text: str) -> None:
    try:
        parse_filter(text)
    except FilterError as error:
        assert 0 <= error.position <= len(text)  # noqa: PT017  most texts are refused, but not all


@unhurried
@given(FILTER_TEXTS, st.data())
def test_what_stands_before_the_place_of_an_error_is_not_to_blame(text: str, data: st.DataObject) -> None:
    """Cutting a good filter short is an error at its end, unless what is left is good too."""
    end = data.draw(st.integers(0, len(text)))
    try:
        parse_filter(text[:end])
    except FilterError as error:
        # A prefix length or the end of a range that is cut short no longer goes with what stands before it.
        is_shorter_number = "behind its prefix" in str(error) or "the range ends" in str(error)
        assert end == error.position or is_shorter_number  # noqa: PT017  as above


@unhurried
@given(
    st.text("0123456789abcdef:.", max_size=24) | st.from_regex(r"([0-9a-f]{0,4}:){2,9}[0-9a-f.]{0,9}", fullmatch=True)
)
@example("1:2:3:4:5:6:7:8")
@example("1:2:3:4:5:6:1.2.3.4")
@example("::1.2.3.4")
@example("1:2:3:4:5::1.2.3.4")
@example("1:2:3:4:5:6::1.2.3.4")
@example("1:2:3:4:5:6:7::")
@example("1:2:3:4:5:6:7:8::")
def test_ipv6_addresses_are_those_of_inet_pton(text: str) -> None:
    try:
        expected = socket.inet_pton(socket.AF_INET6, text)
    except OSError:
        with pytest.raises(FilterError):
            parse_filter(f"[{text}]:*-*:*")
    else:
        assert expected == parse_filter(f"[{text}]:*-*:*").laddr.value


def test_no_filter_wants_everything() -> None:
    assert to_expr([]) == ALWAYS
    assert to_expr([parse_filter("*:*-*:*"), parse_filter("*:22-*:*")]) == ALWAYS


def test_inclusions_are_ored_and_exclusions_win() -> None:
    https, web, ssh = map(parse_filter, ("*:*-*:443", "*:*-10.0.0.0/8:80..81", "!*:22-*:*"))
    https_expr = Between("rport", 443, 443)
    web_expr = AllOf((Masked("raddr", to_mask_bytes(104), from_text("10.0.0.0")), Between("rport", 80, 81)))
    not_ssh = Not(Between("lport", 22, 22))

    assert AnyOf((https_expr, web_expr)) == to_expr([https, web])
    assert not_ssh == to_expr([ssh])
    assert AllOf((AnyOf((https_expr, web_expr)), not_ssh)) == to_expr([https, ssh, web])


def test_excluding_everything_leaves_nothing() -> None:
    assert not to_mask(to_expr([parse_filter("!*:*-*:*")]), np.zeros(3, RECORD)).any()


@pytest.mark.parametrize(
    ("network", "address", "expected"),
    [
        ("*", "192.0.2.1", True),
        ("*", "2001:db8::1", True),
        ("*.*.*.*", "192.0.2.1", True),
        ("*.*.*.*", "2001:db8::1", False),
        ("[::/0]", "192.0.2.1", False),
        ("[::/0]", "2001:db8::1", True),
        ("[::/64]", "192.0.2.1", False),
        ("[::/64]", "::1", True),
        ("10.*.0.5", "10.77.0.5", True),
        ("10.*.0.5", "10.77.1.5", False),
    ],
)
def test_network_matches_the_addresses_of_its_family(network: str, address: str, expected: bool) -> None:  # noqa: FBT001
    record = np.zeros(1, RECORD)
    record["raddr"] = to_words(from_text(address))

    assert expected == to_mask(to_expr([parse_filter(f"*:*-{network}:*")]), record)[0]


@unhurried
@given(st.lists(FILTERS, max_size=5), st.data())
def test_order_of_filters_does_not_matter(filters: list[Filter], data: st.DataObject) -> None:
    batch = data.draw(records())
    shuffled = data.draw(st.permutations(filters))

    assert to_mask(to_expr(filters), batch).tolist() == to_mask(to_expr(shuffled), batch).tolist()
