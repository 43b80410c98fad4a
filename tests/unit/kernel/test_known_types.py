# SPDX-License-Identifier: GPL-2.0-only
"""What is kept of a kernel's types says the same as they do, and is kept for that kernel alone."""

import json
import platform
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tcpio.errors import UnsupportedKernel
from tcpio.kernel import features, known_types
from tcpio.kernel.btf import Btf, BtfFile, Place, read_btf
from tcpio.kernel.hooks import Direction, Rung
from tcpio.kernel.known_types import KnownTypes, answer, read_known_types
from tcpio.kernel.plan import make_plan
from tcpio.kernel.structs import to_c
from tcpio.schema.c_header import read_header
from tcpio.schema.support import YES
from tests.unit.kernel.btf_blob import KERNEL_PARAMETERS, Kernel

STRUCTS = read_header("kernel.h").structs
NAMES = ["tcp_v4_rcv", "btf_trace_net_dev_queue", "no_such_function", "new_utsname"]
NOTES = b"\4\0\0\0\24\0\0\0\3\0\0\0GNU\0" + bytes(range(20))


def refuse() -> Btf:
    raise AssertionError("this needs no types")


def known(btf: Btf, read: Callable[[], Btf] = refuse) -> KnownTypes:
    """Give what is known after it was written and read."""
    return KnownTypes(json.loads(json.dumps(answer(btf, STRUCTS, NAMES))), read)


