# SPDX-License-Identifier: GPL-2.0-only
"""Compiling, with a stand-in for BCC."""

import os
import struct
import sys
from types import ModuleType

import pytest

from tcpio.errors import UnsupportedKernel
from tcpio.kernel import syscall
from tcpio.kernel.compile import Compiled, compile_source, import_bcc
from tcpio.kernel.hooks import Hook, Kind
from tcpio.kernel.source import Program, Source
from tcpio.kernel.syscall import MapSpec
from tcpio.schema.c_header import BPF_DIR

EVENTS_FD, COUNTS_FD = 70, 71
EVENTS = MapSpec("events", 4, 4, 4, 2)
COUNTS = MapSpec("counts", 6, 4, 8, 3)


def load_map(number: int) -> bytes:
    """Give the two instructions that load a map's address."""
    return struct.pack("=BBhiBBhi", 0x18, 0x11, 0, number, 0, 0, 0, 0)


def code_of(events: int, counts: int, name: bytes) -> bytes:
    """Give a program that uses both maps, the first twice, and a constant that is none."""
    constant = struct.pack("=BBhiBBhi", 0x18, 0x02, 0, EVENTS_FD, 0, 0, 0, 0)
    tail = struct.pack("=BBhi", 0x95, 0, 0, len(name))
    return load_map(events) + constant + load_map(counts) + load_map(events) + tail


class FakeBpf:
    """What BCC gives for a source that it compiled."""

    last: "FakeBpf"

    def __init__(self, text: bytes, cflags: list[str]) -> None:
        if b"warn" in text:
            os.write(2, b"a warning nobody asked for\n")
        if b"fail" in text:
            os.write(2, b"\n/virtual/main.c:7:1: error: unknown type name 'u33'\n1 error generated.\n")
            raise Exception("Failed to compile BPF module")  # noqa: TRY002  as BCC
        self.cflags = cflags
        self.is_cleaned_up = False
        FakeBpf.last = self

    def dump_func(self, name: bytes) -> bytes:
        assert not self.is_cleaned_up
        return code_of(EVENTS_FD, COUNTS_FD, name)

    def cleanup(self) -> None:
        self.is_cleaned_up = True


@pytest.fixture
def bcc(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("bcc")
    module.BPF = FakeBpf  # type: ignore[attr-defined]  # as BCC's module has it
    monkeypatch.setitem(sys.modules, "bcc", module)
    monkeypatch.delenv("BCC_KERNEL_SOURCE", raising=False)
    monkeypatch.setattr(syscall, "read_map_spec", {EVENTS_FD: EVENTS, COUNTS_FD: COUNTS}.__getitem__)
    return module


def source_of(text: str = "int x;") -> Source:
    return Source(text, tuple(Program(Hook(Kind.KPROBE, name), name) for name in ("a", "bb")))


def test_bcc_that_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bcc", None)  # type: ignore[misc]  # what makes its import fail
    with pytest.raises(UnsupportedKernel, match=r"^BCC is not installed for ") as caught:
        import_bcc()

    assert sys.executable in str(caught.value)
    assert caught.value.hint == (
        "install your distribution's package: python3-bpfcc (Debian, Ubuntu) or python3-bcc (Fedora), "
        "and run tcpio with the system's Python, /usr/bin/python3"
    )


def test_the_package_of_that_name_on_pypi_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("bcc")
    module.__file__ = "/venv/bcc/__init__.py"
    monkeypatch.setitem(sys.modules, "bcc", module)
    with pytest.raises(UnsupportedKernel) as caught:
        import_bcc()

    assert str(caught.value) == (
        "the module 'bcc' at /venv/bcc/__init__.py is not BCC but the package of that name on PyPI"
    )
    assert caught.value.hint.startswith("pip uninstall bcc; install your distribution's package: ")


def test_bcc_is_given(bcc: ModuleType) -> None:
    assert import_bcc() is bcc


@pytest.mark.usefixtures("bcc")
def test_programs_have_indices_of_maps_where_bcc_had_descriptors() -> None:
    compiled = compile_source(source_of())

    assert compiled.maps == (EVENTS, COUNTS)
    assert compiled.programs == {"a": code_of(0, 1, b"a"), "bb": code_of(0, 1, b"bb")}


def test_programs_get_the_descriptors_of_this_run() -> None:
    compiled = Compiled((EVENTS, COUNTS), {"a": code_of(0, 1, b"a")})

    assert compiled.code("a", [8, 9]) == code_of(8, 9, b"a")


@pytest.mark.usefixtures("bcc")
def test_bcc_is_done_with_when_it_has_compiled() -> None:
    compile_source(source_of())

    assert FakeBpf.last.is_cleaned_up


@pytest.mark.usefixtures("bcc")
def test_what_bcc_says_is_in_the_error_and_not_on_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnsupportedKernel) as caught:
        compile_source(source_of("warn, fail"))

    assert str(caught.value) == (
        "BCC cannot compile tcpio's programs: /virtual/main.c:7:1: error: unknown type name 'u33'"
    )
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("bcc")
def test_what_bcc_says_of_a_success_is_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    compile_source(source_of("warn"))

    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("bcc")
def test_bcc_gets_our_includes_and_nothing_of_the_kernels() -> None:
    compile_source(source_of())

    assert FakeBpf.last.cflags == [f"-I{BPF_DIR}", "-Werror"]
    assert os.environ["BCC_KERNEL_SOURCE"] == str(BPF_DIR)
