# SPDX-License-Identifier: GPL-2.0-only
"""The VMs themselves."""

import pytest

from tests.kernels.conftest import VmLibrary
from tests.kernels.kernels import KERNELS, Kernel


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_it_is_the_kernel_that_was_asked_for(library: VmLibrary, kernel: Kernel) -> None:
    image = kernel.find_image()

    assert image
    assert library.summary(kernel)["kernel"] in image.name


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_nothing_of_tcpio_is_left_in_the_kernel(library: VmLibrary, kernel: Kernel) -> None:
    assert library.summary(kernel)["programs left"] == []
