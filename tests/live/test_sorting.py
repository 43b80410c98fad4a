# SPDX-License-Identifier: GPL-2.0-only
"""What was traced sorts as text; and what was printed out of order, tcpio sort puts in order as GNU sort does."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.harness import leaving_nothing, make_segments, tracing
from tests.live.namespaces import DEADLINE_S, wait_until
from tests.live.programs import CHECKOUT, TCPIO
from tests.live.topologies import Network

_HANDSHAKES = 101


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with leaving_nothing():
        yield


def _record(network: Network, folder: Path, *options: str) -> Path:
    path = folder / "trace.txt"
    with tracing(network, folder, "-t", "--no-header", *options, "-w", str(path)) as program:
        count = make_segments(network, _HANDSHAKES)
        assert program.stop() == 0
    assert len(path.read_text().splitlines()) == count
    return path


def _gnu_sort(*arguments: str) -> str:
    command = ["sort", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"}).stdout


def _times(text: str) -> list[str]:
    return [line.split()[0] for line in text.splitlines()]


@pytest.mark.parametrize("time_format", ["iso", "epoch"])
def test_a_trace_is_in_order_and_gnu_sort_leaves_it_there(network: Network, tmp_path: Path, time_format: str) -> None:
    path = _record(network, tmp_path, "--time-format", time_format)

    assert _gnu_sort("-s", "-k1,1", str(path)) == path.read_text()
    assert _times(_gnu_sort(str(path))) == _times(path.read_text())


def test_what_was_printed_cpu_by_cpu_is_sorted_as_gnu_sort_does(network: Network, tmp_path: Path) -> None:
    path = _record(network, tmp_path, "--no-order")
    command = [*TCPIO, "sort", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=CHECKOUT)

    assert (done.stdout, done.stderr) == (_gnu_sort("-s", "-k1,1", str(path)), "")


def test_a_pipeline_that_is_interrupted_sorts_all_there_was(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "sorted.txt"
    read_end, write_end = os.pipe()
    with path.open("wb") as file:
        sort = subprocess.Popen(
            [*TCPIO, "sort", "--window", "1"], stdin=read_end, stdout=file, stderr=subprocess.PIPE, cwd=CHECKOUT
        )
    with sort, tracing(network, tmp_path, "-t", "--no-header", "--no-order", stdout=write_end) as program:
        os.close(read_end)
        os.close(write_end)
        counts: list[int] = []

        def has_begun() -> bool:
            counts.append(make_segments(network))
            return path.stat().st_size > 0

        wait_until(has_begun, "the first lines")
        sort.send_signal(signal.SIGINT)  # as ^C does, to both
        assert program.stop(signal.SIGINT) == 0
        assert sort.wait(DEADLINE_S) == 0
        assert sort.stderr
        assert sort.stderr.read() == b""
    times = _times(path.read_text())

    assert len(times) == sum(counts)
    assert times == sorted(times)
