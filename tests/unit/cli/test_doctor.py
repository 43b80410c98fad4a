# SPDX-License-Identifier: GPL-2.0-only
"""The report on this kernel, from made-up findings."""

import argparse
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from tcpio.cli import doctor
from tcpio.cli.doctor import Report, examine, to_json, to_text
from tcpio.errors import UnsupportedKernel
from tcpio.kernel.features import FEATURES, Feature
from tcpio.kernel.hooks import SITES, Choice, Direction, Hook, Rung, choose
from tcpio.kernel.plan import Plan
from tcpio.schema.support import YES, Support, Verdict
from tests.unit.kernel.btf_blob import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable

NO = Verdict(Support.NO, "it is not there")
UNKNOWN = Verdict(Support.UNKNOWN, "not permitted")


def feature(name: str, *, is_needed: bool = True) -> Feature:
    return Feature(name, f"for {name}s", f"a kernel with {name}s", lambda _: YES, is_needed)


RECEIVER = SITES[4]
FENTRY, KPROBE, DEVICE, _ = RECEIVER.ways
CHOSEN = Choice(RECEIVER, FENTRY, ())
SECOND = Choice(RECEIVER, KPROBE, ((FENTRY, "fentry:tcp_v4_rcv: it has no parameter skb"),))
NOTHING = Choice(RECEIVER, None, ((FENTRY, "fentry: no"), (KPROBE, "kprobe: no")))


def report(*features: tuple[Feature, Verdict], choices: tuple[Choice, ...] = (CHOSEN,), failure: str = "") -> Report:
    return Report("tcpio 0.1.0, Linux 6.18", features, choices, failure)


@pytest.mark.parametrize(
    ("made_up", "can_trace"),
    [
        (report(), True),
        (report((feature("ring"), YES)), True),
        (report((feature("ring"), NO)), False),
        (report((feature("ring"), UNKNOWN)), True),
        (report((feature("colour", is_needed=False), NO)), True),
        (report(choices=(CHOSEN, SECOND)), True),
        (report(choices=(CHOSEN, NOTHING)), False),
        (report(choices=(), failure="no kernel type information"), False),
    ],
)
def test_tracing_is_possible_if_nothing_needed_is_missing(made_up: Report, can_trace: bool) -> None:  # noqa: FBT001
    assert can_trace == made_up.can_trace


def test_text_says_what_is_there_and_what_would_help() -> None:
    made_up = report(
        (feature("ring"), YES), (feature("colour", is_needed=False), NO), (feature("probe"), UNKNOWN), choices=(SECOND,)
    )

    assert to_text(made_up) == (
        "tcpio 0.1.0, Linux 6.18\n"
        "\n"
        "features\n"
        "  yes          ring: for rings\n"
        "  no           colour: for colours\n"
        "               it is not there; what would help: a kernel with colours\n"
        "  cannot tell  probe: for probes\n"
        "               not permitted; what would help: a kernel with probes\n"
        "\n"
        "hooks\n"
        "  receive: IPv4: kprobe:tcp_v4_rcv\n"
        "               not fentry:tcp_v4_rcv: it has no parameter skb\n"
        "\n"
        "kprobe: between TCP and IP; a program that interrupts another on the same CPU is skipped, "
        "which the kernel counts\n"
        "since Linux 6.7.\n"
        "\n"
        "tcpio can trace here"
    )


def test_text_says_what_cannot_be_seen() -> None:
    text = to_text(report(choices=(NOTHING,)))

    assert "  receive: IPv4: none\n               not fentry: no\n               not kprobe: no\n" in text
    assert text.endswith("\ntcpio cannot trace here")


def test_text_says_why_nothing_could_be_chosen() -> None:
    text = to_text(report(choices=(), failure="no kernel type information"))

    assert "\nhooks\n  no kernel type information\n\ntcpio cannot trace here" in text


def test_a_reason_is_told_once_for_a_site() -> None:
    twice = Choice(RECEIVER, DEVICE, ((FENTRY, "fentry: no"), (FENTRY, "fentry: no")))

    assert to_text(report(choices=(twice,))).count("not fentry: no") == 1


def test_text_fits_a_terminal() -> None:
    long = Verdict(Support.NO, "reason " * 40)
    choices = choose(
        lambda hook: Verdict(Support.NO, f"{hook} " * 20), rung=None, directions=tuple(Direction), has_ipv6=True
    )

    assert max(map(len, to_text(report((feature("ring"), long), choices=choices)).splitlines())) <= 120


