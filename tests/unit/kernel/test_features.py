# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel offers: answers with three values."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tcpio.errors import NotPermitted, UnsupportedKernel
from tcpio.kernel import features, syscall
from tcpio.kernel.features import (
    FEATURES,
    ask_hook,
    has_privileges,
    read_capabilities,
    read_lockdown,
    read_twins,
    require_privileges,
)
from tcpio.kernel.hooks import Hook, Kind
from tcpio.schema.support import YES, Support, Verdict
from tests.unit.kernel.btf_blob import Kernel

CAP_NET_ADMIN, CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF = 1 << 12, 1 << 21, 1 << 38, 1 << 39
ALL = (1 << 41) - 1

BTF = Kernel().btf()
FENTRY = Hook(Kind.FENTRY, "tcp_v4_rcv")
KPROBE = Hook(Kind.KPROBE, "tcp_v4_rcv")
TRACEPOINT = Hook(Kind.RAW_TRACEPOINT, "net_dev_queue")


def set_capabilities(bits: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "status"
    path.write_text(f"Name:\tpython3\nCapInh:\t0000000000000000\nCapEff:\t{bits:016x}\nCapBnd:\t{ALL:016x}\n")
    monkeypatch.setattr(features, "_STATUS", path)


def set_lockdown(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lockdown"
    path.write_text(text)
    monkeypatch.setattr(features, "LOCKDOWN", path)


@pytest.fixture(params=[True, False], ids=["privileged", "unprivileged"])
def is_privileged(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    set_capabilities(ALL if request.param else 0, tmp_path, monkeypatch)
    return bool(request.param)


def refuse(number: int) -> Callable[..., int]:
    def call(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    return call


class Opened:
    """Gives file descriptors that are open, and remembers them."""

    def __init__(self) -> None:
        self.fds: list[int] = []

    def __call__(self, *_: object, **__: object) -> int:
        self.fds.append(os.open(os.devnull, os.O_RDONLY))
        return self.fds[-1]

    def still_open(self) -> list[int]:
        return [fd for fd in self.fds if Path(f"/proc/self/fd/{fd}").exists()]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Opened]:
    """A kernel that allows everything."""
    given = Opened()
    for name in ("load_program", "attach_raw_tracepoint", "open_kprobe", "open_perf_ring"):
        monkeypatch.setattr(syscall, name, given)
    path = tmp_path / "type"
    path.write_text("8\n")
    monkeypatch.setattr("tcpio.kernel.load.KPROBE_PMU", path)
    yield given
    assert given.still_open() == []


def probe(name: str) -> Verdict:
    (feature,) = (row for row in FEATURES if row.name == name)
    return feature.probe(BTF)


def test_capabilities_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_capabilities(CAP_BPF, tmp_path, monkeypatch)

    assert read_capabilities() == CAP_BPF


def test_those_of_this_process_can_be_read() -> None:
    assert read_capabilities() >= 0


@pytest.mark.parametrize(
    ("bits", "is_enough"),
    [
        (0, False),
        (CAP_NET_ADMIN, False),
        (CAP_BPF, False),
        (CAP_PERFMON, False),
        (CAP_BPF | CAP_PERFMON, True),
        (CAP_SYS_ADMIN, True),
        (ALL, True),
        (ALL & ~CAP_SYS_ADMIN & ~CAP_BPF, False),
    ],
)
def test_bpf_and_perfmon_are_enough(
    bits: int,
    is_enough: bool,  # noqa: FBT001
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_capabilities(bits, tmp_path, monkeypatch)

    assert is_enough == has_privileges()
    assert (Support.YES if is_enough else Support.NO) == probe("privileges").support


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("[none] integrity confidentiality\n", "none"),
        ("none [integrity] confidentiality\n", "integrity"),
        ("none integrity [confidentiality]\n", "confidentiality"),
        ("", "none"),
    ],
)
def test_lockdown_is_read(text: str, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_lockdown(text, tmp_path, monkeypatch)

    assert mode == read_lockdown()
    assert (Support.NO if mode == "confidentiality" else Support.YES) == probe("kernel memory is readable").support


def test_a_kernel_without_lockdown_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "LOCKDOWN", tmp_path / "missing")

    assert read_lockdown() == "none"


def test_missing_privileges_are_told_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_capabilities(0, tmp_path, monkeypatch)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NotPermitted) as caught:
        require_privileges()

    assert str(caught.value) == "no permission to trace the kernel as user 1000: CAP_BPF and CAP_PERFMON are missing"
    assert caught.value.hint == "run as root, or with CAP_BPF and CAP_PERFMON"


def test_lockdown_for_confidentiality_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_capabilities(ALL, tmp_path, monkeypatch)
    set_lockdown("none integrity [confidentiality]\n", tmp_path, monkeypatch)
    with pytest.raises(NotPermitted, match=r"^the kernel is locked down for confidentiality ") as caught:
        require_privileges()

    assert caught.value.hint == "boot with lockdown=integrity, or without Secure Boot's lockdown"


def test_lockdown_for_integrity_is_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_capabilities(ALL, tmp_path, monkeypatch)
    set_lockdown("none [integrity] confidentiality\n", tmp_path, monkeypatch)
    require_privileges()


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("hook", [FENTRY, KPROBE, TRACEPOINT], ids=str)
def test_a_hook_that_can_be_attached_is_a_yes(hook: Hook) -> None:
    assert ask_hook(BTF, hook) == YES


@pytest.mark.usefixtures("opened")
def test_a_function_without_what_is_read_is_a_no() -> None:
    btf = Kernel(without=["tcp_v4_rcv"]).btf()

    assert ask_hook(btf, FENTRY) == Verdict(Support.NO, "the kernel's BTF does not describe this function")


SYMBOLS = """\
0000000000000000 T tcp_v4_rcv
0000000000000000 t tcp_v4_rcv.cold
0000000000000000 t my_tcp_v4_rcv.part.0
0000000000000000 t tcp_v6_rcv.constprop.0.isra.0\t[ipv6]
0000000000000000 t ip6_xmit.part.0
0000000000000000 t ip6_xmit.part.0.cold
0000000000000000 t ip6_xmit.isra.1
0000000000000000 t ip6_xmit.part.0
0000000000000000 T net_dev_queue.part.0
"""


@pytest.fixture
def symbols(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "kallsyms"
    path.write_text(SYMBOLS)
    monkeypatch.setattr(features, "SYMBOLS", path)
    read_twins.cache_clear()
    yield path
    read_twins.cache_clear()


@pytest.mark.usefixtures("symbols")
def test_parts_and_copies_that_callers_enter_are_twins() -> None:
    assert read_twins() == {
        "tcp_v6_rcv": ("tcp_v6_rcv.constprop.0.isra.0",),
        "ip6_xmit": ("ip6_xmit.part.0", "ip6_xmit.isra.1"),
        "net_dev_queue": ("net_dev_queue.part.0",),
    }


def test_without_symbols_no_twins_are_known(symbols: Path) -> None:
    symbols.unlink()

    assert read_twins() == {}


@pytest.mark.usefixtures("opened", "symbols")
@pytest.mark.parametrize("kind", [Kind.FENTRY, Kind.KPROBE])
def test_a_function_with_twins_is_a_no(kind: Kind) -> None:
    reason = "callers may pass by it: the compiler has made ip6_xmit.part.0, ip6_xmit.isra.1 of it"

    assert ask_hook(BTF, Hook(kind, "ip6_xmit")) == Verdict(Support.NO, reason)
    assert ask_hook(BTF, Hook(kind, "tcp_v4_rcv")) == YES


@pytest.mark.usefixtures("opened", "symbols")
def test_a_tracepoint_has_no_twins() -> None:
    assert ask_hook(BTF, TRACEPOINT) == YES


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize(
    ("hook", "call", "reason"),
    [
        (FENTRY, "load_program", "the kernel does not load such a program: "),
        (FENTRY, "attach_raw_tracepoint", "the kernel does not attach it: "),
        (TRACEPOINT, "load_program", "the kernel does not load such a program: "),
        (TRACEPOINT, "attach_raw_tracepoint", "the kernel does not attach it: "),
        (KPROBE, "open_kprobe", "the kernel does not probe it: "),
    ],
)
@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOENT, errno.EPERM, errno.EACCES])
def test_a_refusal_is_a_no_unless_it_may_be_for_lack_of_permission(  # noqa: PLR0917  pytest gives them by name
    hook: Hook,
    call: str,
    reason: str,
    number: int,
    is_privileged: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(syscall, call, refuse(number))
    is_unsure = number in (errno.EPERM, errno.EACCES) and not is_privileged

    assert Verdict(Support.UNKNOWN if is_unsure else Support.NO, reason + os.strerror(number)) == ask_hook(BTF, hook)


@pytest.mark.usefixtures("opened")
def test_a_program_that_is_loaded_for_its_tracepoint_is_not_attached(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = Hook(Kind.BTF_TRACEPOINT, "net_dev_queue")
    monkeypatch.setattr(syscall, "attach_raw_tracepoint", refuse(errno.EINVAL))

    assert ask_hook(BTF, typed) == YES

    monkeypatch.setattr(syscall, "load_program", refuse(errno.EINVAL))

    assert ask_hook(BTF, typed).support is Support.NO


@pytest.mark.usefixtures("opened")
def test_a_kernel_without_kprobes_is_a_no(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tcpio.kernel.load.KPROBE_PMU", tmp_path / "missing")

    assert ask_hook(BTF, KPROBE).support is Support.NO
    assert ask_hook(BTF, KPROBE).reason.startswith("this kernel has no kprobes (no /sys/")


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("name", ["fentry", "raw tracepoints", "kprobes", "perf rings", "BTF"])
def test_what_the_kernel_offers_is_a_yes(name: str) -> None:
    assert probe(name) == YES


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("fentry", "attach_raw_tracepoint"),
        ("raw tracepoints", "load_program"),
        ("kprobes", "open_kprobe"),
        ("perf rings", "open_perf_ring"),
        ("miss counts", "load_program"),
    ],
)
def test_what_could_not_be_asked_is_neither_yes_nor_no(
    name: str,
    call: str,
    is_privileged: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(syscall, call, refuse(errno.EPERM))

    assert (Support.NO if is_privileged else Support.UNKNOWN) == probe(name).support


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize(("count", "support"), [(0, Support.YES), (5, Support.YES), (None, Support.NO)])
def test_miss_counts_are_there_if_the_kernel_tells_one(
    count: int | None, support: Support, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syscall, "read_recursion_misses", lambda _: count)

    assert support is probe("miss counts").support


@pytest.mark.parametrize("name", ["fentry", "raw tracepoints"])
def test_without_types_it_cannot_be_told(name: str) -> None:
    (feature,) = (row for row in FEATURES if row.name == name)

    assert feature.probe(None) == Verdict(Support.UNKNOWN, "the kernel's types are not known")


def test_without_types_there_is_no_btf() -> None:
    (feature,) = (row for row in FEATURES if row.name == "BTF")

    assert feature.probe(None).support is Support.NO


def test_bcc_is_there_if_it_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "import_bcc", lambda: None)
    assert probe("BCC") == YES

    def fail() -> None:
        raise UnsupportedKernel("BCC is not installed")

    monkeypatch.setattr(features, "import_bcc", fail)
    assert probe("BCC") == Verdict(Support.NO, "BCC is not installed")


def test_a_package_is_there_if_it_can_be_imported() -> None:
    assert probe("numpy") == YES
    assert features._has_package("no_such_package_of_anyone")(None).support is Support.NO


def test_names_are_unique_and_every_row_says_why_and_what_helps() -> None:
    assert len(FEATURES) == len({feature.name for feature in FEATURES})
    assert [feature.name for feature in FEATURES if not feature.purpose or not feature.remedy] == []


def test_no_way_to_attach_is_needed_by_itself() -> None:
    needed = [feature.name for feature in FEATURES if feature.is_needed]

    assert needed == ["privileges", "kernel memory is readable", "BTF", "BCC", "perf rings", "numpy"]
