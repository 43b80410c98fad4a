# SPDX-License-Identifier: GPL-2.0-only
"""Members of the kernel's structs, as the C compiler places them."""

import subprocess
import sys
from pathlib import Path

import pytest

from tcpio.errors import UnsupportedKernel
from tcpio.kernel.btf import KERNEL_BTF, BtfFile, read_btf
from tcpio.kernel.structs import to_c
from tcpio.schema.c_header import BPF_DIR, Member, read_header
from tests.unit.kernel.btf_blob import FIRST_OFFSET, GAP, Blob, Kernel

HINT = "it is newer or older than what tcpio knows; please report it with the output of 'uname -r'"

MEMBERS = [(struct, member.name) for struct, members in read_header("kernel.h").structs.items() for member in members]


def compile_asserts(text: str, places: dict[str, dict[str, int]], folder: Path) -> None:
    """Let the C compiler say whether each member lies where it should."""
    source = folder / "structs.c"
    asserts = "\n".join(
        f'_Static_assert(offsetof(struct {struct}, {member}) == {offset}, "{struct}.{member}");'
        for struct, offsets in places.items()
        for member, offset in offsets.items()
    )
    source.write_text(f"#include <stddef.h>\n#include <linux/kconfig.h>\n{text}\n{asserts}\n")
    command = [
        "cc",
        "-fsyntax-only",
        "-Wall",
        "-Werror",
        "-nostdinc",
        f"-I{BPF_DIR}/include",
        f"-I{folder}",
        str(source),
    ]
    (folder / "stddef.h").write_text("#define offsetof(type, member) __builtin_offsetof(type, member)\n")
    found = subprocess.run(command, check=False, capture_output=True, text=True)

    assert found.stderr == ""


def test_each_member_is_put_where_the_kernel_has_it(tmp_path: Path) -> None:
    kernel = Kernel()

    compile_asserts(to_c(kernel.btf()), kernel.offsets, tmp_path)


def test_the_made_up_kernel_is_not_laid_out_as_the_header() -> None:
    assert Kernel().offsets["sk_buff"]["sk"] == FIRST_OFFSET
    assert Kernel().offsets["sk_buff"]["dev"] == FIRST_OFFSET + GAP


def test_this_kernels_members_are_put_where_it_has_them(tmp_path: Path) -> None:
    if not KERNEL_BTF.exists():
        pytest.skip(f"this kernel has no {KERNEL_BTF}")
    btf = read_btf(read_header("kernel.h").structs)
    places: dict[str, dict[str, int]] = {}
    for struct, member in MEMBERS:
        place = btf.find_member(struct, member)
        assert place is not None
        places.setdefault(struct, {})[member] = place.bit_offset // 8

    compile_asserts(to_c(btf), places, tmp_path)


def test_members_may_overlap(tmp_path: Path) -> None:
    text = to_c(_Overlapping().btf())

    compile_asserts(text, {"sock_common": dict.fromkeys(("skc_daddr", "skc_state"), 0)}, tmp_path)


def test_a_member_may_lie_where_no_compiler_would_put_it(tmp_path: Path) -> None:
    offsets = {
        name: {member.name: 1 for member in members} for name, members in read_header("kernel.h").structs.items()
    }
    aligned = {"ns_common": {"inum": 12}, "sk_buff": {"protocol": 2, "head": 8}}

    assert "packed" not in to_c(_Overlapping(aligned).btf())
    compile_asserts(to_c(_Overlapping(offsets).btf()), offsets, tmp_path)


class _Overlapping(Kernel):
    # A kernel whose unions let several members begin at the same byte, the first if nothing else is said.
    def __init__(self, at: dict[str, dict[str, int]] | None = None) -> None:
        super().__init__()
        self._at = at or {}

    def data(self) -> bytes:
        blob = Blob()
        ids: dict[str, int] = {}
        pointer = blob.pointer()
        for name, members in read_header("kernel.h").structs.items():
            rows = []
            for member in members:
                size = member.item_size
                offset = self._at.get(name, {}).get(member.name, 0)
                item = (
                    pointer if member.is_pointer else ids[member.type[7:]] if size is None else blob.integer("", size)
                )
                rows.append((member.name, blob.array(item, member.count) if member.count else item, 8 * offset))
            ids[name] = blob.struct(name, 64, rows)
        return blob.build()


