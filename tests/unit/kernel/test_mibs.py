# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's own counters."""

import os
from pathlib import Path

import pytest

from tcpio.kernel import mibs
from tcpio.kernel.mibs import difference, parse_lines, parse_pairs, read_mibs
from tcpio.kernel.netns import SELF

OWN = SELF.stat().st_ino


def test_names_and_values_stand_below_each_other() -> None:
    text = "Ip: Forwarding DefaultTTL\nIp: 2 64\nTcp: CurrEstab MaxConn\nTcp: 7 -1\n"

    assert parse_pairs(text) == {"IpForwarding": 2, "IpDefaultTTL": 64, "TcpCurrEstab": 7, "TcpMaxConn": -1}


def test_of_ipv6_they_stand_beside_each_other() -> None:
    assert parse_lines("Ip6InReceives\t5\nIp6InHdrErrors   \t0\n") == {"Ip6InReceives": 5, "Ip6InHdrErrors": 0}


def test_the_namespace_of_this_process_is_read_without_entering_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mibs, "find_visible", lambda: pytest.fail("looked for"))
    counted = read_mibs(OWN)

    assert set(counted) == {OWN}
    assert {"TcpInSegs", "TcpExtTW", "IpExtInNoRoutes", "IpReasmReqds"} <= set(counted[OWN])


def test_ipv6_may_be_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("snmp", "netstat"):
        (tmp_path / name).write_text(f"Tcp: In{name}\nTcp: 3\n")
    monkeypatch.setattr(mibs, "_PROC_NET", tmp_path)

    assert read_mibs(OWN) == {OWN: {"TcpInsnmp": 3, "TcpInnetstat": 3}}


def test_one_that_went_meanwhile_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(mibs, "find_visible", lambda: {7: tmp_path / "gone"})

    assert read_mibs() == {}
    assert read_mibs(7) == {}


def test_only_the_one_that_is_asked_for_is_entered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mibs, "find_visible", lambda: {7: Path("/nowhere")})

    assert read_mibs(8) == {}


def test_one_that_may_not_be_entered_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(1, os.strerror(1))

    monkeypatch.setattr(mibs, "find_visible", lambda: {7: Path("/nowhere")})
    monkeypatch.setattr(mibs, "entered", refuse)
    with pytest.raises(PermissionError):
        read_mibs()


@pytest.mark.skipif(os.geteuid() != 0, reason="not root: only root may enter namespaces")
def test_all_namespaces_are_read() -> None:
    counted = read_mibs()

    assert OWN in counted
    assert all("TcpInSegs" in one for one in counted.values())


def test_a_difference_is_the_sum_over_all_namespaces() -> None:
    before = {1: {"TcpInSegs": 5}, 2: {"TcpInSegs": 7}}
    after = {1: {"TcpInSegs": 8}, 3: {"TcpInSegs": 2, "TcpOutSegs": 4}}

    assert difference(before, after) == {"TcpInSegs": 3 + 2, "TcpOutSegs": 4}
