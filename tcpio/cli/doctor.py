# SPDX-License-Identifier: GPL-2.0-only
"""``tcpio doctor``: what this kernel offers, what tcpio would use, what to install."""

import argparse
import json
import platform
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tcpio
from tcpio.errors import TcpioError, UnsupportedKernel
from tcpio.kernel.compile import import_bcc
from tcpio.kernel.features import FEATURES, Feature
from tcpio.kernel.hooks import RUNG_NOTES, Choice, Direction, rungs_of
from tcpio.kernel.plan import make_plan
from tcpio.schema.support import Support, Verdict

EPILOG = ""

_WIDTH = 116
_INDENT = 15


@dataclass(frozen=True)
class Report:
    """What was found.

    Args:
        system: What this is, in one line.
        features: Each row of the table, with the answer.
        choices: How each site would be seen.
        failure: Why nothing could be chosen; empty if it could.
    """

    system: str
    features: tuple[tuple[Feature, Verdict], ...]
    choices: tuple[Choice, ...]
    failure: str

    @property
    def can_trace(self) -> bool:
        """Whether ``tcpio trace`` would run here."""
        has_all = all(verdict.support is not Support.NO for feature, verdict in self.features if feature.is_needed)
        return has_all and not self.failure and all(choice.way for choice in self.choices)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    parser.add_argument(
        "--btf", type=Path, metavar="FILE", help="type information of the running kernel (or TCPIO_BTF)"
    )


def run(args: argparse.Namespace) -> int:
    """Print the report; the exit status is 0 if tracing is possible, else 3."""
    report = examine(args.btf)
    print(to_json(report) if args.json else to_text(report))  # noqa: T201  the output that was asked for
    return 0 if report.can_trace else UnsupportedKernel.exit_code


def examine(btf: Path | None) -> Report:
    """Ask all questions."""
    try:
        plan, failure = make_plan(btf, rung=None, directions=tuple(Direction)), ""
    except TcpioError as error:
        plan, failure = None, str(error)
    features = tuple((feature, feature.probe(plan.btf if plan else None)) for feature in FEATURES)
    choices = plan.choices if plan else ()
    system = (
        f"tcpio {tcpio.__version__}, {platform.system()} {platform.release()} {platform.machine()}, "
        f"Python {platform.python_version()} ({sys.executable}), {_bcc_version()}"
    )
    return Report(system, features, choices, failure)


def _bcc_version() -> str:
    try:
        return f"BCC {getattr(import_bcc(), '__version__', 'of an unknown version')}"
    except UnsupportedKernel:
        return "no BCC"


def to_json(report: Report) -> str:
    """Give the report as JSON."""
    return json.dumps(
        {
            "system": report.system,
            "can_trace": report.can_trace,
            "failure": report.failure,
            "features": [
                {
                    "name": feature.name,
                    "support": verdict.support.value,
                    "reason": verdict.reason,
                    "purpose": feature.purpose,
                    "remedy": feature.remedy,
                }
                for feature, verdict in report.features
            ],
            "sites": [
                {
                    "name": choice.site.name,
                    "rung": choice.way.rung.value if choice.way else None,
                    "hooks": [str(hook) for hook in choice.way.hooks] if choice.way else [],
                    "refused": [
                        {"hooks": [str(hook) for hook in way.hooks], "reason": reason} for way, reason in choice.refused
                    ],
                }
                for choice in report.choices
            ],
        },
        indent=2,
    )


def to_text(report: Report) -> str:
    """Give the report for a person."""
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    yield report.system
    yield "\nfeatures"
    for feature, verdict in report.features:
        yield f"  {verdict.support.value:<{_INDENT - 2}}{feature.name}: {feature.purpose}"
        if verdict.support is not Support.YES:
            yield from _wrap(f"{verdict.reason}; what would help: {feature.remedy}")
    yield "\nhooks"
    if report.failure:
        yield f"  {report.failure}"
    for choice in report.choices:
        used = " + ".join(str(hook) for hook in choice.way.hooks) if choice.way else "none"
        yield f"  {choice.site.name}: {used}"
        for reason in dict.fromkeys(reason for _, reason in choice.refused):
            yield from _wrap(f"not {reason}")
    for rung in rungs_of(report.choices):
        yield ""
        yield from textwrap.wrap(f"{rung.value}: {RUNG_NOTES[rung]}.", _WIDTH)
    yield f"\ntcpio can{'' if report.can_trace else 'not'} trace here"


def _wrap(text: str) -> list[str]:
    blank = " " * _INDENT
    return textwrap.wrap(text, _WIDTH, initial_indent=blank, subsequent_indent=blank)
