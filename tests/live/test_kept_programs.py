# SPDX-License-Identifier: GPL-2.0-only
"""Compiled programs are kept: what a second start takes from there does the same, and what is damaged is not taken."""

from pathlib import Path

import pytest

from tests.live.harness import make_segments, tracing
from tests.live.namespaces import run
from tests.live.segments import read_output
from tests.live.topologies import Network


def _lines(network: Network, folder: Path, **environment: str) -> tuple[int, int]:
    # How many lines there are, and how many there should be.
    path = folder / "output.txt"
    with tracing(network, folder, "-w", str(path), environment=environment) as program:
        count = make_segments(network)
        assert program.stop() == 0
    return len(read_output(path.read_text(), ()).segments), count


@pytest.fixture
def kept(network: Network, tmp_path: Path) -> Path:
    """A folder with the programs of a first run."""
    folder = tmp_path / "kept"
    _lines(network, tmp_path, TCPIO_CACHE=str(folder))
    assert list(folder.iterdir())
    return folder


def test_a_second_start_needs_no_compiler_and_sees_all(network: Network, tmp_path: Path, kept: Path) -> None:
    (tmp_path / "bcc.py").write_text("raise ImportError('not needed')\n")

    lines, count = _lines(network, tmp_path, TCPIO_CACHE=str(kept), PYTHONPATH=str(tmp_path))

    assert lines == count > 0


def test_a_damaged_program_is_compiled_again(network: Network, tmp_path: Path, kept: Path) -> None:
    for path in kept.iterdir():
        path.write_text(path.read_text()[:100])

    lines, count = _lines(network, tmp_path, TCPIO_CACHE=str(kept))

    assert lines == count > 0


def test_a_folder_that_others_may_write_is_not_trusted(network: Network, tmp_path: Path, kept: Path) -> None:
    run("chmod", "o+w", str(kept))
    for path in kept.iterdir():
        path.write_text("what somebody else put there")

    lines, count = _lines(network, tmp_path, TCPIO_CACHE=str(kept))

    assert lines == count > 0
    assert {path.read_text() for path in kept.iterdir()} == {"what somebody else put there"}
