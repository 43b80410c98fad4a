# SPDX-License-Identifier: GPL-2.0-only
"""The running kernel's types, of which what a start asks for is kept: to walk through all of them is a fifth of it."""

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import tcpio
from tcpio.kernel import btf
from tcpio.kernel.btf import Btf, Place, read_btf
from tcpio.kernel.cache import keep, make_key, recall
from tcpio.schema.c_header import Member, read_header

NOTES = Path("/sys/kernel/notes")
"""The notes of the kernel's ELF file. The build id among them is a digest of all that is in it, BTF included."""

_BUILD_ID = b"GNU\0"


class KnownTypes:
    """Types of which most answers are known; only for other questions all types are read.

    Args:
        answers: What ``answer`` gave.
        read: Reads all types.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: The answers are something else.
    """

    def __init__(self, answers: Mapping[str, Any], read: Callable[[], Btf]) -> None:
        self._read = read
        members, parameters, ids = answers["members"], answers["parameters"], answers["ids"]
        self._members = {path: Place(*map(int, place)) if place else None for path, place in members.items()}
        self._parameters = {name: tuple(map(str, of)) if of is not None else None for name, of in parameters.items()}
        self._ids = {name: None if number is None else int(number) for name, number in ids.items()}

    @cached_property
    def _all(self) -> Btf:
        return self._read()

    def find_member(self, struct_name: str, path: str) -> Place | None:  # noqa: D102  as Btf
        key = f"{struct_name}.{path}"
        return self._members[key] if key in self._members else self._all.find_member(struct_name, path)

    def find_parameters(self, function: str) -> tuple[str, ...] | None:  # noqa: D102  as Btf
        return self._parameters[function] if function in self._parameters else self._all.find_parameters(function)

    def find_enumerator(self, name: str) -> int | None:  # noqa: D102  as Btf
        return self._all.find_enumerator(name)

    def find_id(self, name: str) -> int | None:  # noqa: D102  as Btf
        return self._ids[name] if name in self._ids else self._all.find_id(name)


def make_kernel_key(*questions: str) -> str | None:
    """Give the key of what is kept of this very build of the kernel; None if it does not tell which one it is."""
    try:
        notes = NOTES.read_bytes()
        size = btf.KERNEL_BTF.stat().st_size
    except OSError:
        return None
    return (
        make_key(tcpio.__version__, notes.hex(), os.uname().version, str(size), *questions)
        if _BUILD_ID in notes
        else None
    )


def answer(types: Btf, structs: Mapping[str, Iterable[Member]], names: Iterable[str]) -> dict[str, object]:
    """Give what is to be kept: where the members of structs are, and what is known of functions by their names."""
    names = list(names)
    places = {
        f"{struct}.{member.name}": (struct, member.name) for struct, members in structs.items() for member in members
    }
    found = {path: types.find_member(*question) for path, question in places.items()}
    return {
        "members": {path: place and (place.bit_offset, place.bit_size, place.size) for path, place in found.items()},
        "parameters": {name: types.find_parameters(name) for name in names},
        "ids": {name: types.find_id(name) for name in names},
    }


def read_known_types(names: Iterable[str]) -> Btf:
    """Read the running kernel's types: what was kept of them, or all.

    Args:
        names: Functions, and other structs than those of bpf/kernel.h, that will be looked up.

    Raises:
        UnsupportedKernel: There are none, or they cannot be read.
    """
    structs = read_header("kernel.h").structs
    names = sorted(names)

    def read() -> Btf:
        return read_btf([*structs, *names])

    key = make_kernel_key(str(structs), *names)
    if key is None:
        return read()
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):  # not there, or damaged
        return KnownTypes(json.loads(recall(key)), read)
    types = read()
    keep(key, json.dumps(answer(types, structs, names)))
    return types
