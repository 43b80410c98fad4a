# SPDX-License-Identifier: GPL-2.0-only
"""What is measured: tcpio, and what it is held against, each printing lines of text to a file."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import bcc_callback
from tests.bench.traffic import LOOPBACK
from tests.live.namespaces import Namespace
from tests.live.programs import CHECKOUT, READY, TCPIO, read_counts


@dataclass(frozen=True)
class Consumer:
    """A program that prints a line for each segment.

    Args:
        name: What to call it.
        command: What to run, given the namespace and a folder for what it needs.
        ready: What it says on stderr when it has begun.
        lost: Finds how many segments it should have printed and did not, given what it said on stderr, how many it
            printed, and how many packets passed.
    """

    name: str
    command: Callable[[Namespace, Path], Sequence[str]]
    ready: str
    lost: Callable[[str, int, int], int]


def _tcpio(name: str, *options: str) -> Consumer:
    def command(namespace: Namespace, _: Path) -> Sequence[str]:
        return [*TCPIO, "--attach", "tracepoint", "--netns", namespace.name, "--no-header", *options]

    return Consumer(name, command, READY, lambda said, _lines, _packets: read_counts(said)["lost"])


def _tcpdump(name: str, *options: str) -> Consumer:
    def command(namespace: Namespace, _: Path) -> Sequence[str]:
        return ["ip", "netns", "exec", namespace.name, *f"tcpdump -n -q -i {LOOPBACK}".split(), *options]

    # It counts a packet on loopback twice when it is dropped, as sent and as received, and prints it once.
    return Consumer(name, command, "listening on", lambda _said, lines, packets: max(packets - lines, 0))


def _callback(name: str) -> Consumer:
    def command(namespace: Namespace, folder: Path) -> Sequence[str]:
        source = folder / "trace.c"
        print_bpf = [*TCPIO, "--attach", "tracepoint", "--netns", namespace.name, "--print-bpf"]
        source.write_text(subprocess.run(print_bpf, capture_output=True, text=True, check=True, cwd=CHECKOUT).stdout)
        return [sys.executable, str(Path(bcc_callback.__file__)), str(source), str(CHECKOUT / "bpf")]

    return Consumer(name, command, bcc_callback.READY, lambda said, _lines, _packets: _find_number(said))


def _find_number(said: str) -> int:
    return int(next(word for word in reversed(said.split()) if word.isdecimal()))


TCPDUMP = "tcpdump -n -q"
CALLBACK = "BCC callback"

CONSUMERS = (
    _tcpio("tcpio"),
    _tcpio("tcpio -t", "-t"),
    _tcpio("tcpio --flags SYN", "--flags", "SYN"),
    _tcpdump(TCPDUMP),
    _tcpdump(f"{TCPDUMP} -B 65536", "-B", "65536"),
    _callback(CALLBACK),
)
