# SPDX-License-Identifier: GPL-2.0-only
"""Expressions and filters as text."""

from tcpio.filter.ast import LIMITS, AllOf, AnyBit, AnyOf, Between, Expr, Masked, Not
from tcpio.filter.pattern import ANY, ANY_PORT, IPV4, MAX_OCTET, Filter, Network, Ports, to_mask_bytes
from tcpio.schema.address import BITS, IPV4_BITS, V4_MAPPED
from tcpio.schema.address import to_text as address_text
from tcpio.schema.c_header import read_header
from tcpio.schema.flags import FLAGS, flags_text

_DIRECTIONS = {
    number: name.removeprefix("TCP_DIR_").lower() for name, number in read_header("record.h").enums["tcp_dir"].items()
}


def to_text(expr: Expr) -> str:
    """Give an expression in words, such as ``laddr 10.0.0.0/8 and rport 443``."""
    match expr:
        case AllOf(terms):
            return " and ".join(map(_term_text, terms)) or "every segment"
        case AnyOf(terms):
            return " or ".join(map(_term_text, terms)) or "no segment"
        case Not(term):
            return f"not {_term_text(term)}"
        case Masked() | Between() | AnyBit():
            return f"{expr.field} {_wanted_text(expr)}"


def _wanted_text(leaf: Masked | Between | AnyBit) -> str:
    match leaf:
        case Masked(_, mask, value):
            return _masked_text(mask, value)
        case Between("dir", low, high) if low == high and low in _DIRECTIONS:
            return _DIRECTIONS[low]
        case Between(field, low, high):
            return _range_text(low, high, LIMITS[field])
        case AnyBit("flags", bits) if not bits >> len(FLAGS):
            return flags_text(bits)
        case AnyBit(_, bits):
            return f"any of {bits:#x}"


def to_filter_text(filter_: Filter) -> str:
    """Give a filter in its own form; what is given parses to the same filter."""
    return (
        f"{'!' * filter_.is_exclusion}"
        f"{network_text(filter_.laddr)}:{_ports_text(filter_.lport)}-"
        f"{network_text(filter_.raddr)}:{_ports_text(filter_.rport)}"
    )


def _term_text(expr: Expr) -> str:
    return f"({to_text(expr)})" if isinstance(expr, AllOf | AnyOf) else to_text(expr)


def network_text(network: Network) -> str:
    """Give a network in the form that filters have."""
    return "*" if network == ANY else _masked_text(network.mask, network.value, zero="[::/0]")


def _ports_text(ports: Ports) -> str:
    return _range_text(ports.low, ports.high, ANY_PORT.high)


def _range_text(low: int, high: int, limit: int) -> str:
    if low == high:
        return str(low)
    return "*" if (low, high) == (0, limit) else f"{low}..{high}"


def _masked_text(mask: bytes, value: bytes, zero: str = "*") -> str:
    # `zero` is what no bits at all stand for.
    prefix = int.from_bytes(mask, "big").bit_count()
    if not prefix:
        return zero
    if mask != to_mask_bytes(prefix):
        return _scattered_text(mask, value)
    text = address_text(value)
    if not value.startswith(V4_MAPPED):
        return f"[{text}]" if prefix == BITS else f"[{text}/{prefix}]"
    if mask == IPV4.mask:
        return "*.*.*.*"
    return text if prefix == BITS else f"{text}/{prefix - BITS + IPV4_BITS}"


def _scattered_text(mask: bytes, value: bytes) -> str:
    octets = mask[len(V4_MAPPED) :]
    if value.startswith(V4_MAPPED) and mask.startswith(IPV4.mask[: len(V4_MAPPED)]) and set(octets) <= {0, MAX_OCTET}:
        pairs = zip(octets, value[len(V4_MAPPED) :], strict=True)
        return ".".join(str(octet) if is_set else "*" for is_set, octet in pairs)
    # No filter has it, but an expression may.
    return f"is {value.hex()} under {mask.hex()}"
