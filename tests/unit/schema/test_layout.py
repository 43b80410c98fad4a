# SPDX-License-Identifier: GPL-2.0-only
"""From a struct to a numpy dtype."""

import numpy as np
import pytest

from tcpio.schema.c_header import LayoutError, Member, parse_header
from tcpio.schema.layout import to_dtype


def members(*lines: str) -> tuple[Member, ...]:
    text = "".join(f"\t{line}\n" for line in lines)
    return parse_header(f"struct s {{\n{text}}};\n", "s.h").structs["s"]


def test_members_become_fields() -> None:
    dtype = to_dtype(members("u64 a;", "u64 b[2];", "u16 c;", "u16 d;", "u8 e[4];"), "s")

    assert np.dtype([("a", "u8"), ("b", "u8", (2,)), ("c", "u2"), ("d", "u2"), ("e", "u1", (4,))]) == dtype


def test_an_array_of_one_stays_an_array() -> None:
    assert to_dtype(members("u8 a[1];"), "s")["a"].shape == (1,)


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        (("u8 a;", "u16 b;"), "before b"),
        (("u32 a;", "u64 b;"), "before b"),
        (("u8 a[3];", "u32 b;"), "before b"),
        (("u64 a;", "u8 b;"), "at its end"),
        (("u32 a;", "u16 b;"), "at its end"),
    ],
)
def test_implicit_padding_is_refused(lines: tuple[str, ...], where: str) -> None:
    with pytest.raises(LayoutError, match=f"^struct s: implicit padding {where}; add a member for it$"):
        to_dtype(members(*lines), "s")


@pytest.mark.parametrize("line", ["struct t a;", "s16 a;", "int a;"])
def test_a_member_of_unknown_size_is_refused(line: str) -> None:
    with pytest.raises(LayoutError, match=r"^struct s: a has no fixed size$"):
        to_dtype(members(line), "s")


def test_a_signed_member_is_signed() -> None:
    dtype = to_dtype(members("s64 a;", "s32 b;", "u32 c;"), "s")

    assert np.dtype([("a", "i8"), ("b", "i4"), ("c", "u4")]) == dtype
