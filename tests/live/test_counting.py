# SPDX-License-Identifier: GPL-2.0-only
"""Counters by the way to attach that this machine has, held against the kernel's own."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.count_claims import *  # noqa: F403  each is a test
from tests.live.programs import CHECKOUT

RUNG = "tracepoint"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was counted, in files."""
    made = tmp_path_factory.mktemp("counted")
    command = [sys.executable, "-m", "tests.live.counted", str(made), RUNG]
    with subprocess.Popen(command, cwd=CHECKOUT) as process:
        try:
            status = process.wait()
        except BaseException:
            process.terminate()  # to the end: it has things to remove
            raise
    assert status == 0
    return made


@pytest.fixture
def rung() -> str:
    """The way to attach."""
    return RUNG
