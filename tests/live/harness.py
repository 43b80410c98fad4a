# SPDX-License-Identifier: GPL-2.0-only
"""tcpio in the foreground of a test: run in a namespace of its own, given traffic, told to end."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.live.namespaces import DEADLINE_S, Namespace, wait_until
from tests.live.peers import Peers
from tests.live.programs import CHECKOUT, READY, TCPIO, Program, read_counts
from tests.live.segments import Output, read_output
from tests.live.topologies import IPV4, Network

PORT = 30011
_SMALL_MTU = 576  # what any IPv4 host takes (RFC 791): 500 bytes of payload and some

_OUTCOMES = ("printed", "not printed", "filtered", "counted", "lost", "missed")


def make_bulk(network: Network, size: int) -> int:
    """Move so many bytes over loopback in small segments, all of which arrive, and give how many lines that is."""
    network.client.namespace.ip(f"link set dev {network.client.device} mtu {_SMALL_MTU}")
    return make_segments(network, 1, size)


def make_segments(network: Network, handshakes: int = 11, payload: int = 13) -> int:
    """Make connections over a network without super-segments, and give how many lines that is."""
    before = _segments(network.client.namespace)
    peers = Peers(network, IPV4, PORT)
    with peers.listening() as listener:
        for _ in range(handshakes):
            pair = peers.pair(listener)
            pair.up(payload)
            pair.close()
    peers.settle()
    return _segments(network.client.namespace) - before


def _segments(namespace: Namespace) -> int:
    counted = namespace.counters()
    return counted["TcpInSegs"] + counted["TcpOutSegs"] + counted["TcpRetransSegs"]


def all_of(said: str) -> int:
    """Add up what became of the segments that tcpio's programs saw."""
    counts = read_counts(said)
    return sum(counts[name] for name in _OUTCOMES)


@contextmanager
def tracing(
    network: Network,
    folder: Path,
    *options: str,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    name: str = "tcpio",
    environment: dict[str, str] | None = None,
    wrapper: Sequence[str] = (),
) -> Iterator[Program]:
    """Trace a network's client in the background; tracing has begun when this is entered."""
    command = [*wrapper, *TCPIO, "trace", "--netns", network.client.namespace.name, "--attach", "tracepoint", *options]
    with Program(command, folder / f"{name}.stderr", stdout=stdout, environment=environment) as program:
        program.wait_for(READY)
        yield program
    assert "Traceback" not in program.said


def trace(
    network: Network, folder: Path, *options: str, number: signal.Signals = signal.SIGINT
) -> tuple[Output, str, int]:
    """Trace a few connections.

    Returns:
        What was printed, what was said on stderr, and how many lines the kernel's counts ask for.
    """
    path = folder / "output.txt"
    with tracing(network, folder, *options, "-w", str(path)) as program:
        count = make_segments(network)
        status = program.stop(number)
    assert status == 0, program.said
    return read_output(path.read_text(), ()), program.said, count


def run(*options: str, wrapper: Sequence[str] = (), **environment: str) -> subprocess.CompletedProcess[str]:
    """Run tcpio to its end.

    Args:
        *options: Its command line.
        wrapper: A command that runs it.
        **environment: Added to that of the tests.
    """
    return subprocess.run(
        [*wrapper, *TCPIO, *options],
        capture_output=True,
        text=True,
        check=False,
        cwd=CHECKOUT,
        timeout=DEADLINE_S,
        env={**os.environ, **environment},
    )


def unheld_programs() -> set[int]:
    """Find the eBPF programs in the kernel that no process holds: what someone left behind."""
    listed = subprocess.run(["bpftool", "prog", "list"], capture_output=True, text=True, check=True).stdout
    loaded = {int(line.split(":")[0]) for line in listed.splitlines() if line[:1].isdigit()}
    return loaded - _held_programs()


def _held_programs() -> set[int]:
    held = set()
    for info in Path("/proc").glob("[0-9]*/fdinfo/*"):
        try:
            lines = info.read_text().splitlines()
        except OSError:  # the process, or its file descriptor, has gone meanwhile
            continue
        held |= {int(line.split()[1]) for line in lines if line.startswith("prog_id:")}
    return held


@contextmanager
def leaving_nothing() -> Iterator[None]:
    """See that no eBPF program, and no probe, is left behind; the kernel takes a moment to free them."""
    before, probes = unheld_programs(), read_probes()
    yield
    wait_until(lambda: unheld_programs() <= before, "eBPF programs to go", seconds=10)
    assert read_probes() == probes


def read_probes() -> str:
    """Read the probes that tracing has by name; empty where there are none."""
    path = Path("/sys/kernel/tracing/kprobe_events")
    return path.read_text() if path.exists() else ""
