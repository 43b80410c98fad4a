# SPDX-License-Identifier: GPL-2.0-only
"""Counters on other kernels by fentry, held against the kernels' own: where ``--kernels`` says, since it takes long."""

import sys
from pathlib import Path

import pytest

from tests.kernels.apt import NotObtainable
from tests.kernels.kernels import Kernel, chosen_kernels
from tests.kernels.vm import OUTPUT, VmFailed, run_in_vm
from tests.live.count_claims import *  # noqa: F403  each is a test

RUNG = "fentry"

_MINUTES = 40


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Count on each kernel once."""
    option = metafunc.config.getoption("kernels")
    kernels = chosen_kernels(option) if option else []
    metafunc.parametrize("counting_kernel", kernels, ids=lambda kernel: kernel.name, scope="module")


@pytest.fixture(scope="module")
def folder(counting_kernel: Kernel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was counted in a VM, in files."""
    made = tmp_path_factory.mktemp(counting_kernel.name)
    try:
        image = counting_kernel.find_image()
        command = [sys.executable, "-m", "tests.live.counted", str(OUTPUT), RUNG, "--own-machine"]
        run_in_vm(image, command, made, minutes=_MINUTES)
    except (NotObtainable, VmFailed) as failure:
        pytest.fail(str(failure), pytrace=False)
    return made


@pytest.fixture
def rung() -> str:
    """The way to attach."""
    return RUNG
