# SPDX-License-Identifier: GPL-2.0-only
"""Read the kernel's own description of its types (Documentation/bpf/btf.rst)."""

import struct
from array import array
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Protocol

from tcpio.errors import UnsupportedKernel

KERNEL_BTF = Path("/sys/kernel/btf/vmlinux")

_MAGIC = 0xEB9F
_HEADER = "HBBIIIII"  # magic, version, flags, header length, type offset and length, string offset and length
_POINTER_SIZE = 8

# enum in include/uapi/linux/btf.h
_INT, _PTR, _ARRAY, _STRUCT, _UNION, _ENUM, _FWD, _TYPEDEF = range(1, 9)
_VOLATILE, _CONST, _RESTRICT, _FUNC, _FUNC_PROTO, _VAR, _DATASEC, _FLOAT = range(9, 17)
_DECL_TAG, _TYPE_TAG, _ENUM64 = range(17, 20)
_KINDS = 20
_MODIFIERS = (_TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _TYPE_TAG)

# Words of a type: those of struct btf_type and what follows it once, then what follows for each of its vlen.
_FIXED_WORDS = [3] * _KINDS
_FIXED_WORDS[_INT] = _FIXED_WORDS[_VAR] = _FIXED_WORDS[_DECL_TAG] = 4
_FIXED_WORDS[_ARRAY] = 6
_ITEM_WORDS = [0] * _KINDS
_ITEM_WORDS[_STRUCT] = _ITEM_WORDS[_UNION] = _ITEM_WORDS[_DATASEC] = _ITEM_WORDS[_ENUM64] = 3
_ITEM_WORDS[_ENUM] = _ITEM_WORDS[_FUNC_PROTO] = 2

_BIT_FIELD_FLAG = 1 << 31  # kind_flag: a member's offset word holds the bit-field's size in its high byte

# What looking into a damaged file ends with.
_BROKEN = (struct.error, ValueError, IndexError, TypeError, RecursionError)


class Place(NamedTuple):
    """Where a member lies in its struct.

    Args:
        bit_offset: Bits from the beginning of the struct.
        bit_size: Bits, for a bit-field; 0 otherwise.
        size: Bytes, 0 for a bit-field.
    """

    bit_offset: int
    bit_size: int
    size: int


class Btf(Protocol):
    """The types of a kernel: what is asked of them.

    Raises:
        UnsupportedKernel: By any of these: what would have to be known is damaged.
    """

    def find_member(self, struct_name: str, path: str) -> Place | None:
        """Find a member of a struct, also inside its anonymous structs and unions; None if there is none.

        Args:
            struct_name: The struct, without the word.
            path: The member's name, or several joined by dots through structs that are members.
        """

    def find_parameters(self, function: str) -> tuple[str, ...] | None:
        """Find the names of a function's parameters, in order; None if the kernel has no such function."""

    def find_enumerator(self, name: str) -> int | None:
        """Find the value of an enumerator, in whatever enum; None if there is none."""

    def find_id(self, name: str) -> int | None:
        """Find the id of a function, a tracepoint's type (``btf_trace_NAME``) or a struct; None if there is none."""


