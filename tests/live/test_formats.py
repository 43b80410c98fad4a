# SPDX-License-Identifier: GPL-2.0-only
"""Recordings in every format, of traffic that tcpdump captured too."""

import importlib.util
import json
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live.harness import make_segments, run, tracing
from tests.live.programs import read_counts
from tests.live.recorder import capturing, mark_the_end
from tests.live.segments import Segment, read_capture, read_output
from tests.live.topologies import Network

WANT_PYARROW = ("arrow", "parquet")
EVERY = "time,ts_ns,cpu,laddr,lport,dir,raddr,rport,bytes,flags,segs,seq,ack,win,rtx,state,netns,thlen"
PACKET: tuple[str, ...] = ("ip.src", "ip.dst", "tcp.srcport", "tcp.dstport", "tcp.len", "tcp.flags")
PACKET += ("tcp.seq_raw", "tcp.ack_raw", "tcp.window_size_value", "tcp.hdr_len")

formats = pytest.mark.parametrize("name", ["jsonl", "csv", "pcapng", "arrow"])


def need(name: str) -> None:
    """Skip what pyarrow would provide, without it."""
    if name in WANT_PYARROW and not importlib.util.find_spec("pyarrow"):
        pytest.skip("pyarrow is not there; tests/run installs it")


@contextmanager
def captured(network: Network, folder: Path) -> Iterator[Path]:
    """Capture what passes the client's device; the file is complete at the end."""
    path = folder / "client.pcap"
    with capturing(network.client, "client", folder) as program:
        yield path
        mark_the_end(network, [path])
        program.stop()


def fields(path: Path, *names: str) -> list[tuple[str, ...]]:
    """Give the fields of each packet as tshark shows them, which must have nothing to say of the file."""
    words = [word for name in names for word in ("-e", name)]
    command = ["tshark", "-n", "-r", str(path), "-Y", "tcp && !icmp", "-T", "fields", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert [line for line in done.stderr.splitlines() if "Running as user" not in line] == []
    return [tuple(line.split("\t")) for line in done.stdout.splitlines()]


def replayed(path: Path, *options: str) -> list[str]:
    """Give the lines that replay prints, without the counts."""
    done = run("replay", str(path), "-q", *options)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def record(network: Network, folder: Path, name: str, *options: str) -> tuple[Path, int]:
    """Trace a few connections to a file in a format, and give it and how many segments are in it."""
    path = folder / f"trace.{name}"
    with tracing(network, folder, "-f", name, "-w", str(path), *options) as program:
        count = make_segments(network)
        assert program.stop() == 0, program.said
    assert read_counts(program.said)["printed"] == (count // 2 if "--dir" in options else count)
    return path, count


def test_pcapng_is_what_tcpdump_captured(network: Network, tmp_path: Path) -> None:
    with captured(network, tmp_path) as capture:
        path, count = record(network, tmp_path, "pcapng")
    sent = fields(path, *PACKET, "frame.packet_flags_direction")
    seen = fields(capture, *PACKET)

    # On loopback each packet is captured once, and sent and received.
    assert len(sent) == count == 2 * len(seen)
    for direction in ("0x00000001", "0x00000002"):
        assert Counter(seen) == Counter(row[:-1] for row in sent if row[-1] == direction)


def test_wireshark_finds_the_same_round_trips_in_both(network: Network, tmp_path: Path) -> None:
    analysis = ("tcp.stream", "tcp.seq", "tcp.ack", "tcp.analysis.acks_frame", "tcp.analysis.flags")
    with captured(network, tmp_path) as capture:
        path, _ = record(network, tmp_path, "pcapng", "--dir", "send")
    assert [row[:3] for row in fields(path, *analysis)] == [row[:3] for row in fields(capture, *analysis)]
    warned = subprocess.run(
        ["tshark", "-n", "-r", path, "-Y", "_ws.expert.severity >= 0x600000"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert warned.stdout == ""


@formats
def test_a_recording_shows_the_segments_that_tcpdump_captured(network: Network, tmp_path: Path, name: str) -> None:
    need(name)
    with captured(network, tmp_path) as capture:
        path, count = record(network, tmp_path, name)
    lines = "\n".join(replayed(path, "-t", "--time-format", "epoch", "-o", "+seq,ack,win")) + "\n"
    found = read_output(lines, ("seq", "ack", "win")).segments
    seen = read_capture(capture, tuple(network.client.addresses.values()), is_loopback=True)

    def compared(segments: list[Segment]) -> Counter[object]:
        return Counter((segment.key, segment.seq, segment.ack, segment.win) for segment in segments)

    assert len(found) == count
    assert compared(list(found)) == compared(seen)


@formats
def test_times_and_order_survive_each_format(network: Network, tmp_path: Path, name: str) -> None:
    need(name)
    path, count = record(network, tmp_path, name)
    again = [json.loads(line) for line in replayed(path, "-f", "jsonl")]
    stamps = [row["ts_ns"] for row in again]

    assert len(again) == count
    assert stamps == sorted(stamps)
    assert {row["netns"] for row in again} == {network.client.namespace.inode}
    assert ",".join(again[0]) == EVERY


def test_files_are_rotated_while_tracing(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    with tracing(network, tmp_path, "-f", "csv", "-w", str(path), "--rotate-size", "10k") as program:
        count = make_segments(network, handshakes=40)
        assert program.stop() == 0, program.said
    closed = sorted(tmp_path.glob("trace-*.csv"))

    assert len(closed) > 1
    assert not path.exists()
    assert sum(len(replayed(file, "--no-header")) for file in closed) == count
    assert len(replayed(closed[0], *map(str, closed[1:]), "--no-header")) == count


def test_a_full_disk_ends_with_an_error_and_what_was_written_is_whole(network: Network, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "none", str(small)], check=True)
    try:
        path = small / "trace.jsonl"
        with tracing(network, tmp_path, "-f", "jsonl", "-w", str(path)) as program:
            make_segments(network, handshakes=40)
            assert program.wait() == 1
        assert f"tcpio: cannot write {path}: No space left on device" in program.said
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    finally:
        subprocess.run(["umount", str(small)], check=True)
    assert f"{len(rows)} segments printed" in program.said
    assert rows
