# SPDX-License-Identifier: GPL-2.0-only
"""BTF made by hand, damaged BTF, and this kernel's own as bpftool reads it."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tcpio.errors import UnsupportedKernel
from tcpio.kernel.btf import KERNEL_BTF, Btf, BtfFile, Place, read_btf
from tcpio.kernel.hooks import FUNCTIONS, RETURN
from tcpio.schema.c_header import read_header
from tests.unit.kernel import btf_blob
from tests.unit.kernel.btf_blob import Blob, Kernel

NAMES = ("outer", "flags", "plain", "enumerated", "hook", "bare", "gone", "loop", "spiral")


def make_blob() -> Blob:
    """Types of every kind, those that are looked up among those that are walked over."""
    blob = Blob()
    u8, u32 = blob.integer("u8", 1), blob.integer("u32", 4)
    blob.add(btf_blob.ENUM, "colour", 4, blob.string("RED"), 0, blob.string("BLUE"), 1, vlen=2)
    blob.add(btf_blob.ENUM64, "wide", 8, blob.string("FAR"), 0, 1, vlen=1)
    blob.add(btf_blob.FWD, "later", 0)
    blob.add(btf_blob.FLOAT, "double", 8)
    blob.add(btf_blob.VAR, "jiffies", u32, 0)
    blob.add(btf_blob.DATASEC, ".data", 4, 7, 0, 4, vlen=1)
    blob.add(btf_blob.DECL_TAG, "tag", 7, 0xFFFFFFFF)
    tagged = blob.add(btf_blob.TYPE_TAG, "rcu", u32)
    alias = blob.add(
        btf_blob.TYPEDEF,
        "alias",
        blob.add(btf_blob.CONST, "", blob.add(btf_blob.VOLATILE, "", blob.add(btf_blob.RESTRICT, "", tagged))),
    )
    row = blob.array(u32, 3)
    rows = blob.array(row, 2)
    inner = blob.struct("", 8, [("deep", u32, 0), ("deeper", u8, 32)])
    union = blob.struct("", 16, [("narrow", u8, 0), ("", inner, 64)], kind=btf_blob.UNION)
    named = blob.struct("plain", 8, [("first", u8, 0), ("second", u32, 32)])
    holder = blob.add(btf_blob.TYPEDEF, "holder", named)
    blob.struct(
        "outer",
        96,
        [
            ("head", u32, 0),
            ("", union, 64),
            ("aliased", alias, 192),
            ("table", rows, 224),
            ("link", blob.pointer(named), 448),
            ("member", holder, 512),
        ],
    )
    blob.bit_struct("flags", 8, [("low", u8, 8, 3), ("high", u8, 11, 5), ("whole", u32, 32, 0)])
    blob.add(btf_blob.ENUM, "enumerated", 4, vlen=0)
    blob.function("hook", ("sk", "skb"), u32)
    blob.function("bare", (), u32)
    return blob


@pytest.fixture(scope="module")
def btf() -> Btf:
    return BtfFile(make_blob().build(), "made-up", NAMES)


@pytest.mark.parametrize(
    ("struct", "path", "place"),
    [
        ("outer", "head", Place(0, 0, 4)),
        ("outer", "narrow", Place(64, 0, 1)),
        ("outer", "deep", Place(128, 0, 4)),
        ("outer", "deeper", Place(160, 0, 1)),
        ("outer", "aliased", Place(192, 0, 4)),
        ("outer", "table", Place(224, 0, 24)),
        ("outer", "link", Place(448, 0, 8)),
        ("outer", "member", Place(512, 0, 8)),
        ("outer", "member.second", Place(544, 0, 4)),
        ("plain", "second", Place(32, 0, 4)),
        ("flags", "low", Place(8, 3, 0)),
        ("flags", "high", Place(11, 5, 0)),
        ("flags", "whole", Place(32, 0, 4)),
    ],
)
def test_a_member_is_found_where_it_lies(btf: Btf, struct: str, path: str, place: Place) -> None:
    assert place == btf.find_member(struct, path)


@pytest.mark.parametrize(
    ("struct", "path"),
    [
        ("outer", "first"),  # behind a pointer is not inside
        ("outer", "head.first"),
        ("outer", "member.third"),
        ("outer", ""),
        ("gone", "head"),
        ("enumerated", "head"),
        ("hook", "sk"),
    ],
)
def test_a_member_that_is_not_there_is_none(btf: Btf, struct: str, path: str) -> None:
    assert btf.find_member(struct, path) is None


def test_parameters_are_named_in_order(btf: Btf) -> None:
    assert btf.find_parameters("hook") == ("sk", "skb")
    assert btf.find_parameters("bare") == ()


def test_a_function_that_is_not_there_is_none(btf: Btf) -> None:
    assert btf.find_parameters("gone") is None
    assert btf.find_parameters("plain") is None
    assert btf.find_id("gone") is None


def test_ids_are_the_kernels(btf: Btf) -> None:
    blob = Blob()
    u32 = blob.integer("u32", 4)
    expected = blob.function("hook", ("sk",), u32)
    blob.function("bare", (), u32)

    assert expected == BtfFile(blob.build(), "made-up", ["hook"]).find_id("hook") == 3
    assert btf.find_id("hook") != btf.find_id("bare")


def test_a_tracepoint_is_known_by_the_type_of_its_programs() -> None:
    blob = Blob()
    expected = blob.add(btf_blob.TYPEDEF, "btf_trace_net_dev_queue", blob.pointer())
    btf = BtfFile(blob.build(), "made-up", ["btf_trace_net_dev_queue"])

    assert btf.find_id("btf_trace_net_dev_queue") == expected
    assert btf.find_parameters("btf_trace_net_dev_queue") is None


def test_a_struct_has_an_id() -> None:
    blob = make_blob()
    expected = blob.struct("new_utsname", 8, [("sysname", blob.integer("u64", 8), 0)])

    assert BtfFile(blob.build(), "made-up", ["new_utsname"]).find_id("new_utsname") == expected


def test_only_what_was_asked_for_is_known() -> None:
    btf = BtfFile(make_blob().build(), "made-up", ["plain"])

    assert btf.find_member("plain", "first") == Place(0, 0, 1)
    assert btf.find_member("outer", "head") is None


def test_a_name_that_is_the_end_of_another_is_not_taken_for_it() -> None:
    blob = Blob()
    u32 = blob.integer("u32", 4)
    blob.struct("inet_sock", 4, [("a", u32, 0)])
    blob.struct("sock", 4, [("b", u32, 0)])
    btf = BtfFile(blob.build(), "made-up", ["sock"])

    assert btf.find_member("sock", "a") is None
    assert btf.find_member("sock", "b") == Place(0, 0, 4)


def test_a_member_of_the_second_struct_of_a_name_is_found() -> None:
    blob = Blob()
    u32 = blob.integer("u32", 4)
    offset = blob.string("twice")
    for member in ("a", "b"):
        blob.struct("", 4, [(member, u32, 0)])
    data = bytearray(blob.build())
    # Both get the one name that the string section holds, as two structs of a kernel would.
    for at in (24 + 16, 24 + 16 + 24):
        data[at : at + 4] = offset.to_bytes(4, "little")

    assert BtfFile(bytes(data), "made-up", ["twice"]).find_member("twice", "b") == Place(0, 0, 4)


def refuses(act: Callable[[], object]) -> str:
    with pytest.raises(UnsupportedKernel) as caught:
        act()
    return str(caught.value)


@pytest.mark.parametrize("data", [b"", b"\x9f\xeb", b"\0" * 100, b"ELF" * 100])
def test_what_is_no_btf_is_refused(data: bytes) -> None:
    assert refuses(lambda: BtfFile(data, "some file", NAMES)).startswith("some file cannot be read as BTF: ")


def test_a_kind_of_type_that_is_not_known_is_refused() -> None:
    blob = Blob()
    blob.add(25, "future", 0)

    assert "cannot be read as BTF" in refuses(lambda: BtfFile(blob.build(), "made-up", ["future"]))


def test_a_typedef_of_itself_is_refused() -> None:
    blob = Blob()
    loop = blob.add(btf_blob.TYPEDEF, "self", 1)
    blob.struct("loop", 4, [("a", loop, 0)])
    btf = BtfFile(blob.build(), "made-up", ["loop"])

    assert "cannot be read as BTF" in refuses(lambda: btf.find_member("loop", "a"))


def test_a_struct_inside_itself_is_refused() -> None:
    blob = Blob()
    blob.struct("spiral", 4, [("", 1, 0)])
    btf = BtfFile(blob.build(), "made-up", ["spiral"])

    assert "cannot be read as BTF" in refuses(lambda: btf.find_member("spiral", "a"))


def look_everything_up(data: bytes) -> None:
    btf = BtfFile(data, "made-up", NAMES)
    for struct in NAMES:
        for path in ("head", "deep", "member.second", "a", "aliased", "table"):
            btf.find_member(struct, path)
        btf.find_parameters(struct)
        btf.find_id(struct)


WHOLE = make_blob().build()


def look_up_or_refuse(data: bytes) -> None:
    try:
        look_everything_up(data)
    except UnsupportedKernel as error:
        assert str(error).startswith("made-up cannot be read as BTF: ")  # noqa: PT017  there may be none


@given(st.binary(max_size=200))
def test_garbage_is_read_or_refused(data: bytes) -> None:
    look_up_or_refuse(data)


@given(st.binary(max_size=200))
def test_garbage_behind_a_good_header_is_read_or_refused(data: bytes) -> None:
    look_up_or_refuse(WHOLE[:24] + data)


@pytest.mark.parametrize("length", range(0, len(WHOLE), 7))
def test_a_truncated_file_is_read_or_refused(length: int) -> None:
    look_up_or_refuse(WHOLE[:length])


@given(st.integers(0, len(WHOLE) // 4 - 1), st.integers(0, 0xFFFFFFFF) | st.integers(0, 40))
@example(1, 0xFFFFFFFF)
def test_a_damaged_word_is_read_or_refused(word: int, value: int) -> None:
    look_up_or_refuse(WHOLE[: word * 4] + value.to_bytes(4, "little") + WHOLE[word * 4 + 4 :])


def test_a_file_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "vmlinux"
    path.write_bytes(WHOLE)

    assert read_btf(["plain"], path).find_member("plain", "first") == Place(0, 0, 1)


def test_a_file_that_is_not_there_is_told_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "vmlinux"
    with pytest.raises(UnsupportedKernel) as caught:
        read_btf(["plain"], path)

    assert str(caught.value) == f"no kernel type information: cannot read {path}: No such file or directory"
    assert caught.value.hint == (
        "a kernel with CONFIG_DEBUG_INFO_BTF has it; else give this kernel's BTF with --btf FILE"
    )


def test_the_kernels_own_is_read_if_none_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "vmlinux"
    path.write_bytes(Kernel().data())
    monkeypatch.setattr("tcpio.kernel.btf.KERNEL_BTF", path)

    assert read_btf(["sk_buff"]).find_member("sk_buff", "sk") == Place(64, 0, 8)


# Against bpftool's reading of this kernel.


@pytest.fixture(scope="module")
def dump() -> list[dict[str, Any]]:
    """What bpftool reads: every type of this kernel, by id from 1."""
    if not KERNEL_BTF.exists():
        pytest.skip(f"this kernel has no {KERNEL_BTF}")
    program = shutil.which("bpftool", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        pytest.skip("bpftool is not installed; the package bpftool has it")
    command = [program, "--json", "btf", "dump", "file", str(KERNEL_BTF)]
    types: list[dict[str, Any]] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["types"]
    return types


@pytest.fixture(scope="module")
def kernel() -> Btf:
    if not KERNEL_BTF.exists():
        pytest.skip(f"this kernel has no {KERNEL_BTF}")
    return read_btf([*read_header("kernel.h").structs, *FUNCTIONS])


def find_offset(dump: list[dict[str, Any]], struct: dict[str, Any], name: str) -> tuple[int, int] | None:
    """Find a member's offset and bit-field size in bits, as bpftool says it."""
    for member in struct["members"]:
        if member["name"] == name:
            return member["bits_offset"], member.get("bitfield_size", 0)
        if member["name"] == "(anon)":
            inner = dump[member["type_id"] - 1]
            found = find_offset(dump, inner, name) if inner["kind"] in ("STRUCT", "UNION") else None
            if found:
                return member["bits_offset"] + found[0], found[1]
    return None


