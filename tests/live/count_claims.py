# SPDX-License-Identifier: GPL-2.0-only
"""What is claimed of counters: each is a test, held against what tests/live/counted.py wrote."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tcpio.schema.counters import COUNTERS

Counts = Callable[[str], dict[str, Any]]
"""Gives what was counted in one of the runs."""

_OFFERED = {
    "tracepoint": {
        *("SocketBytesSent", "SocketMessagesSent", "SocketBytesReceived", "SocketMessagesReceived"),
        *("TcpCurrEstab", "TcpEstabResets", "TcpPassiveOpens", "TcpActiveOpens", "TcpRetransSegs", "TcpOutRsts"),
        *("TcpInCsumErrors", "TcpInSegs", "TcpOutSegs"),
    },
    "fentry": {counter.key for counter in COUNTERS if not counter.is_hosts},
}


def exact_of(run: dict[str, Any]) -> list[str]:
    """Give the counters that a run offers as exact, of those that the kernel has too."""
    return [key for key in run["summed"] if key not in run["doubts"] and not key.startswith("Socket")]


def wrong_of(run: dict[str, Any], keys: list[str]) -> dict[str, tuple[int, int]]:
    """Give what counters lack, and what they may for programs that the kernel skipped, where that is something else."""
    gaps = {key: (run["counted"][key] - run["summed"][key], run["lacking"].get(key, 0)) for key in keys}
    return {key: (gap, told) for key, (gap, told) in gaps.items() if not 0 <= gap <= told}


@pytest.fixture
def counts(folder: Path, rung: str) -> Counts:
    """Gives what was counted in one of the runs; ``folder`` and ``rung`` are those of the tests' module."""

    def get(name: str) -> dict[str, Any]:
        run: dict[str, Any] = json.loads((folder / f"{rung}-{name}.json").read_text())
        return run

    return get


def test_all_traffic_could_be_made(counts: Counts) -> None:
    made = counts("all")["made"]

    assert made["failures"] == {}
    if made["lacking"]:
        pytest.skip("; ".join(f"{name}: {reason}" for name, reason in made["lacking"].items()))


def test_counters_are_offered(counts: Counts, rung: str) -> None:
    run = counts("all")

    assert _OFFERED[rung] - set(run["summed"]) | _OFFERED[rung] & set(run["absent"]) == set()


def test_what_is_not_counted_says_why(counts: Counts) -> None:
    run = counts("all")

    assert set(run["absent"]) <= set(run["doubts"])
    assert all(run["doubts"].values())


def test_sums_of_exact_counters_are_the_kernels_but_for_what_is_told(counts: Counts) -> None:
    run = counts("all")
    exact = exact_of(run)

    assert len(exact) >= 6
    assert wrong_of(run, exact) == {}


def test_the_traffic_moved_what_is_compared(counts: Counts) -> None:
    run = counts("all")

    assert {key for key in exact_of(run) if not run["counted"][key]} == set()


def test_there_was_room(counts: Counts) -> None:
    assert counts("all")["overflowed"] == 0


def test_what_tcp_counts_of_segments_is_exact_whatever_is_skipped(counts: Counts, rung: str) -> None:
    run = counts("all")
    keys = ("TcpInSegs", "TcpOutSegs") if rung == "fentry" else ()

    assert {key: run["counted"][key] for key in keys} == {key: run["summed"][key] for key in keys}


def test_programs_send_and_take_what_they_say(counts: Counts, rung: str) -> None:
    run = counts("all")
    made, summed = run["made"], run["summed"]
    unseen = made["unread"] + (made["spliced"] if rung == "tracepoint" else 0)

    assert made["sent"] == summed["SocketBytesSent"]
    assert made["sent"] - unseen == summed["SocketBytesReceived"]


def test_each_socket_has_a_bucket_of_its_own(counts: Counts) -> None:
    run = counts("all")
    wanted = [[cport, sport, up] for cport, sport, up, _ in run["made"]["connections"] if up]
    wanted += [[sport, cport, down] for cport, sport, _, down in run["made"]["connections"] if down]

    assert sorted(wanted) == sorted(run["bytes sent"])


def test_every_socket_that_closes_is_told_of_whole_and_its_bucket_is_free(counts: Counts) -> None:
    run = counts("short")
    sockets = 2 * run["made"]["connections"]

    assert (run["closed"], run["whole lives"], run["buckets left"], run["overflowed"]) == (sockets, sockets, 0, 0)


def test_sums_are_the_kernels_where_buckets_end_with_their_sockets(counts: Counts) -> None:
    run = counts("short")
    exact = exact_of(run)

    assert wrong_of(run, exact) == {}
    assert run["made"]["sent"] == run["summed"]["SocketBytesSent"]


def test_what_programs_missed_is_told_when_softirqs_interrupt_them(counts: Counts) -> None:
    run = counts("steered")

    assert min(run["counted"]["TcpInSegs"], run["counted"]["TcpOutSegs"]) >= 300_000
    assert wrong_of(run, exact_of(run)) == {}


@pytest.mark.parametrize("name", ["crowd", "groups"])
def test_nothing_is_lost_when_buckets_take_rows_from_each_other(counts: Counts, name: str) -> None:
    run = counts(name)
    read = [*run["read"], sum(run["summed"].values())]

    assert wrong_of(run, exact_of(run)) == {}
    assert {run["summed"][f"SocketBytes{way}"] for way in ("Sent", "Received")} == {run["made"]["sent"]}
    assert read == sorted(read)
    assert len(set(read)) > 2
