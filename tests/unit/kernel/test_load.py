# SPDX-License-Identifier: GPL-2.0-only
"""Loading and attaching, with stand-ins for BCC and for the kernel."""

import ctypes
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tcpio.errors import UnsupportedKernel
from tcpio.kernel import load, syscall
from tcpio.kernel.hooks import Hook, Kind
from tcpio.kernel.load import Attached, attach_hook, import_bcc, load_hook
from tcpio.kernel.source import Program, Source
from tcpio.schema.c_header import BPF_DIR
from tests.unit.kernel.btf_blob import Kernel
from tests.unit.samples import open_fds

BTF = Kernel().btf()
FENTRY = Hook(Kind.FENTRY, "tcp_v4_rcv")
FEXIT = Hook(Kind.FEXIT, "tcp_make_synack")
KPROBE = Hook(Kind.KPROBE, "tcp_v6_rcv")
TRACEPOINT = Hook(Kind.RAW_TRACEPOINT, "net_dev_queue")
HOOKS = (FENTRY, KPROBE, TRACEPOINT)


class FakeBpf:
    """What BCC gives for a source that it compiled."""

    def __init__(self, text: bytes, cflags: list[str]) -> None:
        if b"warn" in text:
            os.write(2, b"a warning nobody asked for\n")
        if b"fail" in text:
            os.write(2, b"\n/virtual/main.c:7:1: error: unknown type name 'u33'\n1 error generated.\n")
            raise Exception("Failed to compile BPF module")  # noqa: TRY002  as BCC
        self.cflags = cflags
        self.is_cleaned_up = False
        self.tables: dict[str, Any] = {"events": FakeEvents(), "counts": FakeCounts()}

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401  of any kind
        return self.tables[name]

    def dump_func(self, name: bytes) -> bytes:
        return b"code of " + name

    def cleanup(self) -> None:
        self.is_cleaned_up = True


class FakeEvents:
    def __init__(self) -> None:
        self.rings: dict[int, int] = {}

    def __setitem__(self, cpu: ctypes.c_int, fd: ctypes.c_int) -> None:
        self.rings[cpu.value] = fd.value


class FakeCounts:
    def __len__(self) -> int:
        return 3

    def __getitem__(self, outcome: ctypes.c_int) -> list[int]:
        return [10 * outcome.value, 10 * outcome.value + 1]


