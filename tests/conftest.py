# SPDX-License-Identifier: GPL-2.0-only
"""Options of a test run: here, where pytest finds them however it is called."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what says which kernels are booted."""
    parser.addoption(
        "--kernels",
        default="",
        metavar="LIST",
        help="kernels to boot, with all their ways to attach and recordings: names of tests/kernels/kernels.py, or all "
        "(default: the share of some that continuous integration has time for)",
    )
