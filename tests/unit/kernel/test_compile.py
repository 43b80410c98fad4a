# SPDX-License-Identifier: GPL-2.0-only
"""Compiling, with a stand-in for BCC."""

import os
import signal
import struct
import sys
from types import ModuleType

import pytest

from tcpio.errors import UnsupportedKernel
from tcpio.kernel import syscall
from tcpio.kernel.compile import Compilation, Compiled, import_bcc
from tcpio.kernel.hooks import Hook, Kind
from tcpio.kernel.source import KFUNC, Program, Source
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
    """What BCC gives for a source that it compiled. It runs in another process: what it finds wrong, it raises."""

    def __init__(self, text: bytes, cflags: list[str]) -> None:
        assert cflags == [f"-I{BPF_DIR}", "-Werror"]
        assert os.environ["BCC_KERNEL_SOURCE"] == str(BPF_DIR)
        if b"warn" in text:
            os.write(2, b"a warning nobody asked for\n")
        if b"fail" in text:
            os.write(2, b"\n/virtual/main.c:7:1: error: unknown type name 'u33'\n1 error generated.\n")
            raise Exception("Failed to compile BPF module")  # noqa: TRY002  as BCC
        if b"crash" in text:
            os.write(2, b"LLVM ERROR: out of memory\n")
            os.kill(os.getpid(), signal.SIGKILL)
        if b"whoami" in text:
            raise OSError(f"user {os.geteuid()}")

    def dump_func(self, name: bytes) -> bytes:
        return code_of(EVENTS_FD, COUNTS_FD, name)


@pytest.fixture
def bcc(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("bcc")
    module.BPF = FakeBpf  # type: ignore[attr-defined]  # as BCC's module has it
    monkeypatch.setitem(sys.modules, "bcc", module)
    monkeypatch.delenv("BCC_KERNEL_SOURCE", raising=False)
    monkeypatch.setattr(syscall, "read_map_spec", {EVENTS_FD: EVENTS, COUNTS_FD: COUNTS}.__getitem__)
    return module


def compiled_from(source: Source) -> Compiled:
    return Compilation(source).result()


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
    compiled = compiled_from(source_of())

    assert compiled.maps == (EVENTS, COUNTS)
    assert compiled.programs == {"a": code_of(0, 1, b"a"), "bb": code_of(0, 1, b"bb")}


@pytest.mark.usefixtures("bcc")
def test_calls_of_the_kernels_functions_are_told_from_those_of_helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    helper, kfunc = (struct.pack("=BBhi", 0x85, 0, 0, number) for number in (113, KFUNC | 65475))
    data = struct.pack("=BBhi", 0xB7, 0, 0, KFUNC | 65475)
    monkeypatch.setattr(FakeBpf, "dump_func", lambda *_: helper + kfunc + data)

    code = compiled_from(source_of()).programs["a"]

    assert code == helper + struct.pack("=BBhi", 0x85, 0x20, 0, 65475) + data


def test_programs_get_the_descriptors_of_this_run() -> None:
    compiled = Compiled((EVENTS, COUNTS), {"a": code_of(0, 1, b"a")})

    assert compiled.code("a", [8, 9]) == code_of(8, 9, b"a")


def test_programs_are_read_as_they_were_written() -> None:
    compiled = Compiled((EVENTS, COUNTS), {"a": code_of(0, 1, b"a"), "b": bytes(range(256))})

    assert Compiled.from_json(compiled.to_json()) == compiled


@pytest.mark.usefixtures("bcc")
def test_what_bcc_says_is_in_the_error_and_not_on_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnsupportedKernel) as caught:
        compiled_from(source_of("warn, fail"))

    assert str(caught.value) == (
        "BCC cannot compile tcpio's programs: /virtual/main.c:7:1: error: unknown type name 'u33'"
    )
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("bcc")
def test_what_bcc_says_of_a_success_is_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    compiled_from(source_of("warn"))

    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("bcc")
def test_a_compiler_that_crashes_is_told_with_its_last_words() -> None:
    with pytest.raises(UnsupportedKernel) as caught:
        compiled_from(source_of("crash"))

    assert str(caught.value) == "BCC's compiler failed: status -9 LLVM ERROR: out of memory"
    assert caught.value.hint.startswith("please report it")


def test_a_missing_bcc_is_told_by_who_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bcc", None)  # type: ignore[misc]  # what makes its import fail
    with pytest.raises(UnsupportedKernel, match=r"^BCC is not installed for ") as caught:
        compiled_from(source_of())

    assert caught.value.hint.startswith("install your distribution's package: ")


@pytest.mark.usefixtures("bcc")
def test_who_is_interrupted_leaves_no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    compilation = Compilation(source_of())
    waitpid = os.waitpid

    def interrupt(*_: int) -> tuple[int, int]:
        monkeypatch.setattr(os, "waitpid", waitpid)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "waitpid", interrupt)
    with pytest.raises(KeyboardInterrupt):
        compilation.result()

    with pytest.raises(ChildProcessError):
        os.waitpid(compilation._pid, 0)


@pytest.mark.usefixtures("bcc")
@pytest.mark.skipif(os.geteuid() != 0, reason="not root")
def test_root_compiles_as_another_user() -> None:
    with pytest.raises(UnsupportedKernel, match=r"user 65534$"):
        compiled_from(source_of("whoami"))

    assert os.geteuid() == 0