def test_the_text_stands_for_the_header() -> None:
    assert to_c(Kernel().btf()).startswith("#define TCPIO_KERNEL_H\n")
    assert "#ifndef TCPIO_KERNEL_H\n" in (BPF_DIR / "kernel.h").read_text()


@pytest.mark.parametrize(("struct", "member"), MEMBERS)
def test_a_missing_member_is_told(struct: str, member: str) -> None:
    btf = Kernel(without=[f"{struct}.{member}"]).btf()
    with pytest.raises(UnsupportedKernel) as caught:
        to_c(btf)

    assert str(caught.value) == f"this kernel's struct {struct} has no member {member}"
    assert caught.value.hint == HINT


def sized(*, is_integer: bool) -> list[tuple[str, Member]]:
    """Members whose size the header says and that are no bit-fields: integers, or pointers and arrays."""
    return [
        (struct, member)
        for struct, members in read_header("kernel.h").structs.items()
        for member in members
        if member.item_size and member.name != "pkt_type" and is_integer != (member.is_pointer or bool(member.count))
    ]


def refusal(struct: str, name: str, size: int) -> str:
    btf = Kernel(sizes={f"{struct}.{name}": size}).btf()
    with pytest.raises(UnsupportedKernel) as caught:
        to_c(btf)

    assert caught.value.hint == HINT
    return str(caught.value)


@pytest.mark.parametrize(("struct", "member"), sized(is_integer=True) + sized(is_integer=False))
def test_a_smaller_member_is_told(struct: str, member: Member) -> None:
    assert member.item_size is not None
    size = member.item_size * (member.count or 1) - 1

    assert refusal(struct, member.name, size).startswith(
        f"this kernel's struct {struct} has {member.name} in another form: "
    )


@pytest.mark.parametrize(("struct", "member"), sized(is_integer=False))
def test_a_larger_pointer_or_array_is_told(struct: str, member: Member) -> None:
    assert refusal(struct, member.name, 17).startswith(
        f"this kernel's struct {struct} has {member.name} in another form: "
    )


@pytest.mark.parametrize(("struct", "member"), sized(is_integer=True))
def test_of_a_larger_integer_the_low_part_is_read(struct: str, member: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "byteorder", "little")

    assert f"{member.declaration};" in to_c(Kernel(sizes={f"{struct}.{member.name}": 16}).btf())


def test_a_larger_integer_is_told_where_its_low_part_is_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "byteorder", "big")

    assert "has priv_flags in another form" in refusal("net_device", "priv_flags", 8)


def test_a_bit_field_that_does_not_begin_a_byte_is_told() -> None:
    blob = Blob()
    byte = blob.integer("u8", 1)
    rows = [(member.name, byte, 1, 3) for member in read_header("kernel.h").structs["ns_common"]]
    blob.bit_struct("ns_common", 8, rows)
    with pytest.raises(UnsupportedKernel, match=r"^this kernel's struct ns_common has inum in another form"):
        to_c(BtfFile(blob.build(), "made-up", read_header("kernel.h").structs))


def test_a_bit_field_that_is_too_wide_is_told() -> None:
    blob = Blob()
    rows = [(member.name, blob.integer("u64", 8), 0, 33) for member in read_header("kernel.h").structs["ns_common"]]
    blob.bit_struct("ns_common", 8, rows)
    with pytest.raises(UnsupportedKernel, match=r"^this kernel's struct ns_common has inum in another form"):
        to_c(BtfFile(blob.build(), "made-up", read_header("kernel.h").structs))
