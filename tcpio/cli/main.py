# SPDX-License-Identifier: GPL-2.0-only
"""The command line: finds the command, and is the one place where errors are printed."""

import argparse
import os
from collections.abc import Sequence
from typing import Protocol

import tcpio
from tcpio.cli import doctor, trace
from tcpio.cli.say import say
from tcpio.errors import FilterError, TcpioError, UsageError


class Command(Protocol):
    """What a command's module has."""

    NAME: str
    HELP: str
    EPILOG: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add its options."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it, and give the exit status."""


COMMANDS: tuple[Command, ...] = (trace, doctor)
"""The first is what is done when none is named."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]  # this one does not exit
        raise UsageError(message, hint=f"see '{self.prog} --help'")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run tcpio.

    Args:
        arguments: The command line without the program's name; None is this process's.

    Returns:
        The exit status: 0, or that of the error (tcpio/errors.py).
    """
    import sys  # noqa: PLC0415  only here, so that nothing else can exit

    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        command, rest = _find_command(arguments)
        return command.run(_make_parser(command).parse_intermixed_args(rest))
    except TcpioError as error:
        _complain(error)
        return error.exit_code
    except BrokenPipeError:  # whoever read what a command printed has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what Python still wants to flush
        return 0
    except KeyboardInterrupt:
        return 130


def _find_command(arguments: list[str]) -> tuple[Command, list[str]]:
    for command in COMMANDS:
        if arguments[:1] == [command.NAME]:
            return command, arguments[1:]
    return COMMANDS[0], arguments


def _make_parser(command: Command) -> argparse.ArgumentParser:
    is_default = command is COMMANDS[0]
    parser = _Parser(
        prog="tcpio" if is_default else f"tcpio {command.NAME}",
        usage="tcpio [trace] [OPTION...] [FILTER...]" if is_default else None,
        description=f"{tcpio.__doc__}" if is_default else command.HELP,
        epilog=command.EPILOG + (_commands() if is_default else ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"tcpio {tcpio.__version__}")
    command.add_arguments(parser)
    return parser


def _commands() -> str:
    rows = "\n".join(f"  tcpio {command.NAME:<10} {command.HELP}" for command in COMMANDS)
    return f"\ncommands ('tcpio COMMAND --help' for more):\n{rows}\n"


def _complain(error: TcpioError) -> None:
    text = f"tcpio: {error}"
    if error.hint:
        text += f"; {error.hint}"
    if isinstance(error, FilterError):
        text += f"\n  {error.text}\n  {' ' * error.position}^"
    say(text)
