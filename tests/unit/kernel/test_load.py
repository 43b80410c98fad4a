# SPDX-License-Identifier: GPL-2.0-only
"""Loading and attaching, with a stand-in for the kernel."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tcpio.errors import UnsupportedKernel
from tcpio.kernel import load, syscall
from tcpio.kernel.compile import Compiled
from tcpio.kernel.hooks import Hook, Kind
from tcpio.kernel.load import Attached, Programs, attach_hook, load_hook
from tcpio.kernel.source import Program
from tcpio.kernel.syscall import MapSpec
from tests.unit.kernel.btf_blob import Kernel
from tests.unit.samples import open_fds

BTF = Kernel().btf()
FENTRY = Hook(Kind.FENTRY, "tcp_v4_rcv")
FEXIT = Hook(Kind.FEXIT, "tcp_make_synack")
KPROBE = Hook(Kind.KPROBE, "tcp_v6_rcv")
TRACEPOINT = Hook(Kind.RAW_TRACEPOINT, "net_dev_queue")
HOOKS = (FENTRY, KPROBE, TRACEPOINT)
EVENTS = MapSpec("events", 4, 4, 4, 4)
COUNTS = MapSpec("counts", 6, 4, 8, 3)


class FakeKernel:
    """The system calls, which give file descriptors that are open, and remember what they were asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.refusals: dict[str, OSError] = {}
        self.fds: list[int] = []
        self.misses: dict[str, int | None] = {"program": 5, "kprobe": 7}
        for name in ("create_map", "load_program", "attach_raw_tracepoint", "attach_perf_link", "open_kprobe"):
            monkeypatch.setattr(syscall, name, self._make(name))
        monkeypatch.setattr(syscall, "read_recursion_misses", lambda _: self.misses["program"])
        monkeypatch.setattr(syscall, "read_kprobe_misses", lambda _: self.misses["kprobe"])
        monkeypatch.setattr(syscall, "wait_for_running_programs", lambda: self.calls.append(("wait",)))
        monkeypatch.setattr("tcpio.kernel.load.fcntl.ioctl", lambda _, *arguments: self.calls.append(arguments))
        monkeypatch.setattr(syscall, "update_map", lambda *arguments: self.calls.append(("update_map", *arguments)))
        monkeypatch.setattr(syscall, "read_percpu", lambda fd, key, cpus: (fd, *range(key, key + cpus - 1)))
        monkeypatch.setattr(syscall, "lift_memory_limit", lambda: None)
        monkeypatch.setattr(load, "read_possible_cpus", lambda: (0, 1, 3))
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
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeKernel]:
    before = open_fds()
    yield FakeKernel(monkeypatch, tmp_path)
    assert before == open_fds()


def attach(*hooks: Hook) -> Attached:
    """Give programs for these hooks, which have been loaded."""
    programs = [Program(hook, f"run_{hook.target}") for hook in hooks]
    compiled = Compiled((EVENTS, COUNTS), {program.name: f"code of {program.name}".encode() for program in programs})
    return Attached(compiled, programs, BTF)


def test_programs_are_loaded_each_for_its_hook(kernel: FakeKernel) -> None:
    with attach(*HOOKS, FEXIT):
        assert kernel.named("load_program") == [
            (syscall.PROG_TYPE_TRACING, b"code of run_tcp_v4_rcv", 24, BTF.find_id("tcp_v4_rcv")),
            (syscall.PROG_TYPE_KPROBE, b"code of run_tcp_v6_rcv", 0, 0),
            (syscall.PROG_TYPE_RAW_TRACEPOINT, b"code of run_net_dev_queue", 0, 0),
            (syscall.PROG_TYPE_TRACING, b"code of run_tcp_make_synack", 25, BTF.find_id("tcp_make_synack")),
        ]
        assert kernel.named("attach_raw_tracepoint") == []


def test_a_typed_tracepoint_is_loaded_by_its_type_and_attached_without_a_name(kernel: FakeKernel) -> None:
    with attach(Hook(Kind.BTF_TRACEPOINT, "netif_receive_skb")) as attached:
        (loaded,) = kernel.named("load_program")
        attached.attach()

        assert loaded == (
            syscall.PROG_TYPE_TRACING,
            b"code of run_netif_receive_skb",
            23,
            BTF.find_id("btf_trace_netif_receive_skb"),
        )
        assert kernel.named("attach_raw_tracepoint") == [(kernel.fds[2], None)]


def test_programs_run_only_when_attached(kernel: FakeKernel) -> None:
    with attach(*HOOKS) as attached:
        programs = kernel.fds[2:5]
        attached.attach()

        assert kernel.named("attach_raw_tracepoint") == [(programs[0], None), (programs[2], "net_dev_queue")]
        assert kernel.named("open_kprobe") == [(8, "tcp_v6_rcv")]
        assert [fds[0] for fds in kernel.named("attach_perf_link")] == [programs[1]]


def test_an_older_kernel_has_kprobes_attached_by_ioctl(kernel: FakeKernel) -> None:
    kernel.refusals["attach_perf_link"] = OSError(errno.EINVAL, "Invalid argument")
    kernel.misses["kprobe"] = None
    with attach(KPROBE) as attached:
        attached.attach()

        assert kernel.calls[-2:] == [
            (syscall.PERF_EVENT_IOC_SET_BPF, kernel.fds[2]),
            (syscall.PERF_EVENT_IOC_ENABLE, 0),
        ]
        assert attached.read_missed() == {KPROBE: None}


