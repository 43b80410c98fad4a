# SPDX-License-Identifier: GPL-2.0-only
"""Whether memory stays what it is while sockets come and go, of each of which a report is written when it closes."""

import os
import signal
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.tables import show
from tests.live.namespaces import namespaces
from tests.live.programs import TCPIO, Program
from tests.live.short_connections import make_in

CONNECTIONS = 1_000_000
_STEPS = 10


def measure(connections: int) -> None:
    """Print what tcpio takes after each tenth of so many short connections, of which it sees both ends."""
    steps = [connections // _STEPS] * _STEPS
    rows = []
    with TemporaryDirectory(prefix="tcpio-bench-") as name, namespaces([f"tcpio-bench-{os.getpid()}"]) as (namespace,):
        command = [*TCPIO, "summary", "--netns", namespace.name, "--on-close", "-f", "jsonl", "-w", "/dev/null"]
        with Program(command, Path(name, "stderr")) as program:
            program.wait_for("tcpio: counting")
            began_s = time.monotonic()
            for made in make_in(namespace, steps):
                rate = steps[0] / (time.monotonic() - began_s)
                rows.append([str(made), f"{rate:.0f}", f"{program.cpu_s:.1f}", f"{program.resident / 1e6:.1f}"])
                began_s = time.monotonic()
            program.stop(signal.SIGINT)
            said = program.said.splitlines()[-1]
    show(f"summary --on-close: {said}", ["connections", "connections/s", "CPU s of tcpio", "tcpio itself, MB"], rows)
