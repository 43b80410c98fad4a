# SPDX-License-Identifier: GPL-2.0-only
"""Counters on another kernel by fentry, held against the kernel's own."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.kernels.kernels import KERNELS
from tests.kernels.vm import OUTPUT, find_lacking, run_in_vm
from tests.live.count_claims import *  # noqa: F403  each is a test

RUNG = "fentry"


@pytest.fixture(scope="module", params=KERNELS, ids=lambda kernel: kernel.name)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was counted in a VM, in files."""
    kernel = request.param
    lacking = find_lacking()
    image = kernel.find_image()
    if lacking or image is None:
        pytest.skip(lacking or f"no kernel of {kernel.package}: apt-get install {kernel.package}")
    made = tmp_path_factory.mktemp(kernel.name)
    run_in_vm(image, [sys.executable, "-m", "tests.live.counted", str(OUTPUT), RUNG], made)
    return made


@pytest.fixture
def rung() -> str:
    """The way to attach."""
    return RUNG


@pytest.fixture
def counts(folder: Path) -> Counts:  # noqa: F405  from the claims
    """Gives what was counted in one of the runs."""

    def get(name: str) -> dict[str, Any]:
        run: dict[str, Any] = json.loads((folder / f"{RUNG}-{name}.json").read_text())
        return run

    return get
