# SPDX-License-Identifier: GPL-2.0-only
"""Recordings that VMs make, one boot for each kernel, read by the same claims as those of this machine's kernel."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.register_assert_rewrite("tests.live.claims")

from tests.kernels.inside import SUMMARY  # noqa: E402
from tests.kernels.kernels import KERNELS, Kernel  # noqa: E402
from tests.kernels.vm import OUTPUT, VmFailed, find_lacking, run_in_vm  # noqa: E402
from tests.live.recorded import Recorded  # noqa: E402
from tests.live.recordings import Recording  # noqa: E402
from tests.live.selection import Place, parametrize, read_recording, selected  # noqa: E402
from tests.live.termination import ending_by  # noqa: E402

PLACES = tuple(
    Place(kernel.name, rung, lambda recording: recording.is_for_vms) for kernel in KERNELS for rung in kernel.rungs
)

recorded, single, big, on_loopback, with_middle = (selected() for _ in range(5))
losing_output, watching_all, counted, of_kinds = (selected() for _ in range(4))


class VmLibrary:
    """Boots a kernel when the first of its recordings is wanted.

    Args:
        folder: Where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._booted: dict[str, str] = {}  # kernel -> why it failed

    def boot(self, kernel: Kernel) -> Path:
        """Give the folder with all that a kernel's VM wrote."""
        folder = self._folder / kernel.name
        if kernel.name not in self._booted:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            self._booted[kernel.name] = self._run(kernel, folder)
        if self._booted[kernel.name]:
            pytest.fail(self._booted[kernel.name])
        return folder

    def _run(self, kernel: Kernel, folder: Path) -> str:
        image = kernel.find_image()
        if image is None:
            pytest.skip(f"no kernel of {kernel.package}: apt-get install {kernel.package}")
        try:
            run_in_vm(image, [sys.executable, "-m", "tests.kernels.inside", str(OUTPUT), *kernel.rungs], folder)
        except VmFailed as failure:
            return str(failure)
        return ""

    def summary(self, kernel: Kernel) -> dict[str, Any]:
        """Read what a VM said of itself in the end."""
        summary: dict[str, Any] = json.loads((self.boot(kernel) / SUMMARY).read_text())
        return summary

    def get(self, place: Place, recording: Recording) -> Recorded:
        """Give a recording."""
        kernel = next(kernel for kernel in KERNELS if kernel.name == place.name)
        folder = self.boot(kernel) / place.rung / recording.name
        return read_recording(folder)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Hold each claim against each recording it is about."""
    parametrize(metafunc, PLACES)


@pytest.fixture(scope="session", autouse=True)
def _is_terminated_gently() -> Iterator[None]:
    with ending_by(lambda: pytest.exit("terminated", returncode=143)):
        yield


@pytest.fixture(scope="session")
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> VmLibrary:
    """The recordings of this run; they and the VMs' logs stay in pytest's cache, if it has one."""
    lacking = "not root: the VM has this machine's files and writes there" if os.geteuid() else find_lacking()
    if lacking:
        pytest.skip(lacking)
    cache = getattr(request.config, "cache", None)
    return VmLibrary(cache.mkdir("kernels") if cache else tmp_path_factory.mktemp("kernels"))
