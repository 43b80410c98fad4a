# SPDX-License-Identifier: GPL-2.0-only
"""The commands that README.md shows, run: what they print is what it says they do."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.live.harness import PORT, leaving_nothing
from tests.live.peers import Peers
from tests.live.programs import CHECKOUT, READY, Program
from tests.live.topologies import IPV4, veth
from tests.readme import README, shell_examples

_LINE = re.compile(r"^\S+\.\d{9}\S+ (\S+) +\d+ .*(->|<-).* (\(\S+\))$")


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with leaving_nothing():
        yield


@pytest.fixture
def commands(tmp_path: Path) -> Mapping[str, str]:
    """An environment in which there is ``tcpio``, and a ``wireshark`` that needs no screen."""
    programs = {
        "tcpio": f'PYTHONPATH={CHECKOUT} exec {sys.executable} -m tcpio "$@"',
        "wireshark": 'exec tshark -n -r "$@" -T fields -e tcp.flags -e tcp.len -e tcp.analysis.flags',
    }
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, text in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


def _run(command: str, folder: Path, environment: Mapping[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, check=False, cwd=folder, env=environment
    )
    assert done.returncode == 0, (command, done.stderr)
    assert [line for line in done.stderr.splitlines() if "Running as user" not in line] == []
    return done.stdout


def test_two_hosts_are_recorded_merged_and_looked_at(tmp_path: Path, commands: Mapping[str, str]) -> None:
    examples = shell_examples(README.read_text(), "Two hosts, one handshake")
    recorded = {host: command for host, command, _ in examples if host}
    with veth(has_super_segments=False) as network, ExitStack() as stack:
        ends = {"web": network.server, "cli": network.client}
        assert set(recorded) == set(ends)
        programs = []
        for host, command in recorded.items():
            # Not for a minute, but for as long as it takes: they are told to end.
            where = f"cd {tmp_path} && exec {command} --netns {ends[host].namespace.name} --attach tracepoint"
            program = Program(["bash", "-c", where], tmp_path / f"{host}.stderr", environment=dict(commands))
            programs.append(stack.enter_context(program))
        for program in programs:
            program.wait_for(READY)
        peers = Peers(network, IPV4, PORT)
        with peers.listening() as listener:
            pair = peers.pair(listener)
            pair.up(73)
            pair.down(187)
            pair.close()
        peers.settle()
        assert [program.stop() for program in programs] == [0, 0]
    printed = {
        command: (_run(command, tmp_path, commands).splitlines(), shown)
        for host, command, shown in examples
        if not host
    }

    for lines, shown in printed.values():
        assert list(map(_LINE.findall, shown)) == list(map(_LINE.findall, lines[: len(shown)]))
    ((merged, shown),) = (found for found in printed.values() if found[1])
    assert (merged[0], len(merged)) == (shown[0], 7)
    packets = next(lines for command, (lines, _) in printed.items() if command.startswith("wireshark"))
    assert [line.split("\t")[:2] for line in packets[:3]] == [["0x0002", "0"], ["0x0012", "0"], ["0x0010", "0"]]
    assert [line.split("\t")[1] for line in packets if line.split("\t")[1] != "0"] == ["73", "187"]
    assert all(line.endswith("\t") for line in packets), "Wireshark has nothing to say of them"
