# SPDX-License-Identifier: GPL-2.0-only
"""``tcpio summary`` against the kernel's counters and the programs that made the traffic."""

import json
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.live.harness import PORT, leaving_nothing, make_segments, tracing
from tests.live.lossy_traffic import dropped_segment, dropped_tail
from tests.live.namespaces import wait_until
from tests.live.peers import Peers
from tests.live.plain_traffic import bulk, resets
from tests.live.programs import CHECKOUT, TCPIO, Program
from tests.live.short_connections import SIZE, make_in
from tests.live.topologies import IPV4, IPV6, Network, loopback, veth
from tests.live.witness import make_witnessed

READY = "tcpio: counting by tracepoint, network namespace"
ALL = "Socket,Tcp"
_MTU = 1500


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    with leaving_nothing():
        yield


class Summary:
    """A summary that runs.

    Args:
        program: tcpio.
        path: Where it writes.
    """

    def __init__(self, program: Program, path: Path) -> None:
        self.program = program
        self._path = path

    @property
    def text(self) -> str:
        """What it has written so far."""
        return self._path.read_text()

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """Give the objects of a kind that it has written, without the marks of what is not exact."""
        read = [json.loads(line) for line in self.text.splitlines()]
        return [{key.removeprefix("~"): value for key, value in one.items()} for one in read if one["kind"] == kind]

    def total(self, key: str, *kinds: str) -> int:
        """Add up a counter over all objects of these kinds."""
        return sum(one.get(key, 0) for kind in kinds for one in self.objects(kind))

    def inexact(self) -> set[str]:
        """Give the counters that it says are not exact."""
        return set(self.objects("about")[0]["inexact"])


def _command(network: Network, path: Path, *words: str) -> list[str]:
    namespace = network.client.namespace.name
    return [*TCPIO, "summary", "--attach", "tracepoint", "--netns", namespace, "-w", str(path), "--tz", "UTC", *words]


@contextmanager
def _counting(network: Network, folder: Path, *words: str) -> Iterator[Summary]:
    path = folder / "summary.txt"
    with Program(_command(network, path, *words), folder / "summary.stderr") as program:
        program.wait_for(READY)
        yield Summary(program, path)
    assert "Traceback" not in program.said


@contextmanager
def _deltas(network: Network) -> Iterator[Counter[str]]:
    # What the kernel counts meanwhile.
    before = network.client.namespace.counters()
    counted: Counter[str] = Counter()
    yield counted
    after = network.client.namespace.counters()
    counted.update({key: value - before.get(key, 0) for key, value in after.items()})


def _traffic(network: Network, family: str = IPV4) -> Peers:
    peers = Peers(network, family, PORT)
    for make in (bulk, resets, dropped_segment, dropped_tail):
        make(peers)
        peers.settle()
    return peers


@pytest.mark.parametrize("family", [IPV4, IPV6])
@pytest.mark.parametrize("by", ["tuple", "lport", "raddr/24", "netns"])
def test_the_sum_over_all_buckets_is_what_the_kernel_counted(tmp_path: Path, by: str, family: str) -> None:
    (summed, counted), _ = make_witnessed(
        lambda: _sum_up(tmp_path, by, family), lambda made: any(made[0][key] < made[1][key] for key in made[0])
    )

    assert summed == {key: counted[key] for key in summed}
    assert counted["TcpRetransSegs"] > 0
    assert counted["TcpEstabResets"] > 0


def _sum_up(folder: Path, by: str, family: str) -> tuple[dict[str, int], Counter[str]]:
    with (
        loopback(has_super_segments=False) as network,
        _counting(network, folder, "-f", "jsonl", "--by", by) as summary,
        _deltas(network) as counted,
    ):
        _traffic(network, family)
        assert summary.program.stop() == 0
    # Not TcpInSegs: nftables takes packets away behind the device, where this way to attach counts them.
    keys = {"TcpPassiveOpens", "TcpEstabResets", "TcpCurrEstab", "TcpRetransSegs", "TcpOutRsts", "TcpInCsumErrors"}
    keys |= {"TcpActiveOpens", "TcpOutSegs"}
    return {key: summary.total(key, "bucket", "other") for key in keys}, counted


