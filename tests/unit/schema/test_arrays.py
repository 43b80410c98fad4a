# SPDX-License-Identifier: GPL-2.0-only
"""The type of arrays costs nothing where no type checker runs."""

import subprocess
import sys

import numpy as np

from tcpio.schema.arrays import NDArray


def test_it_is_numpys_own_class() -> None:
    assert isinstance(np.zeros(1, np.uint8), NDArray[np.uint8] | None)


def test_a_trace_does_not_import_numpys_types() -> None:
    code = "import sys, {}; print('numpy.typing' in sys.modules)"
    alone, traced = (
        subprocess.check_output([sys.executable, "-c", code.format(modules)])
        for modules in ("numpy", "tcpio.cli.live, tcpio.output.as_text")
    )

    assert alone == traced
