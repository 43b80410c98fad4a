# SPDX-License-Identifier: GPL-2.0-only
"""Counters by the way to attach that this machine has, held against the kernel's own."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.live.count_claims import *  # noqa: F403  each is a test
from tests.live.count_claims import exact_of
from tests.live.counted import RUNS
from tests.live.programs import CHECKOUT
from tests.live.witness import make_witnessed

RUNG = "tracepoint"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was counted, in files."""
    made = tmp_path_factory.mktemp("counted")
    for name in RUNS:
        make_witnessed(partial(_count, made, name), _lacks)
    return made


def _lacks(run: dict[str, Any]) -> bool:
    # Though the kernel says of no program that it was missed.
    counted, summed = run["counted"], run["summed"]
    unsent = run["made"].get("sent", 0) - summed.get("SocketBytesSent", 0)
    return not run["missed"] and (unsent > 0 or any(counted[key] != summed[key] for key in exact_of(run)))


def _count(folder: Path, name: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.live.counted", str(folder), RUNG, name]
    with subprocess.Popen(command, cwd=CHECKOUT) as process:
        try:
            status = process.wait()
        except BaseException:
            process.terminate()  # to the end: it has things to remove
            raise
    assert status == 0
    run: dict[str, Any] = json.loads((folder / f"{RUNG}-{name}.json").read_text())
    return run


@pytest.fixture
def rung() -> str:
    """The way to attach."""
    return RUNG
