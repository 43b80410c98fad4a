# SPDX-License-Identifier: GPL-2.0-only
"""Make a recording: the traffic, what tcpio and tcpdump say of it, and what the kernel counts."""

import json
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.live.harness import make_segments
from tests.live.namespaces import wait_until
from tests.live.overload import SMALLEST_RING, count_places, stopped
from tests.live.peers import Peers
from tests.live.plain_traffic import pinned
from tests.live.programs import READY, TCPIO, Program
from tests.live.recordings import Recording
from tests.live.scenarios import BY_NAME, port_of
from tests.live.topologies import IPV4, End, Network

EXTRA_COLUMNS = ("segs", "seq", "ack", "win", "rtx", "state", "netns")
"""What is added to the default columns."""

FACTS = "facts.json"
SIDES = ("client", "server")
"""What the ends' files are called; there is one end on loopback."""

ANSWERS = ("lines", "summary")
"""The same where there is one end, and tcpio is overloaded: what it does then, by --on-overload."""

MIDDLE = "middle"
"""What the files of a namespace between the ends are called, if one is watched."""

ALL = "all"
"""The same of all namespaces together; and what --netns calls them."""

PHASES = ("start", "traffic", "end")
"""What the time is taken of."""

_TRIES = 3
_LITTLE = 1  # connections: the smallest ring holds the segments of two
_MARKER = b"the last packet of this recording"
_DISCARD = 9
_DROPPED = re.compile(r"(\d+) packets? dropped by (?:kernel|interface)")


class Incomplete(Exception):
    """tcpdump did not see all packets: the recording is no truth."""


def record(recording: Recording, rung: str, folder: Path) -> Path:
    """Make a recording in a folder of its own below this one, and give that.

    Raises:
        Incomplete: tcpdump lost packets again and again.
    """
    to = folder / recording.name
    for _ in range(_TRIES):
        # The folder may be on a slow file system: it gets whole files.
        with tempfile.TemporaryDirectory(prefix="tcpio-") as scratch:
            is_whole = _record(recording, rung, Path(scratch))
            shutil.rmtree(to, ignore_errors=True)
            shutil.copytree(scratch, to)
        if is_whole:
            return to
    raise Incomplete(f"{recording.name}: tcpdump lost packets {_TRIES} times")


def _record(recording: Recording, rung: str, scratch: Path) -> bool:
    times = [time.monotonic()]
    with recording.topology(recording.has_super_segments) as network, ExitStack() as stack:
        sides = list(zip(SIDES, network.ends, strict=False))
        if recording.is_overloaded:
            sides = [(answer, network.client) for answer in ANSWERS]
        captured = [] if recording.is_counted_only else sides
        captures = [stack.enter_context(capturing(end, side, scratch)) for side, end in captured]
        to = "/dev/null" if recording.is_counted_only else ""
        traces = [stack.enter_context(_tracing(end.namespace.name, side, scratch, rung, to)) for side, end in sides]
        if network.middle:
            traces.append(stack.enter_context(_tracing(network.middle.name, MIDDLE, scratch, rung)))
        if recording.watches_all:
            traces.append(stack.enter_context(_tracing(ALL, ALL, scratch, rung)))
        for trace in traces:
            trace.wait_for(READY)
        times.append(time.monotonic())
        before = [end.namespace.counters() for _, end in sides]
        if recording.is_overloaded:
            made = _make_too_much(recording, network, traces, scratch)
        else:
            made = [_make(name, network, family) for family, name in recording.traffic]
        mark_the_end(network, [scratch / f"{side}.pcap" for side, _ in captured])
        after = [end.namespace.counters() for _, end in sides]
        times.append(time.monotonic())
        statuses = [trace.stop() for trace in traces]
        for capture in captures:
            capture.stop()
        facts: dict[str, Any] = {"rung": rung, "kernel": os.uname().release, "made": made, "ends": {}}
        times.append(time.monotonic())
        facts["seconds"] = dict(zip(PHASES, (end - begin for begin, end in pairwise(times)), strict=True))
        for (side, end), earlier, later, status in zip(sides, before, after, statuses, strict=False):
            facts["ends"][side] = {
                "netns": end.namespace.inode,
                "addresses": [*end.addresses.values(), *end.second.values()],
                "is_loopback": end.device == "lo",
                "status": status,
                "counted": _difference(earlier, later),
            }
        (scratch / FACTS).write_text(json.dumps(facts, indent=1))
        return not any(int(lost) for capture in captures for lost in _DROPPED.findall(capture.said))


