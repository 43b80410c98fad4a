# SPDX-License-Identifier: GPL-2.0-only
"""The table of counters, held against what the kernel calls them."""

from pathlib import Path

import pytest

from tcpio.errors import UsageError
from tcpio.schema.c_header import LayoutError
from tcpio.schema.counters import BLOCKS, COUNTERS, find_counters, parse_counters


def kernel_names() -> set[str]:
    names: set[str] = set()
    for path in ("snmp", "netstat"):
        for line in Path("/proc/net", path).read_text().splitlines()[::2]:
            block, _, rest = line.partition(": ")
            names |= {block + name for name in rest.split()}
    return names | {line.split()[0] for line in Path("/proc/net/snmp6").read_text().splitlines()}


def test_counters_have_the_kernels_names() -> None:
    ours = {counter.key for counter in COUNTERS if counter.block != "Socket"}

    assert ours - kernel_names() == set()


def test_keys_and_blocks_are_unique_and_in_order() -> None:
    assert len({counter.key for counter in COUNTERS}) == len(COUNTERS)
    assert BLOCKS == ("Socket", "Ip", "IpExt", "Ip6", "Tcp", "TcpExt")


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("TcpInSegs", ["TcpInSegs"]),
        ("TW,InSegs", ["TcpInSegs", "TcpExtTW"]),
        ("InSegs, TcpInSegs", ["TcpInSegs"]),
        ("IpInReceives", ["IpInReceives"]),
    ],
)
def test_counters_are_found_by_name(text: str, keys: list[str]) -> None:
    assert [counter.key for counter in find_counters(text)] == keys


def test_a_block_is_all_its_counters() -> None:
    assert find_counters("Tcp") == tuple(counter for counter in COUNTERS if counter.block == "Tcp")
    assert len(find_counters("Tcp")) == 11


@pytest.mark.parametrize("text", ["", "InSegs,", "tcpinsegs", "Tcp*"])
def test_what_is_no_counter_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="there is no counter"):
        find_counters(text)


def test_a_name_that_two_blocks_have_is_refused() -> None:
    with pytest.raises(UsageError, match="more than one counter is called 'InReceives': IpInReceives, Ip6InReceives"):
        find_counters("InReceives")


def test_a_line_that_is_no_row_is_refused() -> None:
    with pytest.raises(LayoutError, match="no row"):
        parse_counters('COUNTER(Tcp, InSegs, "InSegs", segments)')
