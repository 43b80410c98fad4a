# SPDX-License-Identifier: GPL-2.0-only
"""Recordings that VMs make, one boot for each kernel, read by the same claims as those of this machine's kernel."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

pytest.register_assert_rewrite("tests.live.claims")

from tests.kernels.apt import NotObtainable  # noqa: E402
from tests.kernels.inside import SUMMARY  # noqa: E402
from tests.kernels.kernels import BY_NAME, Kernel, chosen_kernels, to_record  # noqa: E402
from tests.kernels.outcomes import Outcomes  # noqa: E402
from tests.kernels.vm import OUTPUT, VmFailed, find_lacking, run_in_vm  # noqa: E402
from tests.live.recorded import Recorded  # noqa: E402
from tests.live.recordings import Recording  # noqa: E402
from tests.live.selection import Place, parametrize, read_recording, selected  # noqa: E402
from tests.live.termination import ending_by  # noqa: E402

recorded, single, big, on_loopback, with_middle = (selected() for _ in range(5))
losing_output, watching_all, counted, overloaded, of_kinds = (selected() for _ in range(5))

_MINUTES_TO_BOOT, _MINUTES_EACH = 5, 6  # at most: with two cores to itself a VM needs a third


class VmLibrary:
    """Boots a kernel when the first of its recordings is wanted.

    Args:
        folder: Where they are kept.
        option: What was said of kernels on the command line.
    """

    def __init__(self, folder: Path, option: str) -> None:
        self._folder = folder
        self._option = option
        self._booted: dict[str, str] = {}  # kernel -> why it failed

    def boot(self, kernel: Kernel) -> Path:
        """Give the folder with all that a kernel's VM wrote."""
        folder = self._folder / kernel.name
        if kernel.name not in self._booted:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            self._booted[kernel.name] = self._run(kernel, folder)
        if self._booted[kernel.name]:
            pytest.fail(self._booted[kernel.name], pytrace=False)
        return folder

    def _run(self, kernel: Kernel, folder: Path) -> str:
        wanted = [":".join(pair) for pair in to_record(kernel, self._option)]
        try:
            image = kernel.find_image()
            command = [sys.executable, "-m", "tests.kernels.inside", str(OUTPUT), *wanted]
            run_in_vm(image, command, folder, minutes=_MINUTES_TO_BOOT + _MINUTES_EACH * len(wanted))
        except (NotObtainable, VmFailed) as failure:
            return str(failure)
        return ""

    def summary(self, kernel: Kernel) -> dict[str, Any]:
        """Read what a VM said of itself in the end."""
        summary: dict[str, Any] = json.loads((self.boot(kernel) / SUMMARY).read_text())
        return summary

    def get(self, place: Place, recording: Recording) -> Recorded:
        """Give a recording."""
        return read_recording(self.boot(BY_NAME[place.name]) / place.rung / recording.name)


def _takes(names: set[str], recording: Recording) -> bool:
    return recording.name in names


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Hold each claim against each recording it is about."""
    option = metafunc.config.getoption("kernels")
    kernels = chosen_kernels(option)
    places: list[Place] = []
    for kernel in kernels:
        wanted = to_record(kernel, option)
        for rung in dict.fromkeys(rung for rung, _ in wanted):
            names = {name for of, name in wanted if of == rung}
            places.append(Place(kernel.name, rung, partial(_takes, names)))
    parametrize(metafunc, places)
    if "kernel" in metafunc.fixturenames:
        metafunc.parametrize("kernel", kernels, ids=lambda kernel: kernel.name)


def pytest_configure(config: pytest.Config) -> None:
    """Have the run end in a table; see that the kernels asked for are known."""
    try:
        chosen_kernels(config.getoption("kernels"))
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    config.pluginmanager.register(Outcomes())


@pytest.fixture(scope="session", autouse=True)
def _is_terminated_gently() -> Iterator[None]:
    with ending_by(lambda: pytest.exit("terminated", returncode=143)):
        yield


@pytest.fixture(scope="session")
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> VmLibrary:
    """The recordings of this run; they and the VMs' logs stay in pytest's cache, if it has one."""
    if os.geteuid():
        pytest.skip("not root: the VM reads this machine's files as root; run the tests with sudo")
    if lacking := find_lacking():
        pytest.fail(lacking, pytrace=False)
    cache = getattr(request.config, "cache", None)
    folder = cache.mkdir("kernels") if cache else tmp_path_factory.mktemp("kernels")
    return VmLibrary(folder, request.config.getoption("kernels"))
