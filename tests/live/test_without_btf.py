# SPDX-License-Identifier: GPL-2.0-only
"""On hosts whose kernel does not tell its types."""

from pathlib import Path

import pytest

from tests.live.topologies import Network
from tests.live.without_btf import see_that_a_file_helps, see_that_it_is_refused


def test_it_ends_with_one_line_without_a_file() -> None:
    see_that_it_is_refused()


@pytest.mark.parametrize("is_option", [True, False], ids=["option", "environment"])
def test_it_traces_all_with_a_file(network: Network, tmp_path: Path, *, is_option: bool) -> None:
    see_that_a_file_helps(network, tmp_path, "tracepoint", is_option=is_option)