class BtfFile:
    """The types that a file holds.

    Reading is on the way from start to the first line, and there are some 100 000 types: so numpy is not waited for,
    and only what has one of the names that are asked for is indexed.

    Args:
        data: The contents of a BTF file.
        source: What to call it in errors.
        names: The structs, functions and tracepoints' types that will be looked up.

    Raises:
        UnsupportedKernel: It is no BTF, or holds a kind of type that is not known.
    """

    def __init__(self, data: bytes, source: str, names: Iterable[str]) -> None:
        try:
            magic, _, _, header_length, types, types_length, strings, strings_length = struct.unpack_from(_HEADER, data)
            _check_magic(magic)
            start = header_length + types
            self._words = array("I", data[start : start + types_length])
            start = header_length + strings
            self._strings = data[start : start + strings_length]
            offsets = {self._strings.find(f"\0{name}\0".encode()) + 1: name for name in names}
            offsets.pop(0, None)  # not found
            self._starts, named = self._walk(offsets.keys())
        except _BROKEN as error:
            raise _cannot_read(source, error) from error
        self._source = source
        self._structs: dict[str, list[int]] = {}
        self._by_name: dict[str, int] = {}
        for start in named:
            name, kind = offsets[self._words[start]], self._kind(start)
            if kind == _STRUCT:
                self._structs.setdefault(name, []).append(start)
            elif kind in (_FUNC, _TYPEDEF):
                self._by_name.setdefault(name, start)

    def _walk(self, name_offsets: Iterable[int]) -> tuple[list[int], list[int]]:
        # Where each type starts, by id (0 is void, and is nowhere), and where those with the given names do.
        # The one loop over all types: kept to what it must do.
        words, fixed, items = self._words, _FIXED_WORDS, _ITEM_WORDS
        wanted = frozenset(name_offsets)
        starts, named = [-1], []
        append = starts.append
        at, end = 0, len(words)
        while at < end:
            append(at)
            if words[at] in wanted:
                named.append(at)
            info = words[at + 1]
            kind = info >> 24 & 31
            at += fixed[kind] + items[kind] * (info & 0xFFFF)
        return starts, named

    def _kind(self, start: int) -> int:
        return self._words[start + 1] >> 24 & 31

    def _string(self, offset: int) -> str:
        return self._strings[offset : self._strings.index(0, offset)].decode()

    def find_member(self, struct_name: str, path: str) -> Place | None:  # noqa: D102  as Btf
        try:
            places = (self._find_in(start, path) for start in self._structs.get(struct_name, ()))
            return next(filter(None, places), None)
        except _BROKEN as error:
            raise _cannot_read(self._source, error) from error

    def _find_in(self, start: int, path: str) -> Place | None:
        name, _, rest = path.partition(".")
        info = self._words[start + 1]
        for at in range(start + 3, start + 3 + 3 * (info & 0xFFFF), 3):
            name_offset, member_type, where = self._words[at : at + 3]
            bit_size, bit_offset = (where >> 24, where & 0xFFFFFF) if info & _BIT_FIELD_FLAG else (0, where)
            if not name_offset:
                inner = self._find_inside(member_type, path)
            elif self._string(name_offset) == name:
                if not rest:
                    return Place(bit_offset, bit_size, 0 if bit_size else self._size(member_type))
                inner = self._find_inside(member_type, rest)
            else:
                inner = None
            if inner:
                return Place(bit_offset + inner.bit_offset, inner.bit_size, inner.size)
        return None

    def _find_inside(self, type_id: int, path: str) -> Place | None:
        start = self._strip(type_id)
        return self._find_in(start, path) if self._kind(start) in (_STRUCT, _UNION) else None

    def _strip(self, type_id: int) -> int:
        # Where the type starts that is behind the typedefs and qualifiers.
        for _ in self._starts:
            start = self._starts[type_id]
            if self._kind(start) not in _MODIFIERS:
                return start
            type_id = self._words[start + 2]
        raise ValueError("a type is an alias of itself")

    def _size(self, type_id: int) -> int:
        start = self._strip(type_id)
        kind = self._kind(start)
        if kind == _PTR:
            return _POINTER_SIZE
        if kind == _ARRAY:
            return self._size(self._words[start + 3]) * self._words[start + 5]
        return self._words[start + 2]

    def find_parameters(self, function: str) -> tuple[str, ...] | None:  # noqa: D102  as Btf
        start = self._by_name.get(function)
        if start is None or self._kind(start) != _FUNC:
            return None
        try:
            proto = self._starts[self._words[start + 2]]
            count = self._words[proto + 1] & 0xFFFF
            return tuple(self._string(self._words[at]) for at in range(proto + 3, proto + 3 + 2 * count, 2))
        except _BROKEN as error:
            raise _cannot_read(self._source, error) from error

    def find_enumerator(self, name: str) -> int | None:  # noqa: D102  as Btf
        offset = self._strings.find(f"\0{name}\0".encode()) + 1
        return self._enumerators.get(offset) if offset else None

    @cached_property
    def _enumerators(self) -> dict[int, int]:
        # Offset of a name -> value. Of what only some ask for.
        found: dict[int, int] = {}
        for start in self._starts[1:]:
            info = self._words[start + 1]
            if info >> 24 & 31 == _ENUM:
                words = self._words[start + 3 : start + 3 + 2 * (info & 0xFFFF)]
                found.update(zip(words[::2], words[1::2], strict=False))  # a damaged file may end there
        return found

    def find_id(self, name: str) -> int | None:  # noqa: D102  as Btf
        start = self._by_name.get(name) or next(iter(self._structs.get(name, ())), None)
        return None if start is None else self._starts.index(start)


def _cannot_read(source: str, error: Exception) -> UnsupportedKernel:
    return UnsupportedKernel(
        f"{source} cannot be read as BTF: {error}", hint="give the running kernel's BTF with --btf FILE"
    )


def _check_magic(magic: int) -> None:
    if magic != _MAGIC:
        raise ValueError("it does not begin with BTF's magic number")


def read_btf(names: Iterable[str], path: Path | None = None) -> Btf:
    """Read the running kernel's BTF, or a file that holds it.

    Args:
        names: The structs, functions and tracepoints' types that will be looked up.
        path: The file; None is the kernel's own.

    Raises:
        UnsupportedKernel: There is none, or it cannot be read.
    """
    path = path or KERNEL_BTF
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnsupportedKernel(
            f"no kernel type information: cannot read {path}: {error.strerror}",
            hint="a kernel with CONFIG_DEBUG_INFO_BTF has it; else give this kernel's BTF with --btf FILE",
        ) from error
    return BtfFile(data, str(path), names)
