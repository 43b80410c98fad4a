# SPDX-License-Identifier: GPL-2.0-only
"""From a struct in bpf/ to a numpy dtype."""

import numpy as np

from tcpio.schema.c_header import SIGNED, LayoutError, Member


def to_dtype(members: tuple[Member, ...], name: str) -> np.dtype[np.void]:
    """Give the numpy dtype of a struct, in this machine's byte order.

    Raises:
        LayoutError: The compiler would have to pad, or a member's size is not known.
    """
    fields: list[tuple[str, str] | tuple[str, str, tuple[int]]] = []
    offset = 0
    largest = 1
    for member in members:
        size = member.item_size
        if size is None:
            raise LayoutError(f"struct {name}: {member.name} has no fixed size")
        if offset % size:
            raise LayoutError(f"struct {name}: implicit padding before {member.name}; add a member for it")
        number = f"i{size}" if member.type in SIGNED and not member.is_pointer else f"u{size}"
        fields.append((member.name, number, (member.count,)) if member.count else (member.name, number))
        offset += size * (member.count or 1)
        largest = max(largest, size)
    if offset % largest:
        raise LayoutError(f"struct {name}: implicit padding at its end; add a member for it")
    return np.dtype(fields)
