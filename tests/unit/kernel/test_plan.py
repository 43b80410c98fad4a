# SPDX-License-Identifier: GPL-2.0-only
"""What to attach on a made-up kernel."""

from collections import Counter
from pathlib import Path

import pytest

from tcpio.errors import UnsupportedKernel
from tcpio.kernel import plan as plan_module
from tcpio.kernel.btf import Btf
from tcpio.kernel.hooks import Direction, Hook, Kind, Rung
from tcpio.kernel.plan import make_plan, read_kernel_types
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
