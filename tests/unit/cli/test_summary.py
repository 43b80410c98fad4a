# SPDX-License-Identifier: GPL-2.0-only
"""From the options to a running summary, with stand-ins for the kernel."""

import argparse

import pytest

from tcpio.cli import counting, summary
from tcpio.cli.main import main
from tcpio.cli.summary_options import SummaryOptions
from tcpio.errors import NotPermitted, ProgramNotFound
from tcpio.kernel.buckets import default_buckets
from tcpio.schema.counters import COUNTERS
from tests.unit.sums import FakeSumming, key, make_sums


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    taken: list[object] = []
    summing = FakeSumming(make_sums())

    def run_counting(options: SummaryOptions, given: object) -> int:
        assert given is summing
        assert summing.counting == options.counting
        taken.append(options)
        return 7

    monkeypatch.setattr(summary, "require_privileges", lambda: taken.append("privileges"))
    monkeypatch.setattr(summary, "Summing", summing)
    monkeypatch.setattr(counting, "run_counting", run_counting)
    return taken


def test_the_status_is_that_of_the_run(steps: list[object]) -> None:
    assert main(["summary", "--by", "lport"]) == 7
    assert steps[0] == "privileges"
    assert isinstance(steps[1], SummaryOptions)


@pytest.mark.parametrize(
    ("words", "filters", "program"),
    [
        (["--", "true"], 0, ("true",)),
        (["*:80-*:*", "--", "sh", "-c", "exit 1", "--", "-q"], 1, ("sh", "-c", "exit 1", "--", "-q")),
        (["-q", "*:80-*:*", "--zeros", "--", "env", "--by", "x"], 1, ("env", "--by", "x")),
        (["index=lport", "timeout=9", "*:80-*:*", "*:81-*:*", "--", "cat"], 2, ("cat",)),
        (["*:80-*:*"], 1, ()),
    ],
)
def test_what_is_behind_two_dashes_is_a_program(
    steps: list[object], words: list[str], filters: int, program: tuple[str, ...]
) -> None:
    main(["summary", *words])
    options = steps[1]

    assert isinstance(options, SummaryOptions)
    assert (len(options.filters), options.program) == (filters, program)


def test_two_dashes_want_a_program(steps: list[object], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", "--"]) == 2
    assert capfd.readouterr().err == "tcpio: there is no command behind --; see 'tcpio summary --help'\n"
    assert steps == []


def test_a_program_that_is_not_there_is_told_before_anything_else(steps: list[object]) -> None:
    assert main(["summary", "--", "no-such-program"]) == ProgramNotFound.exit_code
    assert steps == []


def test_the_programs_can_be_printed_by_anyone(steps: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["summary", "--print-bpf"]) == 0
    assert capsys.readouterr().out == "int run(void *ctx)\n\n"
    assert steps == []


def test_without_permission_nothing_is_counted(steps: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise NotPermitted("no permission")

    monkeypatch.setattr(summary, "require_privileges", refuse)

    assert main(["summary"]) == 3
    assert steps == []


def test_what_cannot_be_counted_here_is_an_error(
    steps: list[object], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    summing = FakeSumming(make_sums())
    summing.counters = ()
    summing.doubts = {key("TcpExtTW"): "no tracepoint shows it"}
    monkeypatch.setattr(summary, "Summing", summing)

    assert main(["summary", "--counters", "TW"]) == 3
    assert capfd.readouterr().err.startswith("tcpio: TcpExtTW is not counted here: no tracepoint shows it; ")
    assert steps == ["privileges"]


def test_the_kernel_s_own_counters_need_no_others(steps: list[object], monkeypatch: pytest.MonkeyPatch) -> None:
    summing = FakeSumming(make_sums())
    summing.counters = ()
    monkeypatch.setattr(summary, "Summing", summing)
    monkeypatch.setattr(counting, "run_counting", lambda *_: 0)

    assert main(["summary", "--counters", "IpReasmOKs"]) == 0
    assert steps == ["privileges"]


def test_help_lists_every_counter_and_says_which_are_the_kernel_s_own() -> None:
    lines = summary.EPILOG.splitlines()
    names = [line.split()[0] for line in lines if line.startswith("  ") and line.split()]

    assert {f"{one.key}{'*' * one.is_hosts}" for one in COUNTERS} <= set(names)
    parser = argparse.ArgumentParser(epilog=summary.EPILOG)
    summary.add_arguments(parser)
    assert "[-- COMMAND...]" in parser.format_help()
    assert f"(default: {default_buckets(1, 1)}, or fewer in 64 MB)" in " ".join(parser.format_help().split())
