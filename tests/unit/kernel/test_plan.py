# SPDX-License-Identifier: GPL-2.0-only
"""What to attach on a made-up kernel."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tcpio.errors import UnsupportedKernel
from tcpio.kernel import plan as plan_module
from tcpio.kernel.btf import Btf
from tcpio.kernel.hooks import Direction, Hook, Kind, Rung
from tcpio.kernel.plan import make_plan, read_kernel_types
from tcpio.kernel.source import Source
from tcpio.schema.support import YES, Support, Verdict
from tests.unit.kernel.btf_blob import Kernel


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up kernel's BTF, where the kernel has its own."""
    path = tmp_path / "vmlinux"
    path.write_bytes(Kernel().data())
    monkeypatch.setattr("tcpio.kernel.btf.KERNEL_BTF", path)
    monkeypatch.delenv("TCPIO_BTF", raising=False)
    return path


class Asked:
    """A kernel with nothing but some kinds of programs, that counts how often it is asked of each hook."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *kinds: Kind) -> None:
        self.questions: Counter[Hook] = Counter()
        self._kinds = kinds
        monkeypatch.setattr(plan_module, "ask_hook", self._ask)

    def _ask(self, _: Btf, hook: Hook) -> Verdict:
        self.questions[hook] += 1
        return YES if hook.kind in self._kinds else Verdict(Support.NO, "no")


BOTH = tuple(Direction)


@pytest.mark.usefixtures("kernel")
def test_the_programs_are_those_of_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    Asked(monkeypatch, Kind.RAW_TRACEPOINT)
    source = make_plan(None, rung=None, directions=BOTH).source("1")

    assert [program.name for program in source.programs] == [
        "run_tracepoint_net_dev_queue",
        "run_tracepoint_netif_receive_skb",
    ]


@pytest.mark.usefixtures("kernel")
def test_a_kernel_is_asked_of_each_hook_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch)
    make_plan(None, rung=None, directions=BOTH)

    assert set(asked.questions.values()) == {1}


@pytest.mark.usefixtures("kernel")
def test_what_cannot_be_seen_is_an_error_when_the_programs_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    Asked(monkeypatch)
    plan = make_plan(None, rung=Rung.KPROBE, directions=BOTH)
    with pytest.raises(UnsupportedKernel, match=r"^cannot trace "):
        plan.source("1")


def test_a_kernel_without_ipv6_has_no_sites_for_it(kernel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Asked(monkeypatch, Kind.FENTRY)
    kernel.write_bytes(Kernel(without=["tcp_v6_rcv"]).data())

    assert not any(choice.site.is_ipv6 for choice in make_plan(None, rung=None, directions=BOTH).choices)


def test_types_come_from_the_file_that_was_named_first(
    kernel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, from_environment = tmp_path / "given", tmp_path / "environment"
    given.write_bytes(Kernel(without=["ip6_xmit"]).data())
    from_environment.write_bytes(Kernel(without=["ip_queue_xmit"]).data())

    assert kernel.exists()
    assert read_kernel_types(None).find_parameters("ip6_xmit") is not None
    monkeypatch.setenv("TCPIO_BTF", str(from_environment))
    assert read_kernel_types(None).find_parameters("ip_queue_xmit") is None
    assert read_kernel_types(given).find_parameters("ip_queue_xmit") is not None
    assert read_kernel_types(given).find_parameters("ip6_xmit") is None


@pytest.mark.usefixtures("kernel")
def test_an_empty_environment_variable_names_no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TCPIO_BTF", "")

    assert read_kernel_types(None).find_member("sk_buff", "sk") is not None


class Loads:
    """A compiler, and a kernel that refuses some programs.

    Args:
        refuses: Tells of a source's text whether it does.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, refuses: Callable[[str], bool]) -> None:
        self.log: list[str] = []
        self._refuses = refuses
        monkeypatch.setattr(plan_module, "start_compiling", self._start)
        monkeypatch.setattr(plan_module, "Attached", self._load)

    def _start(self, source: Source) -> Callable[[], str]:
        self.log.append("typed" if source.follows_pointers else "cautious")
        return lambda: source.text

    def _load(self, text: str, _programs: object, _btf: Btf) -> str:
        if self._refuses(text):
            raise UnsupportedKernel("the kernel refuses the program")
        return text


def loaded(monkeypatch: pytest.MonkeyPatch, kind: Kind) -> object:
    Asked(monkeypatch, kind)
    return make_plan(None, rung=None, directions=BOTH).start_loading("r->lport == 7")()


@pytest.mark.usefixtures("kernel")
def test_programs_follow_pointers_where_the_kernel_lets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = Loads(monkeypatch, lambda _: False)

    assert "r->lport == 7" in str(loaded(monkeypatch, Kind.BTF_TRACEPOINT))
    assert loads.log == ["typed"]


@pytest.mark.usefixtures("kernel")
def test_programs_that_are_refused_for_their_pointers_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = Loads(monkeypatch, lambda text: "#define TCPIO_TYPED 1" in text)

    assert "r->lport == 7" in str(loaded(monkeypatch, Kind.BTF_TRACEPOINT))
    assert loads.log == ["typed", "cautious"]


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize(
    ("kind", "tried"), [(Kind.BTF_TRACEPOINT, ["typed", "cautious"]), (Kind.RAW_TRACEPOINT, ["cautious"])]
)
def test_what_is_refused_for_something_else_is_an_error(
    kind: Kind, tried: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = Loads(monkeypatch, lambda _: True)
    with pytest.raises(UnsupportedKernel, match=r"^the kernel refuses the program$"):
        loaded(monkeypatch, kind)

    assert loads.log == tried


@pytest.mark.usefixtures("kernel")
def test_what_cannot_be_compiled_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Source] = []

    def fail() -> str:
        raise UnsupportedKernel("BCC is not installed")

    def start(source: Source) -> Callable[[], str]:
        begun.append(source)
        return fail

    monkeypatch.setattr(plan_module, "start_compiling", start)
    with pytest.raises(UnsupportedKernel, match=r"^BCC is not installed$"):
        loaded(monkeypatch, Kind.BTF_TRACEPOINT)

    assert len(begun) == 1
