# SPDX-License-Identifier: GPL-2.0-only
"""Read the C headers in bpf/: a strict subset of C, from which Python gets layouts and constants.

The subset: structs with one member a line (``TYPE NAME;``, ``TYPE *NAME;``, ``TYPE NAME[N];``), and enums with
one ``NAME = VALUE,`` a line. What is not understood is refused, with its line.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tcpio.errors import TcpioError

# bpf/ lies beside the package in a checkout, and inside it in an installed wheel.
_PACKAGE = Path(__file__).resolve().parent.parent
BPF_DIR = _PACKAGE / "bpf" if (_PACKAGE / "bpf").is_dir() else _PACKAGE.parent / "bpf"

POINTER_SIZE = 8
SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "s32": 4, "s64": 8, "unsigned long": 8}
SIGNED = frozenset({"s32", "s64"})

_COMMENT = re.compile(r"/\*(.*?)\*/", re.DOTALL)
_OPEN = re.compile(r"(struct|enum) (\w+) \{")
_MEMBER = re.compile(r"((?:struct )?\w+|unsigned long) (\*?)(\w+)(?:\[(\d+)\])?;")
_ENUMERATOR = re.compile(r"(\w+) = (\d+),")


class LayoutError(TcpioError):
    """A header in bpf/ holds something that is not in the subset."""


@dataclass(frozen=True)
class Member:
    """A member as the header declares it.

    Args:
        name: Its name.
        type: Its type without the pointer's star: ``u32``, ``struct sock``.
        is_pointer: Whether there was a star.
        count: Elements of an array, 0 for what is no array.
        comment: The comment on its line.
        declaration: The line itself, ``u32 seq``.
    """

    name: str
    type: str
    is_pointer: bool
    count: int
    comment: str
    declaration: str

    @property
    def item_size(self) -> int | None:
        """Bytes of one element; None for a struct, whose size is not in the header."""
        return POINTER_SIZE if self.is_pointer else SIZES.get(self.type)


class Header(NamedTuple):
    """What a header declares.

    Args:
        structs: Name of a struct -> its members, in order.
        enums: Name of an enum -> name of an enumerator -> its value.
    """

    structs: dict[str, tuple[Member, ...]]
    enums: dict[str, dict[str, int]]


@cache
def read_header(name: str) -> Header:
    """Read and parse a header of bpf/.

    Raises:
        LayoutError: It holds a line that is not in the subset.
    """
    return parse_header((BPF_DIR / name).read_text(), name)


def parse_header(text: str, name: str) -> Header:
    """Parse the structs and enums of a header; what stands outside of them is ignored.

    Raises:
        LayoutError: A struct or enum holds a line that is not in the subset, or does not end.
    """
    structs: dict[str, list[Member]] = {}
    enums: dict[str, dict[str, int]] = {}
    inside: list[Member] | dict[str, int] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        code = _COMMENT.sub("", line).strip()
        if inside is None:
            opened = _OPEN.fullmatch(code)
            if opened:
                inside = structs.setdefault(opened[2], []) if opened[1] == "struct" else enums.setdefault(opened[2], {})
        elif code == "};":
            inside = None
        elif code and not _add(inside, code, line):
            raise LayoutError(f"{name}, line {number}: not in the subset that is read: {code}")
    if inside is not None:
        raise LayoutError(f"{name}: ends in the middle of a struct or enum")
    return Header({struct: tuple(members) for struct, members in structs.items()}, enums)


def _add(inside: list[Member] | dict[str, int], code: str, line: str) -> bool:
    if isinstance(inside, list):
        match = _MEMBER.fullmatch(code)
        if match:
            inside.append(_to_member(match, line))
    else:
        match = _ENUMERATOR.fullmatch(code)
        if match:
            inside[match[1]] = int(match[2])
    return match is not None


def _to_member(match: re.Match[str], line: str) -> Member:
    comment = _COMMENT.search(line)
    return Member(
        name=match[3],
        type=match[1],
        is_pointer=bool(match[2]),
        count=int(match[4] or 0),
        comment=comment[1].strip() if comment else "",
        declaration=match[0].rstrip(";"),
    )
