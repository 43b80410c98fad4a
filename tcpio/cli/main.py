# SPDX-License-Identifier: GPL-2.0-only
"""The command line: finds the command, and is the one place where errors are printed."""

import argparse
import gc
import importlib
import os
import re
from collections.abc import Sequence
from typing import Protocol, cast

import tcpio
from tcpio.cli.say import say
from tcpio.errors import FilterError, TcpioError, UsageError


class Command(Protocol):
    """What a command's module has, which is tcpio.cli.NAME."""

    EPILOG: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add its options."""

    def run(self, args: argparse.Namespace) -> int:
        """Do it, and give the exit status."""


COMMANDS = {
    "trace": "print one line for every TCP segment sent or received (what tcpio does when no command is named)",
    "summary": "count: the kernel's MIB counters for each socket or group of sockets",
    "sort": "put recorded output in the order of time; several files are merged",
    "replay": "print a recording again: other columns, another format, a part of it, or what can be derived from it",
    "doctor": "say what this kernel offers, what tcpio would use, and what to install",
}
"""What each does. The first is what is done when none is named."""

_NEW_OBJECTS = 50_000
"""How many before Python's collector looks for cycles. After each 700, its default, takes 1/14 of a start, to look
through what was imported; what runs then makes none."""

RUNS_PROGRAMS = ("summary",)
"""Those that take ``-- COMMAND``; for the others what is behind ``--`` are filters."""

DEFAULT = next(iter(COMMANDS))


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

    gc.set_threshold(_NEW_OBJECTS)
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        name, rest = (arguments[0], arguments[1:]) if arguments and arguments[0] in COMMANDS else (DEFAULT, arguments)
        command = find_command(name)
        return command.run(_parse(name, command, rest))
    except TcpioError as error:
        _complain(error)
        return error.exit_code
    except BrokenPipeError:  # whoever read what a command printed has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what Python still wants to flush
        return 0
    except KeyboardInterrupt:
        return 130


def _join_values(arguments: Sequence[str]) -> list[str]:
    # No option begins with a hyphen and a digit: what does is the value of the option before it, as in --since -5min.
    joined: list[str] = []
    for argument in arguments:
        if re.match(r"-\d", argument) and joined and re.fullmatch(r"--[a-z-]+", joined[-1]):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _parse(name: str, command: Command, words: list[str]) -> argparse.Namespace:
    parser = _make_parser(name, command)
    if name not in RUNS_PROGRAMS:
        return parser.parse_intermixed_args(_join_values(words))
    at = words.index("--") if "--" in words else len(words)
    args = parser.parse_intermixed_args(_join_values(words[:at]))
    args.program = words[at + 1 :]
    if at + 1 == len(words):
        parser.error("there is no command behind --")
    return args


def find_command(name: str) -> Command:
    """Give a command's module, which nothing else has loaded: a start pays for one command alone."""
    return cast("Command", importlib.import_module(f"tcpio.cli.{name}"))


def _make_parser(name: str, command: Command) -> argparse.ArgumentParser:
    is_default = name == DEFAULT
    parser = _Parser(
        prog="tcpio" if is_default else f"tcpio {name}",
        usage="tcpio [trace] [OPTION...] [FILTER...]" if is_default else None,
        description=f"{tcpio.__doc__}" if is_default else COMMANDS[name],
        epilog=command.EPILOG + (_commands() if is_default else ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"tcpio {tcpio.__version__}")
    command.add_arguments(parser)
    return parser


def _commands() -> str:
    rows = "\n".join(f"  tcpio {name:<10} {text}" for name, text in COMMANDS.items())
    return f"\ncommands ('tcpio COMMAND --help' for more):\n{rows}\n"


def _complain(error: TcpioError) -> None:
    text = f"tcpio: {error}"
    if error.hint:
        text += f"; {error.hint}"
    if isinstance(error, FilterError):
        text += f"\n  {error.text}\n  {' ' * error.position}^"
    say(text)