@pytest.mark.parametrize("struct", sorted(read_header("kernel.h").structs))
def test_members_lie_where_bpftool_says(dump: list[dict[str, Any]], kernel: Btf, struct: str) -> None:
    (said,) = (entry for entry in dump if entry["kind"] == "STRUCT" and entry["name"] == struct)
    for member in read_header("kernel.h").structs[struct]:
        place = kernel.find_member(struct, member.name)

        assert place is not None
        assert find_offset(dump, said, member.name) == (place.bit_offset, place.bit_size)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_functions_are_as_bpftool_says(dump: list[dict[str, Any]], kernel: Btf, function: str) -> None:
    entries = [entry for entry in dump if entry["kind"] == "FUNC" and entry["name"] == function]
    if not entries:
        assert kernel.find_parameters(function) is None
        return
    names = tuple(parameter["name"] for parameter in dump[entries[0]["type_id"] - 1]["params"])

    assert names == kernel.find_parameters(function)
    assert entries[0]["id"] == kernel.find_id(function)


def test_enumerators_have_the_values_that_bpftool_says(dump: list[dict[str, Any]], kernel: Btf) -> None:
    said = {
        value["name"]: value["val"] for entry in dump if entry["kind"] == "ENUM" for value in entry.get("values", ())
    }
    for name in ("LINUX_MIB_LISTENDROPS", "TCP_MIB_INERRS", "IPSTATS_MIB_INDELIVERS"):
        assert said[name] == kernel.find_enumerator(name)
    assert kernel.find_enumerator("LINUX_MIB_NONE_SUCH") is None


def test_return_is_no_parameters_name() -> None:
    assert RETURN == "return"  # a keyword of C
