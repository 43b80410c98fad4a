# SPDX-License-Identifier: GPL-2.0-only
"""What is read of the kernel's symbols."""

from pathlib import Path

import pytest

from tcpio.errors import UnsupportedKernel
from tcpio.kernel import symbols
from tcpio.kernel.symbols import Symbols, parse_symbols, read_symbols

TEXT = """\
ffffffff81c2a0b0 T tcp_retransmit_skb
ffffffff81c2a0c0 t __tcp_retransmit_skb.part.0
ffffffff81c2a0d0 t tcp_try_coalesce.part.0.isra.0
ffffffff81c2a0e0 t tcp_try_coalesce
ffffffff81c2a0f0 t tcp_connect.cold
ffffffff82d5f9c0 D __per_cpu_offset
ffffffffc0a00000 t __per_cpu_offset_of	[module]
"""


def test_split_functions_are_found_and_others_are_not() -> None:
    found = parse_symbols(TEXT, ["tcp_retransmit_skb", "tcp_try_coalesce", "tcp_connect"])

    assert found == Symbols(0xFFFFFFFF82D5F9C0, frozenset({"tcp_try_coalesce"}))


def test_a_kernel_may_not_tell_of_its_data() -> None:
    assert parse_symbols("ffffffff81c2a0b0 T tcp_retransmit_skb\n", ["tcp_connect"]) == Symbols(0, frozenset())


def test_symbols_are_read_from_the_kernel() -> None:
    assert read_symbols(["tcp_connect"]).split == frozenset()


def test_a_kernel_without_symbols_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(symbols, "KALLSYMS", tmp_path / "none")
    with pytest.raises(UnsupportedKernel, match="does not tell where its counters are"):
        read_symbols(["tcp_connect"])
