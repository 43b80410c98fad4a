# SPDX-License-Identifier: GPL-2.0-only
"""The record, as the C compiler lays it out."""

import ctypes
import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tcpio.schema import record
from tcpio.schema.c_header import BPF_DIR, read_header
from tcpio.schema.record import RECORD, no_records, opaque, take
from tests.unit.samples import make_records, times

if TYPE_CHECKING:
    from pathlib import Path

PRINT_LAYOUT = """
#include <stddef.h>
#include <stdio.h>
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
#include "record.h"
int main(void)
{
	%s
	printf("sizeof %%zu %%zu\\n", sizeof(struct tcp_record), _Alignof(struct tcp_record));
	return 0;
}
"""
PRINT_MEMBER = 'printf("{0} %zu %zu\\n", offsetof(struct tcp_record, {0}), sizeof(((struct tcp_record *)0)->{0}));'


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, int]]:
    """What the C compiler says: each member's offset and size."""
    folder: Path = tmp_path_factory.mktemp("layout")
    source, program = folder / "layout.c", folder / "layout"
    source.write_text(PRINT_LAYOUT % "\n\t".join(PRINT_MEMBER.format(name) for name in RECORD.names or ()))
    subprocess.run(["cc", f"-I{BPF_DIR}", "-Werror", "-o", program, source], check=True)
    output = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    rows = (line.split() for line in output.splitlines())
    return {name: (int(offset), int(size)) for name, offset, size in rows}


def test_members_lie_where_the_compiler_puts_them(compiled: dict[str, tuple[int, int]]) -> None:
    assert RECORD.fields is not None
    read = {name: (field[1], field[0].itemsize) for name, field in RECORD.fields.items()}
    said = {name: place for name, place in compiled.items() if name != "sizeof"}

    assert said == read


def test_the_size_is_the_compilers(compiled: dict[str, tuple[int, int]]) -> None:
    assert compiled["sizeof"] == (RECORD.itemsize, ctypes.alignment(ctypes.c_uint64))


def test_a_record_has_at_most_96_bytes() -> None:
    assert RECORD.itemsize <= 96


def test_every_member_says_what_it_is() -> None:
    silent = [member.name for member in read_header("record.h").structs["tcp_record"] if not member.comment]

    assert silent == []


def test_constants_are_those_of_the_header() -> None:
    assert (record.SEND, record.RECEIVE) == (0, 1)
    assert (record.LOST, record.UNREADABLE, record.OUTCOMES) == (0, 1, 2)


def test_no_records_are_records() -> None:
    assert (0, RECORD) == (len(no_records()), no_records().dtype)


def test_take_gives_the_records_of_the_index() -> None:
    records = make_records([10, 11, 12, 13], lport=[1, 2, 3, 4], laddr="192.0.2.1")
    taken = take(records, np.array([3, 0, 0]))

    assert times(taken) == [13, 10, 10]
    assert records[[3, 0, 0]].tobytes() == taken.tobytes()


def test_members_can_be_filled_as_opaque_items() -> None:
    records = np.zeros(3, RECORD)
    addresses = np.arange(6, dtype=np.uint64).reshape(3, 2)
    opaque(records, "raddr")[:] = addresses.view("V16")[:, 0]
    opaque(records, "lport")[:] = [1, 2, 3]

    assert records["raddr"].tolist() == addresses.tolist()
    assert records["lport"].tolist() == [1, 2, 3]
    assert not records["laddr"].any()
