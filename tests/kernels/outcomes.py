# SPDX-License-Identifier: GPL-2.0-only
"""What became of each kernel and way to attach: the table that a run ends in."""

from collections import Counter, defaultdict
from collections.abc import Iterable

import pytest
from _pytest.terminal import TerminalReporter  # pytest exports it since 8.0

from tests.kernels.kernels import KERNELS, RUNGS
from tests.live.selection import Place

_PLACE = "kernel and way to attach"
_NOT_RUN = "not run"


class Outcomes:
    """A plugin of pytest that counts how the claims on each kernel and way to attach turn out."""

    def __init__(self) -> None:
        self._counts: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._reasons: dict[tuple[str, str], str] = {}

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Note in a test what it is about."""
        callspec = getattr(item, "callspec", None)
        for value in callspec.params.values() if callspec else ():
            if isinstance(value, tuple) and value and isinstance(value[0], Place) and value[0].name:
                item.user_properties.append((_PLACE, (value[0].name, value[0].rung)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count how a test turned out; a phase before or after it counts only if something is wrong."""
        place = dict(report.user_properties).get(_PLACE)
        if place is None or (report.when != "call" and report.passed):
            return
        assert isinstance(place, tuple)
        self._counts[place][report.outcome] += 1
        if report.skipped and isinstance(report.longrepr, tuple):
            self._reasons[place] = report.longrepr[2].removeprefix("Skipped: ")

    def tell(self, kernel: str, rung: str) -> str:
        """Tell of one of them, in a few words; one that was skipped, though the kernel has it, has failed."""
        counts = self._counts.get((kernel, rung))
        if not counts:
            return _NOT_RUN
        if counts["failed"]:
            return f"FAILED: {counts['failed']} of {counts.total()}"
        reason = self._reasons.get((kernel, rung))
        if not counts["passed"]:
            return f"FAILED: skipped ({reason})"
        return f"passed: {counts['passed']}" + (f", skipped: {counts['skipped']} ({reason})" if reason else "")

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail the run if a way to attach that a kernel has was skipped."""
        is_skipped = any(not counts["passed"] and not counts["failed"] for counts in self._counts.values())
        if is_skipped and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def table(self) -> Iterable[str]:
        """Give the table, line by line."""
        rows = [("kernel", *RUNGS), *((kernel.name, *(self.tell(kernel.name, r) for r in RUNGS)) for kernel in KERNELS)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Show the table, if a kernel was booted."""
        if self._counts:
            terminalreporter.section("kernels and ways to attach")
            for line in self.table():
                terminalreporter.line(line)
