# SPDX-License-Identifier: GPL-2.0-only
"""However a trace ends: what was seen is printed and counted, and nothing is left behind."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.harness import all_of, leaving_nothing, make_segments, run, trace, tracing
from tests.live.namespaces import wait_until
from tests.live.programs import read_counts
from tests.live.segments import RECEIVE, SEND, read_output
from tests.live.topologies import Network, loopback


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with leaving_nothing():
        yield


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_ends_it_after_all_is_printed(network: Network, tmp_path: Path, number: signal.Signals) -> None:
    output, said, count = trace(network, tmp_path, number=number)

    assert read_counts(said) == {**dict.fromkeys(read_counts(said), 0), "printed": count}
    assert len(output.segments) == count


def test_a_reader_that_goes_ends_it_quietly(network: Network, tmp_path: Path) -> None:
    with subprocess.Popen(["head", "-3"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as head:
        assert head.stdin
        assert head.stdout
        with tracing(network, tmp_path, stdout=head.stdin.fileno()) as program:
            head.stdin.close()
            wait_until(lambda: make_segments(network) and program.process.poll() is not None, "tcpio to end")
        lines = head.stdout.read().splitlines()

    assert program.process.returncode == 0
    assert len(read_output("\n".join(lines), ()).segments) == 2
    assert len(program.said.splitlines()) == 2  # it is ready; the counts


def test_a_full_disk_is_an_error_and_the_counts_are_told(network: Network, tmp_path: Path) -> None:
    with tracing(network, tmp_path, "--no-header", "-w", "/dev/full") as program:
        make_segments(network)
        status = program.wait()

    assert status == 1
    assert read_counts(program.said)["printed"] == 0
    assert read_counts(program.said)["not printed"] > 0
    assert [line for line in program.said.splitlines() if "No space left" in line]
    assert len(program.said.splitlines()) == 3


def test_a_header_that_cannot_be_written_is_an_error(network: Network) -> None:
    done = run("--netns", network.client.namespace.name, "-w", "/dev/full", "--timeout", "5")

    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_count_is_kept_exactly(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "output.txt"
    with tracing(network, tmp_path, "-c", "7", "-w", str(path)) as program:
        count = make_segments(network)
        status = program.wait()

    assert status == 0
    assert len(read_output(path.read_text(), ()).segments) == 7
    assert read_counts(program.said)["printed"] == 7
    assert 7 <= all_of(program.said) <= count


def test_a_time_ends_it(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "output.txt"
    with tracing(network, tmp_path, "--timeout", "2", "-w", str(path)) as program:
        count = make_segments(network)
        status = program.wait()

    assert status == 0
    assert len(read_output(path.read_text(), ()).segments) == count


def test_the_counts_so_far_are_told_when_asked_for(network: Network, tmp_path: Path) -> None:
    with tracing(network, tmp_path) as program:
        count = make_segments(network)

        def asked() -> bool:
            program.send(signal.SIGUSR1)
            return f"{count} segments printed" in program.said

        wait_until(asked, "the counts")
        more = make_segments(network)
        status = program.stop()

    assert status == 0
    assert read_counts(program.said)["printed"] == count + more


def test_another_namespace_is_not_seen(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "output.txt"
    with loopback(has_super_segments=False) as other, tracing(network, tmp_path, "-w", str(path)) as program:
        make_segments(other)
        count = make_segments(network)
        make_segments(other)
        program.stop()

    assert len(read_output(path.read_text(), ()).segments) == count == all_of(program.said)


@pytest.mark.parametrize(("word", "direction"), [("send", SEND), ("receive", RECEIVE)])
def test_only_one_direction_is_seen(network: Network, tmp_path: Path, word: str, direction: str) -> None:
    output, said, count = trace(network, tmp_path, "--dir", word)

    assert {segment.key.dir for segment in output.segments} == {direction}
    assert len(output.segments) == count // 2 == all_of(said)


def test_only_segments_with_a_flag_are_seen(network: Network, tmp_path: Path) -> None:
    output, said, _ = trace(network, tmp_path, "--flags", "SYN")

    assert {segment.key.flags for segment in output.segments} == {"SYN", "SYN|ACK"}
    assert len(output.segments) == 11 * 4 == all_of(said)
