# SPDX-License-Identifier: GPL-2.0-only
"""The command line as a whole: commands, the order of words, errors and exit status."""

import argparse
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest

import tcpio
from tcpio.cli.main import COMMANDS, DEFAULT, find_command, main
from tcpio.errors import FilterError, NotPermitted, OutputError, TcpioError, UnsupportedKernel, UsageError

FILTER = "*:*-192.0.2.0/24:443"
OTHER = "!*:22-*:*"


class Runs:
    """What was run, instead of being run."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[tuple[str, argparse.Namespace]] = []
        self.outcome: Callable[[], int] = lambda: 0
        for name in COMMANDS:
            monkeypatch.setattr(find_command(name), "run", self._make_run(name))

    def _make_run(self, name: str) -> Callable[[argparse.Namespace], int]:
        def run(args: argparse.Namespace) -> int:
            self.seen.append((name, args))
            return self.outcome()

        return run

    def last(self, arguments: Sequence[str]) -> tuple[str, argparse.Namespace]:
        assert main(arguments) == 0
        return self.seen[-1]


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    return Runs(monkeypatch)


@pytest.mark.parametrize(
    ("arguments", "is_timed", "filters"),
    [
        ([], False, []),
        (["trace"], False, []),
        ([FILTER], False, [FILTER]),
        (["-t", FILTER], True, [FILTER]),
        ([FILTER, "-t"], True, [FILTER]),
        (["trace", FILTER], False, [FILTER]),
        (["trace", "-t", FILTER], True, [FILTER]),
        (["trace", FILTER, "-t"], True, [FILTER]),
        ([FILTER, "-t", OTHER], True, [FILTER, OTHER]),
        (["-t", FILTER, "--wide", OTHER], True, [FILTER, OTHER]),
        (["-t", "--", FILTER], True, [FILTER]),
    ],
)
def test_options_and_filters_come_in_any_order(
    runs: Runs,
    arguments: list[str],
    is_timed: bool,  # noqa: FBT001
    filters: list[str],
) -> None:
    name, args = runs.last(arguments)

    assert (name, args.time, args.filters) == ("trace", is_timed, filters)


@pytest.mark.parametrize(
    "order", list(itertools.permutations([("-t",), ("-c", "5"), (FILTER,), (OTHER,), ("--wide",)]))
)
def test_every_order_means_the_same(runs: Runs, order: tuple[tuple[str, ...], ...]) -> None:
    _, args = runs.last([word for words in order for word in words])

    assert (args.time, args.count, args.wide, set(args.filters)) == (True, "5", True, {FILTER, OTHER})


def test_a_command_can_be_named(runs: Runs) -> None:
    name, args = runs.last(["doctor", "--json"])

    assert (name, args.json) == ("doctor", True)


def test_a_commands_name_behind_an_option_is_a_filter(runs: Runs) -> None:
    name, args = runs.last(["-t", "doctor"])

    assert (name, args.filters) == ("trace", ["doctor"])


def test_the_status_is_what_the_command_gives(runs: Runs) -> None:
    runs.outcome = lambda: 3

    assert main(["doctor"]) == 3


def test_the_arguments_are_the_process_s_own(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["tcpio", "-t", FILTER])

    assert main() == 0
    assert runs.seen[-1][1].filters == [FILTER]


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--bogus"], "tcpio: unrecognized arguments: --bogus; see 'tcpio --help'"),
        (["trace", "--bogus"], "tcpio: unrecognized arguments: --bogus; see 'tcpio --help'"),
        (["--colo", "never"], "tcpio: unrecognized arguments: --colo; see 'tcpio --help'"),
        (["-c"], "tcpio: argument -c/--count: expected one argument; see 'tcpio --help'"),
        (["doctor", "--bogus"], "tcpio: unrecognized arguments: --bogus; see 'tcpio doctor --help'"),
        (["doctor", "extra"], "tcpio: unrecognized arguments: extra; see 'tcpio doctor --help'"),
    ],
)
def test_what_is_not_known_is_one_line_and_status_2(
    arguments: list[str], line: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert ("", f"{line}\n") == capfd.readouterr()


@pytest.mark.usefixtures("runs")
def test_a_wrong_choice_names_the_right_ones(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--dir", "up"]) == 2
    error = capfd.readouterr().err
    assert error.startswith("tcpio: argument --dir: invalid choice: 'up' (choose from ")
    assert "send" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TcpioError("it failed"), 1),
        (OutputError("it failed"), 1),
        (UsageError("it failed"), 2),
        (UnsupportedKernel("it failed"), 3),
        (NotPermitted("it failed"), 3),
    ],
)
def test_an_error_is_one_line_and_its_status(
    runs: Runs, error: TcpioError, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail() -> int:
        raise error

    runs.outcome = fail

    assert status == main([])
    assert capfd.readouterr() == ("", "tcpio: it failed\n")


def test_a_hint_stands_behind_the_error(runs: Runs, capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise UnsupportedKernel("it failed", hint="do this")

    runs.outcome = fail
    main([])

    assert capfd.readouterr().err == "tcpio: it failed; do this\n"


def test_a_filter_that_does_not_parse_is_shown_with_a_caret(runs: Runs, capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> int:
        raise FilterError("found 'x', expected a port", text="*:x-*:*", position=2)

    runs.outcome = fail

    assert main(["*:x-*:*"]) == 2
    assert capfd.readouterr().err == (
        "tcpio: filter '*:x-*:*': found 'x', expected a port, at character 3; "
        "the form is LADDR:LPORT-RADDR:RPORT, for example '*:*-192.0.2.0/24:443'\n"
        "  *:x-*:*\n"
        "    ^\n"
    )


def test_an_interrupt_before_tracing_is_no_traceback(runs: Runs, capfd: pytest.CaptureFixture[str]) -> None:
    def interrupt() -> int:
        raise KeyboardInterrupt

    runs.outcome = interrupt

    assert main([]) == 130
    assert capfd.readouterr() == ("", "")


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    # In a process of its own, since the standard output is replaced.
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-c", "from tcpio.cli.main import main; raise SystemExit(main(['doctor']))"]
    script = (
        "import sys; from tcpio.cli import doctor\ndef run(args):\n print('x' * 100000, flush=True)\ndoctor.run = run\n"
    )
    command[2] = script + command[2]
    done = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE, check=False)
    os.close(write_end)

    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("arguments", [["--version"], ["trace", "--version"], ["doctor", "--version"]])
def test_the_version_is_told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 0
    assert f"tcpio {tcpio.__version__}\n" == capsys.readouterr().out


def help_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 0
    return capsys.readouterr().out


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(["--help"], capsys)

    assert [name for name in COMMANDS if f"tcpio {name} " not in text] == []


def test_help_is_the_same_with_and_without_the_default_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert help_of(["-h"], capsys) == help_of(["trace", "--help"], capsys)


def test_a_command_has_help_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(["doctor", "--help"], capsys)

    assert text.startswith("usage: tcpio doctor ")
    assert "--json" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help(name: str) -> None:
    parser = argparse.ArgumentParser()
    find_command(name).add_arguments(parser)

    assert [action.dest for action in parser._actions if not action.help] == []


@pytest.mark.parametrize("arguments", [["--help"], ["sort", "--help"], ["doctor", "--help"]])
def test_help_fits_a_terminal(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")

    assert [line for line in help_of(arguments, capsys).splitlines() if len(line) > 120] == []


def test_the_first_command_is_the_default() -> None:
    assert DEFAULT == "trace"


def test_a_command_is_loaded_alone() -> None:
    others = sorted(set(COMMANDS) - {DEFAULT})
    code = f"""if True:
        import sys
        from tcpio.cli.main import find_command
        find_command({DEFAULT!r})
        assert not [name for name in {others} if "tcpio.cli." + name in sys.modules]
    """
    subprocess.run([sys.executable, "-c", code], check=True)
