# SPDX-License-Identifier: GPL-2.0-only
"""Programs that run beside a test: started, waited for, stopped."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, ClassVar, Protocol

from tests.live.namespaces import DEADLINE_S, wait_until

CHECKOUT = Path(__file__).resolve().parents[2]

TCPIO = (sys.executable, "-m", "tcpio")
"""tcpio as it runs from a checkout, by the Python that runs the tests."""

READY = "tcpio: tracing"
"""What tcpio says on stderr when tracing has begun."""

_OUTCOMES = ("printed", "not printed", "filtered", "counted", "lost", "missed", "late", "unreadable")
_COUNT = re.compile(rf"(\d+) (segments? printed|{'|'.join(_OUTCOMES[1:])})")


def read_counts(said: str) -> dict[str, int]:
    """Read the last counts that tcpio gave on stderr; what it does not name is 0."""
    last = [line for line in said.splitlines() if " printed, " in line][-1]
    counts = dict.fromkeys(_OUTCOMES, 0)
    for number, name in _COUNT.findall(last.partition(";")[0]):
        counts["printed" if name.startswith("segment") else name] = int(number)
    return counts


class Process(Protocol):
    """What is used of subprocess.Popen."""

    args: Any
    pid: int
    returncode: Any
    stdout: IO[bytes] | None

    def poll(self) -> int | None: ...
    def wait(self, timeout: float = ...) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...


class Program:
    """A program that runs, with its stderr in a file; stopped at the end, whatever happens.

    Args:
        command: What to run, in the checkout.
        stderr: Where to keep what it says.
        stdout: Where its output goes.
        environment: Added to that of the tests.
    """

    start: ClassVar[Callable[..., Process]] = subprocess.Popen
    """How it is started: where that takes long, there is another way."""

    def __init__(
        self,
        command: Sequence[str],
        stderr: Path,
        *,
        stdout: int | IO[bytes] = subprocess.DEVNULL,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.stderr_path = stderr
        with stderr.open("wb") as said:
            self.process = type(self).start(
                command,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=said,
                cwd=CHECKOUT,
                env={**os.environ, **(environment or {})},
            )

    @property
    def said(self) -> str:
        """What it has said on stderr so far."""
        return self.stderr_path.read_text(errors="replace")

    @property
    def resident(self) -> int:
        """Bytes of memory that it has, as long as it runs."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) * 1024

    @property
    def cpu_s(self) -> float:
        """Seconds of CPU time that it has taken, as long as it runs."""
        after_name = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")  # utime, stime: proc(5)

    def wait_for(self, text: str) -> None:
        """Wait until it says this on stderr.

        Raises:
            RuntimeError: It ended without.
        """
        wait_until(lambda: text in self.said or self.process.poll() is not None, f"'{text}' from {self.process.args!r}")
        if text not in self.said:
            raise RuntimeError(f"{self.process.args!r} ended with status {self.process.returncode}: {self.said}")

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Wait for the end and give the exit status."""
        return self.process.wait(DEADLINE_S)

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal and wait for the end."""
        self.send(number)
        return self.wait()

    def __enter__(self) -> "Program":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
