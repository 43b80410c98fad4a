# SPDX-License-Identifier: GPL-2.0-only
"""pcapng, read by tshark, which judges it packet by packet; and by capinfos."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tcpio.output.as_pcapng import PcapngFormat
from tcpio.schema.batch import Batch, Lost, Mark
from tcpio.schema.record import Records
from tests.unit.samples import ACK, AE, PUSH, SYN, any_records, make_segment, to_row

FACTS = {"version": "1.2.3", "host": "web", "kernel": "6.1.0", "rung": "fentry", "filter": "lport 22"}
FIELDS = (
    *("frame.time_epoch", "frame.len", "frame.packet_flags_direction", "frame.interface_name"),
    *("frame.interface_queue", "frame.comment", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport"),
    *("tcp.dstport", "tcp.len", "tcp.flags", "tcp.seq_raw", "tcp.ack_raw", "tcp.window_size_value", "tcp.hdr_len"),
    *("ip.checksum.status", "_ws.malformed"),
)
GOOD = "1"
WARNING = 0x600000  # of an expert item; errors are above, notes and comments below

pytestmark = pytest.mark.skipif(not shutil.which("tshark"), reason="tshark is not there; tests/run installs it")


def write(path: Path, *batches: tuple[Records, tuple[Mark, ...]]) -> Path:
    made = PcapngFormat(lambda ts_ns: ts_ns.astype(np.int64) + 10**18, FACTS)
    chunks = [chunk.data for records, marks in batches for chunk in made.chunks(Batch(records, marks))]
    path.write_bytes(made.header() + b"".join(chunks) + b"".join(chunk.data for chunk in made.end()))
    return path


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = [line for line in done.stderr.splitlines() if "Running as user" not in line]
    assert said == []
    return done.stdout


def read(path: Path) -> list[dict[str, str]]:
    fields = [word for field in FIELDS for word in ("-e", field)]
    text = run("tshark", "-n", "-r", str(path), "-o", "ip.check_checksum:TRUE", "-T", "fields", *fields)
    return [dict(zip(FIELDS, line.split("\t"), strict=True)) for line in text.splitlines()]


def test_any_records_are_what_tshark_shows(tmp_path: Path) -> None:
    records = any_records(500)
    records["bytes"][::2] %= 1500
    records["bytes"][1::2] %= 1_000_000
    for found, record in zip(read(write(tmp_path / "x.pcapng", (records, ()))), records, strict=True):
        row = to_row(record)
        local, remote = (row["laddr"], row["lport"]), (row["raddr"], row["rport"])
        source, target = (local, remote) if row["dir"] == "send" else (remote, local)
        versions = {":" in str(address) for address, _ in (source, target)}
        if versions == {False}:
            assert (found["ip.src"], found["ip.dst"]) == (source[0], target[0])
            assert found["ip.checksum.status"] == GOOD
        elif versions == {True}:
            assert (found["ipv6.src"], found["ipv6.dst"]) == (source[0], target[0])
        assert (found["tcp.srcport"], found["tcp.dstport"]) == (str(source[1]), str(target[1]))
        assert found["frame.time_epoch"].replace(".", "") == str(10**18 + int(record["ts_ns"]))
        assert int(found["frame.packet_flags_direction"], 0) == (2 if row["dir"] == "send" else 1)
        assert found["frame.interface_name"] == f"netns {row['netns']}"
        assert found["frame.interface_queue"] == str(row["cpu"])
        assert found["tcp.len"] == str(row["bytes"])
        assert int(found["tcp.flags"], 16) == record["flags"]
        assert [found[f"tcp.{name}"] for name in ("seq_raw", "ack_raw", "window_size_value", "hdr_len")] == [
            str(row[name]) for name in ("seq", "ack", "win", "thlen")
        ]
        words = [("segs", row["segs"]), ("rtx", row["rtx"]), ("state", row["state"])]
        assert found["frame.comment"] == " ".join(f"{name}={value}" for name, value in words if value is not None)
        assert found["_ws.malformed"] == ""


def test_the_ninth_flag_is_in_its_place(tmp_path: Path) -> None:
    (found,) = read(write(tmp_path / "x.pcapng", (make_segment(flags=AE | SYN, thlen=20), ())))

    assert int(found["tcp.flags"], 16) == AE | SYN


def test_a_conversation_is_one_to_wireshark_and_has_no_warning(tmp_path: Path) -> None:
    records = np.concatenate(
        [
            make_segment(ts_ns=1, bytes=0, flags=SYN, seq=100, win=1000, thlen=40, netns=1),
            make_segment(ts_ns=2, bytes=0, flags=SYN | ACK, seq=500, ack=101, win=1000, thlen=40, is_received=True),
            make_segment(ts_ns=3, bytes=0, flags=ACK, seq=101, ack=501, win=1000, thlen=32, netns=1),
            make_segment(ts_ns=4, bytes=100_000, flags=PUSH | ACK, seq=101, ack=501, win=1000, thlen=32, netns=1),
            make_segment(ts_ns=5, bytes=0, flags=ACK, seq=501, ack=100_101, win=1000, thlen=32, is_received=True),
            make_segment(ts_ns=6, bytes=100, flags=PUSH | ACK, seq=101, ack=501, win=1000, thlen=32, netns=1, rtx=1),
        ]
    )
    path = write(tmp_path / "x.pcapng", (records, ()))
    seen = run("tshark", "-n", "-r", str(path), "-T", "fields", "-e", "tcp.stream", "-e", "tcp.analysis.retransmission")

    assert [line.split("\t") for line in seen.splitlines()] == [["0", ""]] * 5 + [["0", "1"]]
    warned = run("tshark", "-n", "-r", str(path), "-Y", f"_ws.expert.severity >= {WARNING}")
    assert warned == ""


def test_tcpdump_reads_all_interfaces(tmp_path: Path) -> None:
    if not shutil.which("tcpdump"):
        pytest.skip("tcpdump is not there; tests/run installs it")
    batches = [(make_segment(netns=netns, thlen=32), ()) for netns in (1, 2)]
    path = write(tmp_path / "x.pcapng", *batches)
    done = subprocess.run(["tcpdump", "-n", "-q", "-r", path], capture_output=True, text=True, check=True)

    assert [line.partition(" ")[2] for line in done.stdout.splitlines()] == [
        "IP 192.0.2.8.22 > 192.0.2.40.60337: tcp 464"
    ] * 2


def test_the_section_says_where_it_comes_from_and_what_was_lost(tmp_path: Path) -> None:
    marks = (Lost(1, 3, 5), Lost(2, 1, 2))
    text = run("capinfos", str(write(tmp_path / "x.pcapng", (make_segment(ts_ns=1, netns=7), marks))))

    for part in ("tcpio 1.2.3", "Linux 6.1.0", "host: web", "rung: fentry", "Filter string = lport 22", "netns 7"):
        assert part in text
    assert "Number of stat entries = 2" in text
    assert "Number of packets:   1" in text


def test_another_file_names_its_interfaces_again(tmp_path: Path) -> None:
    made = PcapngFormat(lambda ts_ns: ts_ns.astype(np.int64), FACTS)
    for name in ("a", "b"):
        segment = make_segment(netns=7, thlen=20)
        data = made.header() + b"".join(chunk.data for chunk in made.chunks(Batch(segment)))
        (tmp_path / name).write_bytes(data)

        assert [row["frame.interface_name"] for row in read(tmp_path / name)] == ["netns 7"]


def test_nothing_is_said_of_what_is_not_known(tmp_path: Path) -> None:
    made = PcapngFormat(lambda ts_ns: ts_ns.astype(np.int64), {})
    path = tmp_path / "x.pcapng"
    path.write_bytes(made.header())

    assert "Filter string" not in run("capinfos", str(path))