@pytest.fixture
def kernel_btf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The BTF of a made-up kernel that tells of its build, where things may be kept."""
    path = tmp_path / "vmlinux"
    path.write_bytes(Kernel().data())
    (tmp_path / "notes").write_bytes(NOTES)
    monkeypatch.setattr("tcpio.kernel.btf.KERNEL_BTF", path)
    monkeypatch.setattr(known_types, "NOTES", tmp_path / "notes")
    monkeypatch.setenv("TCPIO_CACHE", str(tmp_path / "kept"))
    return path


@pytest.fixture
def reads(kernel_btf: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """How often all types were read."""
    read: list[Path] = []

    def count(names: list[str]) -> Btf:
        read.append(kernel_btf)
        return read_btf(names)

    monkeypatch.setattr(known_types, "read_btf", count)
    return read


@pytest.mark.parametrize("answerer", [BtfFile, KnownTypes])
def test_whoever_answers_says_the_same(answerer: type[Btf]) -> None:
    kernel = Kernel()
    kernel.add_enumerator("LINUX_MIB_OTHER", 73)
    btf = kernel.btf(*NAMES)
    types: Btf = btf if answerer is BtfFile else known(btf, lambda: btf)

    assert isinstance(types, answerer)
    assert types.find_member("sk_buff", "dev") == Place(8 * kernel.offsets["sk_buff"]["dev"], 0, 8)
    assert types.find_member("sk_buff", "no_such_member") is None
    assert types.find_parameters("tcp_v4_rcv") == ("skb",)
    assert types.find_enumerator("LINUX_MIB_OTHER") == 73
    assert types.find_id("sk_buff") == kernel.ids["sk_buff"]


def test_structs_are_placed_as_by_the_types_themselves() -> None:
    btf = Kernel().btf()

    assert to_c(known(btf)) == to_c(btf)


def test_functions_and_ids_are_those_of_the_types() -> None:
    kernel = Kernel()
    kernel.add_struct("new_utsname", "sysname")
    btf = kernel.btf(*NAMES)
    types = known(btf)

    assert [types.find_parameters(name) for name in NAMES] == [("skb",), None, None, None]
    assert [types.find_id(name) for name in NAMES] == [btf.find_id(name) for name in NAMES]
    assert types.find_id("no_such_function") is None
    assert None not in [types.find_id(name) for name in NAMES if name != "no_such_function"]


def test_what_is_missing_is_known_to_be() -> None:
    with pytest.raises(UnsupportedKernel, match=r"^this kernel's struct sk_buff has no member dev$"):
        to_c(known(Kernel(without=["sk_buff.dev"]).btf()))


def test_what_is_not_known_is_looked_up() -> None:
    kernel = Kernel()
    kernel.add_struct("tcp_timewait_sock", "tw_ts_recent")
    btf = kernel.btf("tcp_timewait_sock")
    types = known(btf, lambda: btf)

    assert types.find_member("tcp_timewait_sock", "tw_ts_recent") == Place(0, 0, 8)
    assert types.find_parameters("ip6_xmit") == KERNEL_PARAMETERS["ip6_xmit"]
    assert types.find_id("ip6_xmit") == btf.find_id("ip6_xmit")
    assert types.find_enumerator("LINUX_MIB_OTHER") is None


def test_all_types_are_read_once(reads: list[Path]) -> None:
    first, second = (read_known_types(NAMES) for _ in range(2))

    assert len(reads) == 1
    assert to_c(first) == to_c(second)
    assert first.find_parameters("tcp_v4_rcv") == second.find_parameters("tcp_v4_rcv") == ("skb",)


@pytest.mark.parametrize("rung", list(Rung))
def test_a_second_start_asks_for_nothing_else(reads: list[Path], monkeypatch: pytest.MonkeyPatch, rung: Rung) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")  # whose seventh parameter can be read at a kprobe
    monkeypatch.setattr(features, "_ask_program", lambda *_: YES)
    monkeypatch.setattr(features, "_ask_kprobe", lambda *_: YES)
    for _ in range(2):
        plan = make_plan(None, rung=rung, directions=tuple(Direction))
        for program in plan.source("1").programs:
            plan.btf.find_id(program.hook.btf_name)

    assert len(reads) == 1


def test_another_kernel_is_read(reads: list[Path], tmp_path: Path) -> None:
    read_known_types(NAMES)
    (tmp_path / "notes").write_bytes(NOTES[:-1] + b"!")
    read_known_types(NAMES)

    assert len(reads) == 2


def test_other_names_are_looked_up(reads: list[Path]) -> None:
    read_known_types(NAMES)
    read_known_types([*NAMES, "ip6_xmit"])

    assert len(reads) == 2


@pytest.mark.parametrize("notes", [None, b"\4\0\0\0\2\0\0\0\1\0\0\0Xen\0\1\1\0\0"])
def test_a_kernel_that_does_not_tell_of_its_build_is_read_each_time(
    reads: list[Path], tmp_path: Path, notes: bytes | None
) -> None:
    (tmp_path / "notes").unlink()
    if notes:
        (tmp_path / "notes").write_bytes(notes)
    for _ in range(2):
        read_known_types(NAMES)

    assert len(reads) == 2
    assert not (tmp_path / "kept").exists()


def test_a_kernel_without_types_is_told(kernel_btf: Path) -> None:
    kernel_btf.unlink()
    with pytest.raises(UnsupportedKernel, match=r"^no kernel type information: cannot read "):
        read_known_types(NAMES)


@pytest.mark.parametrize(
    "damage",
    [
        "",
        "[]",
        "{}",
        '{"members": [], "parameters": {}, "ids": {}}',
        '{"members": {"sk_buff.sk": [1]}, "parameters": {}, "ids": {}}',
        '{"members": {"sk_buff.sk": ["x", 0, 8]}, "parameters": {}, "ids": {}}',
        '{"members": {}, "parameters": {"tcp_v4_rcv": 7}, "ids": {}}',
        '{"members": {}, "parameters": {}, "ids": {"tcp_v4_rcv": []}}',
    ],
)
def test_what_is_damaged_is_read_anew(reads: list[Path], tmp_path: Path, damage: str) -> None:
    read_known_types(NAMES)
    (file,) = (tmp_path / "kept").iterdir()
    file.write_text(damage)

    assert read_known_types(NAMES).find_parameters("tcp_v4_rcv") == ("skb",)
    assert len(reads) == 2


@pytest.fixture
def symbols(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The symbols of a kernel that has one twin."""
    path = tmp_path / "kallsyms"
    path.write_text("0000000000000000 t tcp_v4_rcv.isra.0\n")
    monkeypatch.setattr(features, "SYMBOLS", path)
    features.read_twins.cache_clear()
    yield path
    features.read_twins.cache_clear()


def read_twins_again() -> dict[str, tuple[str, ...]]:
    features.read_twins.cache_clear()
    return features.read_twins()


@pytest.mark.usefixtures("kernel_btf")
def test_twins_are_kept_for_this_kernel_alone(symbols: Path, tmp_path: Path) -> None:
    first = features.read_twins()
    symbols.unlink()

    assert first == read_twins_again() == {"tcp_v4_rcv": ("tcp_v4_rcv.isra.0",)}

    (tmp_path / "notes").write_bytes(NOTES[:-1])

    assert read_twins_again() == {}


@pytest.mark.usefixtures("kernel_btf")
def test_that_symbols_cannot_be_read_is_not_kept(symbols: Path) -> None:
    text = symbols.read_text()
    symbols.unlink()

    assert features.read_twins() == {}

    symbols.write_text(text)

    assert read_twins_again() == {"tcp_v4_rcv": ("tcp_v4_rcv.isra.0",)}


@pytest.mark.usefixtures("kernel_btf", "symbols")
@pytest.mark.parametrize("damaged", ["", "[]", '{"tcp_v4_rcv": 1}'])
def test_damaged_twins_are_found_again(tmp_path: Path, damaged: str) -> None:
    first = features.read_twins()
    (kept,) = (tmp_path / "kept").iterdir()
    kept.write_text(damaged)

    assert first == read_twins_again()
