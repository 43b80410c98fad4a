# SPDX-License-Identifier: GPL-2.0-only
"""The VMs themselves."""

import pytest

from tests.kernels import resolved
from tests.kernels.conftest import VmLibrary
from tests.kernels.inside import FILE_HELPS, NO_FILE
from tests.kernels.kernels import Kernel


def test_it_is_the_kernel_that_was_asked_for(library: VmLibrary, kernel: Kernel) -> None:
    assert library.summary(kernel)["kernel"].startswith(f"{kernel.series}.")


def test_hooks_are_those_that_the_readme_shows(library: VmLibrary, kernel: Kernel) -> None:
    known = resolved.read()[kernel.name]

    assert library.summary(kernel)["hooks"] == known["hooks"], f"write it anew with {resolved.HOW}"


def test_nothing_of_tcpio_is_left_in_the_kernel(library: VmLibrary, kernel: Kernel) -> None:
    assert library.summary(kernel)["programs left"] == []


@pytest.mark.parametrize("name", [NO_FILE, FILE_HELPS])
def test_types_come_from_a_file_where_the_kernel_does_not_tell_them(
    library: VmLibrary, kernel: Kernel, name: str
) -> None:
    assert library.summary(kernel)["without BTF"][name] == ""