def test_what_programs_sent_and_received_is_counted(network: Network, tmp_path: Path) -> None:
    with _counting(network, tmp_path, "-f", "jsonl", "--by", "lport") as summary:
        peers = Peers(network, IPV4, PORT)
        bulk(peers)
        summary.program.stop()
    by_port = {one["lport"]: one for one in summary.objects("bucket")}
    facts = peers.connections

    for end, sent, received in (("cport", "up", "down"), ("sport", "down", "up")):
        for port in {getattr(one, end) for one in facts}:
            of_port = [one for one in facts if getattr(one, end) == port]
            assert by_port[port].get("SocketBytesSent", 0) == sum(getattr(one, sent) for one in of_port)
            assert by_port[port].get("SocketBytesReceived", 0) == sum(getattr(one, received) for one in of_port)


def test_an_audit_says_so_itself(network: Network, tmp_path: Path) -> None:
    with _counting(network, tmp_path, "-f", "jsonl", "--audit") as summary, _deltas(network) as counted:
        make_segments(network)
        summary.program.stop()
    kernel, difference = summary.objects("kernel")[0], summary.objects("difference")[0]
    keys = {key for key in difference if key.startswith("Tcp")}

    assert {key: difference[key] for key in keys} == dict.fromkeys(keys, 0)
    assert {key: kernel[key] for key in keys} == {key: counted[key] for key in keys}
    assert counted["TcpInSegs"] > 11


def test_an_audit_counts_what_closed_once(network: Network, tmp_path: Path) -> None:
    words = ("-f", "jsonl", "--audit", "--on-close", "--counters", "TcpPassiveOpens,TcpOutSegs,TcpCurrEstab")
    with _counting(network, tmp_path, *words) as summary, _deltas(network) as counted:
        make_segments(network)
        summary.program.stop()
    (difference,) = summary.objects("difference")

    assert [difference[key] for key in ("TcpPassiveOpens", "TcpOutSegs", "TcpCurrEstab")] == [0, 0, 0]
    assert len(summary.objects("closed")) == 2 * counted["TcpPassiveOpens"] == 22
    assert summary.total("TcpOutSegs", "closed", "other") == counted["TcpOutSegs"]


def test_the_differences_of_all_intervals_are_the_whole(network: Network, tmp_path: Path) -> None:
    words = ("-f", "jsonl", "--interval", "0.2", "--counters", "TcpPassiveOpens,TcpOutSegs")
    with _counting(network, tmp_path, *words) as summary, _deltas(network) as counted:
        for expected in (11, 22):
            make_segments(network)
            wait_until(lambda: summary.total("TcpPassiveOpens", "bucket", "other") >= expected, "an interval")  # noqa: B023
        summary.program.stop()
    times = [one["time"] for one in summary.objects("bucket")]

    assert summary.total("TcpPassiveOpens", "bucket", "other") == counted["TcpPassiveOpens"] == 22
    assert summary.total("TcpOutSegs", "bucket", "other") == counted["TcpOutSegs"]
    assert times == sorted(times)
    assert len(set(times)) >= 2


def test_a_socket_is_shown_when_it_closes(network: Network, tmp_path: Path) -> None:
    words = ("-f", "jsonl", "--on-close", f"*:{PORT}-*:*")
    with _counting(network, tmp_path, *words) as summary:
        peers = Peers(network, IPV4, PORT)
        with peers.listening() as listener:
            open_one, closed_one = peers.pair(listener), peers.pair(listener)
            closed_one.up(73)
            closed_one.down(187)
            closed_one.close()
            wait_until(lambda: summary.objects("closed"), "the socket that closed")
            (shown,) = summary.objects("closed")
            open_one.up(5)
            assert summary.program.stop() == 0
            open_one.close()

    assert summary.objects("closed") == [shown]
    assert (shown["lport"], shown["rport"]) == (PORT, closed_one.facts.cport)
    assert (shown["SocketBytesSent"], shown["SocketBytesReceived"]) == (187, 73)
    assert (shown["bytes_acked"], shown["bytes_received"]) == (188, 74)  # with the FINs
    assert shown["lifetime_ns"] > 0
    assert summary.program.said.splitlines()[-1] == "tcpio: 1 socket closed, 1 still open"


def test_a_socket_that_was_there_before_says_so(network: Network, tmp_path: Path) -> None:
    peers = Peers(network, IPV4, PORT)
    with peers.listening() as listener:
        pair = peers.pair(listener)
        with _counting(network, tmp_path, "index=tuple", "onclose=1", f"*.*.*.*:{PORT}-*.*.*.*:*") as summary:
            pair.up(73)
            pair.close()
            note = "Stats were not collected for the entire socket life.\n"
            wait_until(lambda: note in summary.text, "the socket that closed")
            summary.program.stop()

    assert f"127.0.0.1:{PORT} <-> 127.0.0.1:{pair.facts.cport}\n{note}" in summary.text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_ends_it_with_the_report(network: Network, tmp_path: Path, number: signal.Signals) -> None:
    with _counting(network, tmp_path, "--counters", ALL) as summary:
        make_segments(network)
        assert summary.program.stop(number) == 0

    assert summary.text.count(f"127.0.0.1:{PORT} <-> ") == 11