@contextmanager
def capturing(end: End, side: str, folder: Path) -> Iterator[Program]:
    """Let tcpdump capture what passes an end's device, into SIDE.pcap."""
    options = f"-i {end.device} -n -U -B 65536 --immediate-mode -s 128 -Z root -w {folder / side}.pcap"
    with end.namespace.entered():
        program = Program(["tcpdump", *options.split()], folder / f"{side}.tcpdump")
    with program as capture:
        capture.wait_for("listening on")
        yield capture


@contextmanager
def _tracing(netns: str, side: str, scratch: Path, rung: str, to: str = "") -> Iterator[Program]:
    columns = ",".join(EXTRA_COLUMNS)
    options = f"--netns {netns} --attach {rung} -t --time-format epoch -o +{columns}"
    command = [*TCPIO, "trace", *options.split(), "-w", to or str(scratch / f"{side}.txt")]
    command += (*SMALLEST_RING, "--on-overload", side) if side in ANSWERS else ()
    with Program(command, scratch / f"{side}.stderr") as trace:
        yield trace


def _make(name: str, network: Network, family: str) -> dict[str, Any]:
    began = time.monotonic()
    scenario = BY_NAME[name]
    peers = Peers(network, family, port_of(name, family))
    before = [end.namespace.counters() for end in network.ends]
    lacking = scenario.find_lacking()
    if not lacking:
        with pinned(max(os.sched_getaffinity(0))) if scenario.is_pinned else nullcontext():
            scenario.make(peers)
        peers.settle()
    counted = [
        _difference(earlier, end.namespace.counters()) for earlier, end in zip(before, network.ends, strict=True)
    ]
    return {
        "scenario": name,
        "family": family,
        "lacking": lacking,
        "seconds": time.monotonic() - began,
        "counted": dict(zip(SIDES, counted, strict=False)),
        **peers.to_json(),
    }


def _make_too_much(
    recording: Recording, network: Network, traces: list[Program], scratch: Path
) -> list[dict[str, Any]]:
    # For each family while tcpio is stopped, and little before and behind: on one CPU, so that losses have one order.
    made = []
    lines, counts = (scratch / f"{answer}.txt" for answer in ANSWERS)
    with pinned(max(os.sched_getaffinity(0))):
        for family in recording.families:
            make_segments(network, _LITTLE)
            before = [count_places(path.read_text()) for path in (lines, counts)]
            with ExitStack() as stack:
                for trace in traces:
                    stack.enter_context(stopped(trace))
                made += [_make(name, network, family) for name in recording.scenarios]
            # The kernel tells of a loss with what comes next.
            wait_until(lambda: make_segments(network, _LITTLE) and _are_more(lines, before[0]), "a loss")  # noqa: B023
            wait_until(lambda: _are_more(counts, before[1]), "what was counted")  # noqa: B023  at once
        make_segments(network, _LITTLE)
    return made


def _are_more(path: Path, before: int) -> bool:
    return count_places(path.read_text()) > before


def _difference(earlier: dict[str, int], later: dict[str, int]) -> dict[str, int]:
    changes = {name: value - earlier.get(name, 0) for name, value in later.items()}
    return {name: change for name, change in changes.items() if change}


def mark_the_end(network: Network, captures: list[Path]) -> None:
    """Send a last packet, and wait until all captures hold it: then they are complete."""
    with network.client.namespace.entered():
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sock:
        sock.sendto(_MARKER, (network.server.addresses[IPV4], _DISCARD))
    wait_until(lambda: all(_MARKER in _tail(capture) for capture in captures), "the end of the captures")


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 4096))
        return file.read()
