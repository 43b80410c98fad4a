# SPDX-License-Identifier: GPL-2.0-only
"""The parts of README.md that are made from tcpio's own tables: ``python3 -m tests.readme`` writes them anew."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from tcpio.kernel.hooks import RUNG_NOTES, SIGHTS, SITES, Rung
from tcpio.output.formats import FORMATS
from tcpio.schema.columns import COLUMNS, DEFAULT
from tests.kernels import resolved
from tests.kernels.kernels import series_of

README = Path(__file__).resolve().parent.parent / "README.md"


def _columns() -> Iterator[str]:
    yield "| column | what it holds | by default |"
    yield "|---|---|---|"
    for column in COLUMNS:
        yield f"| {column.name} | {column.help} | {'yes' if column.name in DEFAULT else ''} |"


def _rungs() -> Iterator[str]:
    yield "| way | where | what to know |"
    yield "|---|---|---|"
    for rung in Rung:
        hooks = [str(hook) for site in SITES for way in site.ways if way.rung is rung for hook in way.hooks]
        yield f"| {rung.value} | {', '.join(f'`{hook}`' for hook in dict.fromkeys(hooks))} | {RUNG_NOTES[rung]} |"


def _sights() -> Iterator[str]:
    yield "| segment | fentry, kprobe | tracepoint |"
    yield "|---|---|---|"
    for sight in SIGHTS:
        yield f"| {sight.segment} | {sight.near} | {sight.device} |"


def _kernels() -> Iterator[str]:
    kernels = resolved.read().values()
    yield "| where | way | hooks | " + " | ".join(series_of(found["kernel"]) for found in kernels) + " |"
    yield "|---|---|---|" + "---|" * len(kernels)
    for site in SITES:
        for way in site.ways:
            hooks = [str(hook) for hook in way.hooks]
            chosen = ["yes" if found["hooks"][way.rung.value][site.name] == hooks else "" for found in kernels]
            if not any(chosen):
                continue  # a kernel without its own BTF, or that refuses all others, would take it
            named = ", ".join(f"`{hook}`" for hook in hooks)
            yield f"| {site.name} | {way.rung.value} | {named} | {' | '.join(chosen)} |"


def _formats() -> Iterator[str]:
    yield "| `-f` | what it is | may be left before its end |"
    yield "|---|---|---|"
    for name, row in FORMATS.items():
        yield f"| {name} | {row.help} | {'no: the file appears when it is closed' if row.is_whole else 'yes'} |"


def shell_examples(text: str, heading: str) -> list[tuple[str, str, list[str]]]:
    """Give what README.md types at prompts below a heading: host (empty is any), command, and what it prints."""
    section = re.split(r"^#+ ", text.partition(f"# {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    found: list[tuple[str, str, list[str]]] = []
    for line in re.findall(r"^    (.*)\n", section, re.MULTILINE):
        if match := re.fullmatch(r"([a-z]*)# (.*)", line):
            found.append((match[1], match[2], []))
        elif found:
            found[-1][2].append(line)
    return found


def python_examples(text: str) -> list[str]:
    """Give the Python programs in README.md."""
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.MULTILINE)
    return [code for block in blocks if (code := textwrap.dedent(block).strip() + "\n").startswith("import ")]


BLOCKS = {"columns": _columns, "rungs": _rungs, "kernels": _kernels, "sights": _sights, "formats": _formats}


def fill(text: str) -> str:
    """Give README.md with its tables made anew."""
    for name, make in BLOCKS.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, after = text.partition(begin)[0], text.partition(end)[2]
        text = before + "\n".join((begin, *make(), end)) + after
    return text


if __name__ == "__main__":
    README.write_text(fill(README.read_text()))