def test_json_has_all_of_it() -> None:
    made_up = report((feature("ring"), YES), (feature("probe"), UNKNOWN), choices=(SECOND, NOTHING), failure="why")

    assert json.loads(to_json(made_up)) == {
        "system": "tcpio 0.1.0, Linux 6.18",
        "can_trace": False,
        "failure": "why",
        "features": [
            {
                "name": "ring",
                "support": "yes",
                "reason": "",
                "purpose": "for rings",
                "remedy": "a kernel with rings",
            },
            {
                "name": "probe",
                "support": "cannot tell",
                "reason": "not permitted",
                "purpose": "for probes",
                "remedy": "a kernel with probes",
            },
        ],
        "sites": [
            {
                "name": "receive: IPv4",
                "rung": "kprobe",
                "hooks": ["kprobe:tcp_v4_rcv"],
                "refused": [{"hooks": ["fentry:tcp_v4_rcv"], "reason": "fentry:tcp_v4_rcv: it has no parameter skb"}],
            },
            {
                "name": "receive: IPv4",
                "rung": None,
                "hooks": [],
                "refused": [
                    {"hooks": ["fentry:tcp_v4_rcv"], "reason": "fentry: no"},
                    {"hooks": ["kprobe:tcp_v4_rcv"], "reason": "kprobe: no"},
                ],
            },
        ],
    }


def run(made_up: Report, monkeypatch: pytest.MonkeyPatch, *, json: bool) -> int:
    monkeypatch.setattr(doctor, "examine", lambda _: made_up)
    return doctor.run(argparse.Namespace(json=json, btf=None))


def test_the_report_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(report(), monkeypatch, json=False) == 0
    assert f"{to_text(report())}\n" == capsys.readouterr().out


def test_the_report_is_printed_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(report(choices=(NOTHING,)), monkeypatch, json=True) == UnsupportedKernel.exit_code == 3
    assert json.loads(capsys.readouterr().out)["can_trace"] is False


@pytest.fixture
def no_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    # The kernel is not asked here: tests/unit/kernel/test_features.py has its answers.
    answers: tuple[Callable[..., object], ...] = (lambda _: YES, lambda _: NO)
    rows = tuple(
        Feature(row.name, row.purpose, row.remedy, answers[row.name == "kprobes"], row.is_needed)  # type: ignore[arg-type]
        for row in FEATURES
    )
    monkeypatch.setattr(doctor, "FEATURES", rows)


@pytest.mark.usefixtures("no_questions")
def test_every_feature_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = Plan(Kernel().btf(), (CHOSEN,))
    asked: list[tuple[object, ...]] = []

    def make_plan(path: Path | None, *, rung: Rung | None, directions: tuple[Direction, ...]) -> Plan:
        asked.append((path, rung, directions))
        return plan

    monkeypatch.setattr(doctor, "make_plan", make_plan)
    found = examine(Path("vmlinux"))

    assert asked == [(Path("vmlinux"), None, tuple(Direction))]
    assert [feature.name for feature in FEATURES] == [feature.name for feature, _ in found.features]
    assert [name for name, verdict in ((row.name, verdict) for row, verdict in found.features) if verdict == NO] == [
        "kprobes"
    ]
    assert (found.choices, found.failure, found.can_trace) == ((CHOSEN,), "", True)
    assert found.system.startswith("tcpio ")


@pytest.mark.parametrize(("is_there", "told"), [(True, "BCC 0.31.0"), (False, "no BCC")])
def test_bccs_version_is_told(is_there: bool, told: str, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    bcc = ModuleType("bcc")
    bcc.__version__ = "0.31.0"  # type: ignore[attr-defined]  # as BCC has it
    bcc.BPF = object  # type: ignore[attr-defined]  # which makes it BCC
    monkeypatch.setitem(sys.modules, "bcc", bcc)
    if not is_there:
        monkeypatch.setitem(sys.modules, "bcc", None)  # type: ignore[misc]  # what makes its import fail

    assert told == doctor._bcc_version()


@pytest.mark.usefixtures("no_questions")
def test_a_failure_to_plan_is_part_of_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Plan:
        raise UnsupportedKernel("no kernel type information")

    monkeypatch.setattr(doctor, "make_plan", fail)
    found = examine(None)

    assert (found.choices, found.failure, found.can_trace) == ((), "no kernel type information", False)
    assert len(found.features) == len(FEATURES)


def test_hooks_are_told_by_their_kind_and_target() -> None:
    assert str(Hook(FENTRY.hooks[0].kind, "tcp_v4_rcv")) == "fentry:tcp_v4_rcv"
