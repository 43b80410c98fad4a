# SPDX-License-Identifier: GPL-2.0-only
"""From the options to a running trace, with stand-ins for the kernel."""

import argparse
from collections.abc import Callable
from pathlib import Path

import pytest

from tcpio.cli import trace
from tcpio.cli.options import TraceOptions
from tcpio.errors import NotPermitted
from tcpio.kernel import plan
from tcpio.kernel.hooks import SITES, Choice, Direction, Rung
from tcpio.kernel.plan import Plan
from tcpio.schema.columns import COLUMNS
from tcpio.schema.time_formats import TIME_FORMATS
from tests.unit.kernel.btf_blob import Kernel

RECEIVER = SITES[4]
PLAN = Plan(Kernel().btf(), (Choice(RECEIVER, RECEIVER.ways[2], ()),))


class Steps:
    """What tracing does, instead of doing it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken: list[object] = []
        monkeypatch.setattr(trace, "require_privileges", lambda: self.taken.append("privileges"))
        monkeypatch.setattr(trace, "make_plan", self._make_plan)
        monkeypatch.setattr(plan, "start_compiling", self._compile)
        monkeypatch.setattr(plan, "Attached", self._attach)
        monkeypatch.setattr("tcpio.cli.live.run_live", self._run_live)

    def _make_plan(self, btf: Path | None, *, rung: Rung | None, directions: tuple[Direction, ...]) -> Plan:
        self.taken.append(("plan", btf, rung, directions))
        return PLAN

    def _compile(self, source: object) -> Callable[[], str]:
        assert PLAN.source("((1))") == source
        self.taken.append("compile")
        return lambda: "compiled"

    def _attach(self, compiled: object, programs: object, btf: object) -> str:
        assert PLAN.source("((1))").programs == programs
        assert (compiled, btf) == ("compiled", PLAN.btf)
        return "attached"

    def _run_live(self, options: TraceOptions, chosen: Plan, attached: str) -> int:
        assert chosen is PLAN
        self.taken.append((options.count, attached))
        return 0


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    return Steps(monkeypatch)


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    trace.add_arguments(parser)
    return trace.run(parser.parse_args(arguments))


def test_tracing_is_planned_compiled_and_run(steps: Steps) -> None:
    assert run("--attach", "kprobe", "--dir", "send", "--btf", "vmlinux", "-c", "7") == 0
    assert steps.taken == [
        "privileges",
        ("plan", Path("vmlinux"), Rung.KPROBE, (Direction.SEND,)),
        "compile",
        (7, "attached"),
    ]


def test_programs_are_printed_without_privileges_and_not_run(steps: Steps, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--print-bpf", "*:22-*:*") == 0
    text = capsys.readouterr().out

    assert steps.taken == [("plan", None, None, tuple(Direction))]
    assert "int run_tp_btf_netif_receive_skb(" in text
    assert "->lport == 22U" in text


def test_without_privileges_nothing_is_asked_of_the_kernel(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise NotPermitted("no permission")

    monkeypatch.setattr(trace, "require_privileges", refuse)
    with pytest.raises(NotPermitted):
        run()

    assert steps.taken == []


def test_help_explains_every_column_and_time_format() -> None:
    wanted = [*((column.name, column.help) for column in COLUMNS), *TIME_FORMATS.items()]
    lines = [" ".join(line.split()) for line in trace.EPILOG.splitlines()]

    assert [name for name, text in wanted if f"{name} {text}" not in lines] == []