def test_the_report_so_far_is_given_when_asked_for(network: Network, tmp_path: Path) -> None:
    with _counting(network, tmp_path, "--counters", ALL) as summary:
        make_segments(network)
        summary.program.send(signal.SIGUSR1)
        wait_until(lambda: summary.text.count("\tPassiveOpens = 1\n") == 11, "the report so far")
        make_segments(network)
        summary.program.stop()

    assert summary.text.count(": so far, ") == 1
    assert summary.text.count("\tPassiveOpens = 1\n") == 11 + 22


def test_a_reader_that_goes_ends_it_quietly(network: Network, tmp_path: Path) -> None:
    command = [word for word in _command(network, tmp_path, "--interval", "0.05") if word not in ("-w", str(tmp_path))]
    with subprocess.Popen(["head", "-1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as head:
        assert head.stdin
        with Program(command, tmp_path / "stderr", stdout=head.stdin) as program:
            program.wait_for(READY)
            head.stdin.close()
            assert program.wait() == 0
        assert head.stdout
        assert head.stdout.read() == b"Indexing collected stats using tuple values\n"

    assert len(program.said.splitlines()) == 2


# What tcpipstat's manual gives as examples, with its words, and with ours.

_EVERY = "*.*.*.*"


def _report(network: Network, folder: Path, *words: str) -> str:
    with _counting(network, folder, "--counters", ALL, *words) as summary:
        make_segments(network)
        assert summary.program.stop() == 0
    return summary.text


def _titles(text: str) -> list[str]:
    lines = text.splitlines()
    return [lines[at + 1] for at, line in enumerate(lines[:-1]) if line.startswith("-----") and lines[at - 1] == ""]


def test_example_every_socket_for_some_time(network: Network, tmp_path: Path) -> None:
    with _counting(network, tmp_path, "timeout=2") as summary:
        make_segments(network)
        assert summary.program.wait() == 0

    assert summary.text.startswith("Indexing collected stats using tuple values\nProcessed filter #1 = ")
    assert len([title for title in _titles(summary.text) if f":{PORT}" in title]) == 22


@pytest.mark.parametrize("words", [("index=raddr",), ("--by", "raddr")])
def test_example_who_talks_to_the_server(network: Network, tmp_path: Path, words: tuple[str, ...]) -> None:
    text = _report(network, tmp_path, *words, f"{_EVERY}:{PORT}-{_EVERY}:*")

    assert text.startswith(
        "Indexing collected stats using raddr values\n"
        f"Processed filter #1 = 0.0.0.0[0x0]:{PORT} --> 0.0.0.0[0x0]:* \n"
        "\n-----------------------------------------\nRemote address: 127.0.0.1\n"
    )
    assert "\tPassiveOpens = 11\n" in text
    assert "\tActiveOpens" not in text


@pytest.mark.parametrize("words", [("index=rport",), ("--by", "rport")])
def test_example_which_services_of_a_host_are_used(network: Network, tmp_path: Path, words: tuple[str, ...]) -> None:
    text = _report(network, tmp_path, *words, f"{_EVERY}:*-127.0.0.1:*", f"!*:{PORT}-*:*")

    assert _titles(text) == [f"Remote port: {PORT}"]
    assert "\tActiveOpens = ~11\n" in text


@pytest.mark.parametrize(("octets", "is_found"), [("127.*.*.*", True), ("9.*.*.*", False)])
def test_example_which_hosts_of_a_network(network: Network, tmp_path: Path, octets: str, is_found: bool) -> None:  # noqa: FBT001
    text = _report(network, tmp_path, "index=raddr", f"{_EVERY}:*-{octets}:*")

    assert _titles(text) == ["Remote address: 127.0.0.1"] * is_found
    assert ("\nNo packets were accepted by the filters.\n" in text) is not is_found


@pytest.mark.parametrize("words", [("index=lport",), ("--by", "lport")])
def test_example_which_ports_are_busy(network: Network, tmp_path: Path, words: tuple[str, ...]) -> None:
    text = _report(network, tmp_path, *words)

    assert f"Local port: {PORT}" in _titles(text)
    assert len(_titles(text)) == 1 + 11


_CLIENT = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
server, _ = listener.accept()
client.sendall(bytes(73))
server.recv(73)
print(listener.getsockname()[1], flush=True)
sys.exit(7)
"""


def _run(network: Network, *words: str, program: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [*TCPIO, "summary", "--attach", "tracepoint", "--netns", network.client.namespace.name, *words, "--"]
    inside = ["ip", "netns", "exec", network.client.namespace.name]
    return subprocess.run([*command, *inside, *program], capture_output=True, text=True, check=False, cwd=CHECKOUT)


def test_example_one_run_of_a_program(network: Network) -> None:
    done = _run(network, "--counters", ALL, f"{_EVERY}:*-127.0.0.1:*", program=[sys.executable, "-c", _CLIENT])
    port = next(line for line in done.stdout.splitlines() if line.isdecimal())

    assert done.returncode == 7
    assert len([title for title in _titles(done.stdout) if f"127.0.0.1:{port}" in title]) == 2
    assert "\tBytes Sent = 73\n" in done.stdout


def test_a_signal_is_passed_on_to_the_program(network: Network, tmp_path: Path) -> None:
    command = _command(
        network, tmp_path / "out", "--", "sh", "-c", "trap 'exit 9' TERM; echo; while :; do sleep 0.1; done"
    )
    with Program(command, tmp_path / "stderr", stdout=subprocess.PIPE) as program:
        assert program.process.stdout
        program.process.stdout.readline()
        status = program.stop(signal.SIGTERM)

    assert status == 9
    assert "No packets were accepted" in (tmp_path / "out").read_text()


@pytest.mark.parametrize(("family", "block"), [(IPV4, "Ip"), (IPV6, "Ip6")])
def test_what_belongs_to_no_socket_is_the_kernel_s_own(tmp_path: Path, family: str, block: str) -> None:
    with veth(False) as network, _counting(network, tmp_path, "-f", "jsonl") as summary:  # noqa: FBT003  as Topology
        with _deltas(network) as counted, network.client.namespace.entered():
            sender = socket.socket(socket.AF_INET if family == IPV4 else socket.AF_INET6, socket.SOCK_DGRAM)
            sender.sendto(bytes(2 * _MTU), (network.server.addresses[family], 9))
            sender.close()
        summary.program.stop()
    (host,) = summary.objects("host")

    assert host[f"{block}FragCreates"] == counted[f"{block}FragCreates"] == 3
    assert host[f"{block}FragOKs"] == counted[f"{block}FragOKs"] == 1


def test_buckets_that_find_no_room_are_counted_in_other(network: Network, tmp_path: Path) -> None:
    words = ("-f", "jsonl", "--max-buckets", "5", "--counters", "TcpPassiveOpens,TcpOutSegs")
    with _counting(network, tmp_path, *words) as summary, _deltas(network) as counted:
        make_segments(network)
        summary.program.stop()
    (other,) = summary.objects("other")

    assert len(summary.objects("bucket")) <= 5
    assert summary.total("TcpPassiveOpens", "bucket", "other") == counted["TcpPassiveOpens"]
    assert summary.total("TcpOutSegs", "bucket", "other") == counted["TcpOutSegs"]
    assert other["overflowed"] > 0
    assert "times no room for a bucket (see --max-buckets)" in summary.program.said


def test_memory_stays_as_it_is_while_sockets_come_and_go(network: Network, tmp_path: Path) -> None:
    steps = (3001, 17_011)
    words = ("-f", "jsonl", "--on-close", "--max-buckets", str(sum(steps)), "--counters", "Socket")
    with _counting(network, tmp_path, *words) as summary:
        resident = [summary.program.resident for _ in make_in(network.client.namespace, steps)]
        assert summary.program.stop() == 0
    closed = summary.objects("closed")

    assert resident[1] - resident[0] < 300 * 2 * steps[1]  # bytes: less than is written of so many sockets
    assert len(closed) == 2 * sum(steps)
    assert all(one["lifetime_ns"] for one in closed)
    assert summary.total("SocketBytesSent", "closed") == SIZE * sum(steps)
    assert summary.program.said.splitlines()[-1] == f"tcpio: {2 * sum(steps)} sockets closed, 0 still open"


def test_counters_beside_lines_are_exact_though_lines_are_lost(network: Network, tmp_path: Path) -> None:
    with tracing(network, tmp_path, "-S", "-B", "4k", "--delay", "2000") as program, _deltas(network) as counted:
        make_segments(network, handshakes=499)
        program.stop()
    total = sum(
        int(line.partition("=")[2]) for line in program.said.splitlines() if line.startswith("\tPassiveOpens =")
    )

    assert total == counted["TcpPassiveOpens"] == 499
