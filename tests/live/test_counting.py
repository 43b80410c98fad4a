# SPDX-License-Identifier: GPL-2.0-only
"""Counters by the way to attach that this machine has, held against the kernel's own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.live.count_claims import *  # noqa: F403  each is a test
from tests.live.count_claims import exact_of
from tests.live.counted import RUNS
from tests.live.harness import TRIES
from tests.live.programs import CHECKOUT

RUNG = "tracepoint"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was counted, in files."""
    made = tmp_path_factory.mktemp("counted")
    for name in RUNS:
        for _ in range(TRIES):
            _count(made, name)
            if not _is_passed_by(json.loads((made / f"{RUNG}-{name}.json").read_text())):
                break
    return made


def _count(folder: Path, name: str) -> None:
    command = [sys.executable, "-m", "tests.live.counted", str(folder), RUNG, name]
    with subprocess.Popen(command, cwd=CHECKOUT) as process:
        try:
            status = process.wait()
        except BaseException:
            process.terminate()  # to the end: it has things to remove
            raise
    assert status == 0


def _is_passed_by(run: dict[str, Any]) -> bool:
    # Whether sums differ though the kernel says of no program that it was missed. There is a kernel that now and then
    # runs no program at a tracepoint (README); what tcpio itself leaves out is so each time.
    differ = any(run["counted"][key] != run["summed"][key] for key in exact_of(run))
    made, summed = run["made"], run["summed"]
    unsent = made.get("sent", 0) - summed.get("SocketBytesSent", 0)
    return not run["missed"] and (differ or unsent > 0)


@pytest.fixture
def rung() -> str:
    """The way to attach."""
    return RUNG