class FakeKernel:
    """The system calls, which give file descriptors that are open, and remember what they were asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.refusals: dict[str, OSError] = {}
        self.fds: list[int] = []
        self.misses: dict[str, int | None] = {"program": 5, "kprobe": 7}
        for name in ("load_program", "attach_raw_tracepoint", "attach_perf_link", "open_kprobe"):
            monkeypatch.setattr(syscall, name, self._make(name))
        monkeypatch.setattr(syscall, "read_recursion_misses", lambda _: self.misses["program"])
        monkeypatch.setattr(syscall, "read_kprobe_misses", lambda _: self.misses["kprobe"])
        monkeypatch.setattr(syscall, "wait_for_running_programs", lambda: self.calls.append(("wait",)))
        monkeypatch.setattr("tcpio.kernel.load.fcntl.ioctl", lambda _, *arguments: self.calls.append(arguments))
        path = tmp_path / "type"
        path.write_text("8\n")
        monkeypatch.setattr(load, "KPROBE_PMU", path)

    def _make(self, name: str) -> Any:  # noqa: ANN401  of any kind
        def call(*arguments: object, **options: object) -> int:
            if name in self.refusals:
                raise self.refusals[name]
            self.calls.append((name, *arguments, *options.values()))
            self.fds.append(os.open(os.devnull, os.O_RDONLY))
            return self.fds[-1]

        return call

    def named(self, name: str) -> list[tuple[object, ...]]:
        return [call[1:] for call in self.calls if call[0] == name]


@pytest.fixture
def bcc(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("bcc")
    module.BPF = FakeBpf  # type: ignore[attr-defined]  # as BCC's module has it
    monkeypatch.setitem(sys.modules, "bcc", module)
    monkeypatch.delenv("BCC_KERNEL_SOURCE", raising=False)
    return module


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeKernel]:
    before = open_fds()
    yield FakeKernel(monkeypatch, tmp_path)
    assert before == open_fds()


def source_of(*hooks: Hook, text: str = "int x;") -> Source:
    return Source(text, tuple(Program(hook, f"run_{hook.target}") for hook in hooks))


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
def test_programs_are_loaded_each_for_its_hook(kernel: FakeKernel) -> None:
    with Attached(source_of(*HOOKS, FEXIT), BTF):
        assert kernel.named("load_program") == [
            (syscall.PROG_TYPE_TRACING, b"code of run_tcp_v4_rcv", 24, BTF.find_function_id("tcp_v4_rcv")),
            (syscall.PROG_TYPE_KPROBE, b"code of run_tcp_v6_rcv", 0, 0),
            (syscall.PROG_TYPE_RAW_TRACEPOINT, b"code of run_net_dev_queue", 0, 0),
            (syscall.PROG_TYPE_TRACING, b"code of run_tcp_make_synack", 25, BTF.find_function_id("tcp_make_synack")),
        ]
        assert kernel.named("attach_raw_tracepoint") == []


@pytest.mark.usefixtures("bcc")
def test_programs_run_only_when_attached(kernel: FakeKernel) -> None:
    with Attached(source_of(*HOOKS), BTF) as attached:
        programs = kernel.fds[:3]
        attached.attach()

        assert kernel.named("attach_raw_tracepoint") == [(programs[0], None), (programs[2], "net_dev_queue")]
        assert kernel.named("open_kprobe") == [(8, "tcp_v6_rcv")]
        assert [fds[0] for fds in kernel.named("attach_perf_link")] == [programs[1]]


@pytest.mark.usefixtures("bcc")
def test_an_older_kernel_has_kprobes_attached_by_ioctl(kernel: FakeKernel) -> None:
    kernel.refusals["attach_perf_link"] = OSError(errno.EINVAL, "Invalid argument")
    kernel.misses["kprobe"] = None
    with Attached(source_of(KPROBE), BTF) as attached:
        attached.attach()

        assert kernel.calls[-2:] == [
            (syscall.PERF_EVENT_IOC_SET_BPF, kernel.fds[0]),
            (syscall.PERF_EVENT_IOC_ENABLE, 0),
        ]
        assert attached.read_missed() == {KPROBE: None}


@pytest.mark.usefixtures("bcc")
def test_a_program_that_cannot_be_loaded_is_told(kernel: FakeKernel) -> None:
    kernel.refusals["load_program"] = OSError(errno.E2BIG, "Argument list too long", "BPF program is too large")
    with pytest.raises(UnsupportedKernel) as caught:
        Attached(source_of(TRACEPOINT), BTF)

    assert str(caught.value) == (
        "the kernel refuses the program for tracepoint:net_dev_queue: Argument list too long (BPF program is too large)"
    )
    assert caught.value.hint == "run 'tcpio doctor', or choose another --attach"


@pytest.mark.usefixtures("bcc")
def test_of_programs_that_cannot_all_be_loaded_none_stays(kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch) -> None:
    load_first = syscall.load_program

    def load_one(*arguments: Any, **options: Any) -> int:  # noqa: ANN401  as it is called
        if kernel.named("load_program"):
            raise OSError(errno.EINVAL, "Invalid argument")
        return load_first(*arguments, **options)

    monkeypatch.setattr(syscall, "load_program", load_one)
    with pytest.raises(UnsupportedKernel):
        Attached(source_of(FENTRY, TRACEPOINT), BTF)


@pytest.mark.usefixtures("bcc")
def test_if_one_cannot_be_attached_none_runs(kernel: FakeKernel) -> None:
    kernel.refusals["open_kprobe"] = OSError(errno.ENOENT, "No such file or directory")
    with Attached(source_of(FENTRY, KPROBE), BTF) as attached:
        with pytest.raises(UnsupportedKernel) as caught:
            attached.attach()

        assert str(caught.value) == "the kernel does not attach kprobe:tcp_v6_rcv: No such file or directory"
        assert not Path(f"/proc/self/fd/{kernel.fds[2]}").exists()


@pytest.mark.usefixtures("bcc", "kernel")
def test_what_bcc_says_is_in_the_error_and_not_on_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UnsupportedKernel) as caught:
        Attached(source_of(text="warn, fail"), BTF)

    assert str(caught.value) == (
        "BCC cannot compile tcpio's programs: /virtual/main.c:7:1: error: unknown type name 'u33'"
    )
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("bcc", "kernel")
def test_what_bcc_says_of_a_success_is_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    with Attached(source_of(text="warn"), BTF):
        pass

    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("bcc", "kernel")
def test_bcc_gets_our_includes_and_nothing_of_the_kernels() -> None:
    with Attached(source_of(), BTF) as attached:
        assert attached._bpf.cflags == [f"-I{BPF_DIR}", "-Werror"]
        assert os.environ["BCC_KERNEL_SOURCE"] == str(BPF_DIR)


@pytest.mark.usefixtures("bcc", "kernel")
def test_programs_are_told_of_their_ring() -> None:
    with Attached(source_of(), BTF) as attached:
        attached.set_ring(3, 17)

        assert attached._bpf["events"].rings == {3: 17}


@pytest.mark.usefixtures("bcc", "kernel")
def test_counts_are_by_outcome_and_cpu() -> None:
    with Attached(source_of(), BTF) as attached:
        assert attached.read_counts() == [[0, 1], [10, 11], [20, 21]]


@pytest.mark.usefixtures("bcc")
def test_a_kprobe_is_missed_in_two_ways(kernel: FakeKernel) -> None:
    with Attached(source_of(FENTRY, KPROBE), BTF) as attached:
        attached.attach()
        assert attached.read_missed() == {FENTRY: 5, KPROBE: 12}
        kernel.misses["program"] = None
        assert attached.read_missed() == {FENTRY: None, KPROBE: None}


@pytest.mark.usefixtures("bcc")
def test_what_was_missed_is_known_after_detaching(kernel: FakeKernel) -> None:
    with Attached(source_of(KPROBE), BTF) as attached:
        attached.attach()
        attached.detach()
        kernel.misses["kprobe"] = 0  # the link that counted is gone

        assert attached.read_missed() == {KPROBE: 12}


@pytest.mark.usefixtures("bcc")
def test_detaching_closes_the_links_and_waits_once(kernel: FakeKernel) -> None:
    with Attached(source_of(*HOOKS), BTF) as attached:
        attached.attach()
        attached.detach()
        attached.detach()

        assert [fd for fd in kernel.fds[3:] if Path(f"/proc/self/fd/{fd}").exists()] == []
        assert kernel.named("wait") == [()]


@pytest.mark.usefixtures("bcc")
def test_the_end_detaches_and_cleans_up(kernel: FakeKernel) -> None:
    with Attached(source_of(TRACEPOINT), BTF) as attached:
        attached.attach()

    assert attached._bpf.is_cleaned_up
    assert kernel.named("wait") == [()]


def test_a_kprobe_that_cannot_be_linked_is_closed(kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    kernel.refusals["attach_perf_link"] = OSError(errno.EINVAL, "Invalid argument")
    monkeypatch.setattr("tcpio.kernel.load.fcntl.ioctl", fail)
    with pytest.raises(OSError, match="busy"):
        attach_hook(KPROBE, 0)


def test_a_function_that_is_not_described_has_no_id(kernel: FakeKernel) -> None:
    os.close(load_hook(FENTRY, b"", Kernel(without=["tcp_v4_rcv"]).btf()))

    assert kernel.named("load_program") == [(syscall.PROG_TYPE_TRACING, b"", 24, 0)]