def test_a_program_that_cannot_be_loaded_is_told(kernel: FakeKernel) -> None:
    kernel.refusals["load_program"] = OSError(errno.E2BIG, "Argument list too long", "BPF program is too large")
    with pytest.raises(UnsupportedKernel) as caught:
        attach(TRACEPOINT)

    assert str(caught.value) == (
        "the kernel refuses the program for tracepoint:net_dev_queue: Argument list too long (BPF program is too large)"
    )
    assert caught.value.hint == "run 'tcpio doctor', or choose another --attach"


def test_of_programs_that_cannot_all_be_loaded_none_stays(kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch) -> None:
    load_first = syscall.load_program

    def load_one(*arguments: Any, **options: Any) -> int:  # noqa: ANN401  as it is called
        if kernel.named("load_program"):
            raise OSError(errno.EINVAL, "Invalid argument")
        return load_first(*arguments, **options)

    monkeypatch.setattr(syscall, "load_program", load_one)
    with pytest.raises(UnsupportedKernel):
        attach(FENTRY, TRACEPOINT)


def test_if_one_cannot_be_attached_none_runs(kernel: FakeKernel) -> None:
    kernel.refusals["open_kprobe"] = OSError(errno.ENOENT, "No such file or directory")
    with attach(FENTRY, KPROBE) as attached:
        with pytest.raises(UnsupportedKernel) as caught:
            attached.attach()

        assert str(caught.value) == "the kernel does not attach kprobe:tcp_v6_rcv: No such file or directory"
        assert not Path(f"/proc/self/fd/{kernel.fds[4]}").exists()


@pytest.mark.usefixtures("kernel")
def test_a_kprobe_is_missed_in_two_ways() -> None:
    with attach(FENTRY, KPROBE) as attached:
        attached.attach()
        assert attached.read_missed() == {FENTRY: 5, KPROBE: 12}


def test_where_nothing_is_counted_kprobes_alone_are_skipped(kernel: FakeKernel) -> None:
    kernel.misses["program"] = None
    with attach(*HOOKS) as attached:
        attached.attach()
        assert attached.read_missed() == {FENTRY: 0, KPROBE: None, TRACEPOINT: 0}


def test_what_was_missed_is_known_after_detaching(kernel: FakeKernel) -> None:
    with attach(KPROBE) as attached:
        attached.attach()
        attached.detach()
        kernel.misses["kprobe"] = 0  # the link that counted is gone

        assert attached.read_missed() == {KPROBE: 12}


def test_detaching_closes_the_links_and_waits_once(kernel: FakeKernel) -> None:
    with attach(*HOOKS) as attached:
        attached.attach()
        attached.detach()
        attached.detach()

        assert [fd for fd in kernel.fds[5:] if Path(f"/proc/self/fd/{fd}").exists()] == []
        assert kernel.named("wait") == [()]


def test_the_end_detaches(kernel: FakeKernel) -> None:
    with attach(TRACEPOINT) as attached:
        attached.attach()

    assert kernel.named("wait") == [()]


def test_maps_are_made_for_each_run(kernel: FakeKernel) -> None:
    with attach(TRACEPOINT):
        assert kernel.named("create_map") == [(EVENTS,), (COUNTS,)]


def test_a_map_that_cannot_be_made_is_told(kernel: FakeKernel) -> None:
    kernel.refusals["create_map"] = OSError(errno.ENOMEM, "Cannot allocate memory")
    with pytest.raises(UnsupportedKernel, match=r"^the kernel refuses the map events: Cannot allocate memory$"):
        attach(TRACEPOINT)


def test_programs_are_told_of_their_ring(kernel: FakeKernel) -> None:
    with attach() as attached:
        attached.set_ring(3, 17)

        assert kernel.named("update_map") == [(kernel.fds[0], 3, 17)]


def test_counts_are_by_outcome_and_cpu(kernel: FakeKernel) -> None:
    with attach() as attached:
        fd = kernel.fds[1]

        assert attached.read_counts() == [[fd, 0, 0, 1], [fd, 1, 0, 2]]


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


def test_maps_are_read_and_written_by_name(kernel: FakeKernel, monkeypatch: pytest.MonkeyPatch) -> None:
    def remember(name: str) -> Callable[..., bytes]:
        def call(*given: object) -> bytes:
            kernel.calls.append((name, *given))
            return b""

        return call

    names = ("set_element", "delete_element", "read_element", "read_elements")
    for name in names:
        monkeypatch.setattr(syscall, name, remember(name))
    compiled = Compiled((MapSpec("buckets", 1, 40, 16, 1), MapSpec("other", 6, 4, 16, 1)), {})
    with Programs(compiled, [], BTF, {"buckets": 7}) as programs:
        buckets, other = kernel.fds
        programs.read_element("buckets", b"key")
        programs.read_element("other", b"key")
        programs.read_elements("buckets")
        programs.set_element("other", b"key", b"value")
        programs.delete_element("buckets", b"key")

        assert (programs.has_map("other"), programs.has_map("closed")) == (True, False)
        assert kernel.named("create_map") == [(MapSpec("buckets", 1, 40, 16, 7),), (MapSpec("other", 6, 4, 16, 1),)]
        assert [kernel.named(name) for name in names] == [
            [(other, b"key", b"value")],
            [(buckets, b"key")],
            [(buckets, b"key", 16), (other, b"key", 3 * 16)],  # the other has one for each CPU there may be
            [(buckets, 40, 16, 64)],
        ]
