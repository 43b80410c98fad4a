# SPDX-License-Identifier: GPL-2.0-only
"""Put the members of bpf/kernel.h where this kernel has them."""

import sys

from tcpio.errors import UnsupportedKernel
from tcpio.kernel.btf import Btf, Place
from tcpio.schema.c_header import Member, read_header

_BITS = 8

_STRUCT = """struct {name} {{
	union {{
{members}	}};
}};
"""
_MEMBER = "\t\tstruct {{ char at_{name}_[{offset}]; {declaration}; }}{packed};\n"
_FIRST_MEMBER = "\t\t{declaration};\n"
_PACKED = " __attribute__((packed))"
_WORD = 8


def to_c(btf: Btf) -> str:
    """Give bpf/kernel.h with each member at this kernel's offset.

    Members may overlap (a kernel's unions do), so each is an arm of a union that begins with what lies before it.

    Raises:
        UnsupportedKernel: The kernel has no such member, or has it in another size.
    """
    structs = read_header("kernel.h").structs
    return "#define TCPIO_KERNEL_H\n\n" + "\n".join(
        _STRUCT.format(name=name, members="".join(_place(btf, name, member) for member in members))
        for name, members in structs.items()
    )


def _place(btf: Btf, struct: str, member: Member) -> str:
    place = btf.find_member(struct, member.name)
    if place is None:
        raise UnsupportedKernel(
            f"this kernel's struct {struct} has no member {member.name}",
            hint="it is newer or older than what tcpio knows; please report it with the output of 'uname -r'",
        )
    _check(struct, member, place)
    offset = place.bit_offset // _BITS
    if not offset:
        return _FIRST_MEMBER.format(declaration=member.declaration)
    # What is not packed is read as it is, and not byte by byte.
    packed = _PACKED if offset % (member.item_size or _WORD) else ""
    return _MEMBER.format(name=member.name, offset=offset, declaration=member.declaration, packed=packed)


def _check(struct: str, member: Member, place: Place) -> None:
    # A nested struct has no size of its own in the header: its members are checked instead.
    declared = None if member.item_size is None else member.item_size * (member.count or 1)
    if not (declared is None or _fits(member, declared, place)) or place.bit_offset % _BITS:
        raise UnsupportedKernel(
            f"this kernel's struct {struct} has {member.name} in another form: {place}",
            hint="it is newer or older than what tcpio knows; please report it with the output of 'uname -r'",
        )


def _fits(member: Member, declared: int, place: Place) -> bool:
    if place.bit_size:
        return place.bit_size <= declared * _BITS
    # Of a wider integer the low part is at the same place on little-endian machines: net_device's priv_flags has been
    # 32 and 64 bits, and 32 bits of 64.
    is_low_part = sys.byteorder == "little" and not member.is_pointer and not member.count
    return place.size >= declared if is_low_part else place.size == declared
