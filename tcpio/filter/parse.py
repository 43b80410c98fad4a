# SPDX-License-Identifier: GPL-2.0-only
"""From the text of filters to an expression.

::

    FILTER  = ["!"] ADDRESS ":" PORTS "-" ADDRESS ":" PORTS     the local end, then the remote one
    ADDRESS = "*" | OCTET "." OCTET "." OCTET "." OCTET | IPV4 "/" PREFIX | "[" IPV6 ["/" PREFIX] "]"
    OCTET   = "*" | 0 to 255
    PORTS   = "*" | PORT | PORT ".." PORT
"""

from collections.abc import Iterable
from typing import NoReturn

from tcpio.errors import FilterError
from tcpio.filter.ast import ALWAYS, Between, Expr, Masked, Not, all_of, any_of
from tcpio.filter.pattern import ANY, ANY_PORT, IPV4, MAX_OCTET, MAX_PORT, Filter, Network, Ports, to_mask_bytes
from tcpio.filter.to_text import network_text
from tcpio.schema.address import BITS, IPV4_BITS, V4_MAPPED

_OCTETS = 4
_MAPPED_BITS = BITS - IPV4_BITS
_GROUPS = 8
_GROUP_DIGITS = 4
_IPV4_GROUPS = 2
_LONGEST_NUMBER = len(str(MAX_PORT))

_DIGITS = "0123456789"
_HEX_DIGITS = "0123456789abcdefABCDEF"


def parse_filter(text: str) -> Filter:
    """Parse ``LADDR:LPORT-RADDR:RPORT``.

    Raises:
        FilterError: It does not parse. Of a number that is too large, and of an address that is not a network's, the
            first character is given.
    """
    scanner = _Scanner(text)
    is_exclusion = scanner.skip("!")
    laddr = scanner.take_network()
    scanner.expect(":", "':' and the local port")
    lport = scanner.take_ports()
    scanner.expect("-", "'-' and the remote end")
    raddr = scanner.take_network()
    scanner.expect(":", "':' and the remote port")
    rport = scanner.take_ports()
    scanner.expect_end()
    return Filter(laddr, lport, raddr, rport, is_exclusion)


def to_expr(filters: Iterable[Filter]) -> Expr:
    """Give what is asked by all filters together: any inclusion, if there are some, and no exclusion."""
    inclusions: list[Expr] = []
    exclusions: list[Expr] = []
    for one in filters:
        term = all_of(
            *_address_terms("laddr", one.laddr),
            *_port_terms("lport", one.lport),
            *_address_terms("raddr", one.raddr),
            *_port_terms("rport", one.rport),
        )
        (exclusions if one.is_exclusion else inclusions).append(term)
    wanted = any_of(*inclusions) if inclusions else ALWAYS
    return all_of(wanted, Not(any_of(*exclusions))) if exclusions else wanted


def _address_terms(field: str, network: Network) -> list[Expr]:
    terms: list[Expr] = []
    if any(network.mask):
        terms.append(Masked(field, network.mask, network.value))
    if network.is_ipv6_only:
        terms.append(Not(Masked(field, IPV4.mask, IPV4.value)))
    return terms


def _port_terms(field: str, ports: Ports) -> list[Expr]:
    return [] if ports == ANY_PORT else [Between(field, ports.low, ports.high)]


class _Scanner:
    # Reads from left to right and stops at the first character that no filter has there.

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def _fail(self, message: str, position: int) -> NoReturn:
        raise FilterError(message, text=self._text, position=position)

    def _fail_here(self, expected: str) -> NoReturn:
        found = repr(self._text[self._at]) if self._at < len(self._text) else "the end"
        self._fail(f"found {found}, expected {expected}", self._at)

    def _sees(self, characters: str) -> bool:
        return self._text.startswith(characters, self._at)

    def _sees_any(self, characters: str) -> bool:
        return self._at < len(self._text) and self._text[self._at] in characters

    def _take_while(self, characters: str, most: int | None = None) -> str:
        start = self._at
        end = len(self._text) if most is None else min(len(self._text), start + most)
        while self._at < end and self._sees_any(characters):
            self._at += 1
        return self._text[start : self._at]

    def skip(self, characters: str) -> bool:
        found = self._sees(characters)
        self._at += len(characters) * found
        return found

    def expect(self, character: str, expected: str) -> None:
        if not self.skip(character):
            self._fail_here(expected)

    def expect_end(self) -> None:
        if self._at < len(self._text):
            self._fail_here("the end")

    def _take_number(self, name: str, most: int, expected: str) -> int:
        start = self._at
        digits = self._take_while(_DIGITS)
        if not digits:
            self._fail_here(expected)
        if len(digits) > _LONGEST_NUMBER or int(digits) > most:
            shown = digits if len(digits) <= _LONGEST_NUMBER else f"{digits[:_LONGEST_NUMBER]}..."
            self._fail(f"{name} {shown} is above {most}", start)
        if digits != str(int(digits)):
            self._fail(f"{name} {digits} begins with a 0, which some read as octal: write {int(digits)}", start)
        return int(digits)

    def take_ports(self) -> Ports:
        if self.skip("*"):
            return ANY_PORT
        low = self._take_number("port", MAX_PORT, f"a port: '*', 0 to {MAX_PORT}, or a range such as 8000..8080")
        if not self.skip("."):
            return Ports(low, low)
        self.expect(".", "'..' between the ports of a range")
        start = self._at
        high = self._take_number("port", MAX_PORT, "the last port of the range")
        if high < low:
            self._fail(f"the range ends with {high}, before it begins with {low}", start)
        return Ports(low, high)

    def take_network(self) -> Network:
        if self.skip("["):
            network = self._take_ipv6_network()
            self.expect("]", "']' at the end of the IPv6 address")
            return network
        start = self._at
        octets = [self._take_octet("an address: '*', IPv4 such as 192.0.2.*, or IPv6 in brackets")]
        if octets == [None] and not self._sees("."):
            return ANY
        while len(octets) < _OCTETS:
            self.expect(".", f"'.': an IPv4 address has {_OCTETS} octets, and IPv6 is written in brackets")
            octets.append(self._take_octet(f"an octet: '*', or 0 to {MAX_OCTET}"))
        value = V4_MAPPED + bytes(octet or 0 for octet in octets)
        if None in octets:
            mask = bytes(0 if octet is None else MAX_OCTET for octet in octets)
            return Network(IPV4.mask[: len(V4_MAPPED)] + mask, value)
        return self._to_network(value, _MAPPED_BITS + self._take_prefix(IPV4_BITS), start)

    def _take_octet(self, expected: str) -> int | None:
        return None if self.skip("*") else self._take_number("octet", MAX_OCTET, expected)

    def _take_prefix(self, most: int) -> int:
        if not self.skip("/"):
            return most
        return self._take_number("prefix length", most, f"a prefix length, 0 to {most}")

    def _to_network(self, address: bytes, bits: int, start: int) -> Network:
        # The network of the first `bits` bits, which must be all that the address has.
        mask = to_mask_bytes(bits)
        value = _and(address, mask)
        network = Network(mask, value, is_ipv6_only=bits < _MAPPED_BITS and _and(IPV4.value, mask) == value)
        if value != address:
            written = self._text[start : self._at]
            self._fail(f"{written} has bits set behind its prefix; the network is {network_text(network)}", start)
        return network

    def _take_ipv6_network(self) -> Network:
        start = self._at
        return self._to_network(self._take_ipv6(), self._take_prefix(BITS), start)

    def _take_ipv6(self) -> bytes:
        # RFC 4291, 2.2. `gap` is where "::" stands for the groups that are not written, at least one.
        groups: list[int] = []
        gap: int | None = None
        room = _GROUPS
        if self.skip(":"):
            self.expect(":", "'::'")
            gap, room = 0, room - 1
        while len(groups) < room and (gap != len(groups) or self._sees_any(_HEX_DIGITS)):
            # An IPv4 address takes two groups, and is the end.
            left = room - len(groups)
            taken = self._take_groups(may_be_ipv4=left >= _IPV4_GROUPS and (gap is not None or left == _IPV4_GROUPS))
            groups += taken
            if gap is None and len(taken) == 1 and len(groups) < room and self.skip("::"):
                gap, room = len(groups), room - 1
            elif len(taken) > 1 or len(groups) == room or not self.skip(":"):
                break
        if gap is None and len(groups) < _GROUPS:
            self._fail_here(f"':': an IPv6 address has {_GROUPS} groups")
        at = len(groups) if gap is None else gap
        groups[at:at] = [0] * (_GROUPS - len(groups))
        return b"".join(group.to_bytes(2, "big") for group in groups)

    def _take_groups(self, *, may_be_ipv4: bool) -> list[int]:
        start = self._at
        digits = self._take_while(_HEX_DIGITS, _GROUP_DIGITS)
        if not digits:
            self._fail_here("a group of up to four hexadecimal digits")
        if may_be_ipv4 and digits.isdecimal() and self._sees("."):
            self._at = start
            return self._take_ipv4_groups()
        return [int(digits, 16)]

    def _take_ipv4_groups(self) -> list[int]:
        octets = bytearray()
        while len(octets) < _OCTETS:
            if octets:
                self.expect(".", f"'.': an IPv4 address has {_OCTETS} octets")
            octets.append(self._take_number("octet", MAX_OCTET, f"an octet, 0 to {MAX_OCTET}"))
        return [int.from_bytes(octets[:2], "big"), int.from_bytes(octets[2:], "big")]


def _and(left: bytes, right: bytes) -> bytes:
    return bytes(a & b for a, b in zip(left, right, strict=True))
