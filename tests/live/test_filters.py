# SPDX-License-Identifier: GPL-2.0-only
"""Filters: what they leave is the same in the kernel and outside of it, and is what they say."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.live.harness import PORT, make_segments, tracing
from tests.live.recorded import differences
from tests.live.segments import Key, read_output
from tests.live.topologies import Network

_MANY = tuple(f"*:*-192.0.2.{number % 256}:{number}" for number in range(1, 1000))
"""Match nothing here."""

CASES: dict[str, tuple[tuple[str, ...], Callable[[Key], bool]]] = {
    "a local port": ((f"*:{PORT}-*:*",), lambda key: key.lport == PORT),
    "a remote port": ((f"*:*-*:{PORT}",), lambda key: key.rport == PORT),
    "either": ((f"*:{PORT}-*:*", f"*:*-*:{PORT}"), lambda _: True),
    "a network": ((f"127.0.0.0/8:*-127.0.0.1:{PORT}",), lambda key: key.rport == PORT),
    "octets": ((f"127.*.*.1:{PORT}-*:*",), lambda key: key.lport == PORT),
    "a range of ports": ((f"*:{PORT - 5}..{PORT + 5}-*:*",), lambda key: key.lport == PORT),
    "ports that nobody has": (("*:1..7-*:*",), lambda _: False),
    "another family": (("[::/0]:*-*:*",), lambda _: False),
    "an exclusion": ((f"!*:{PORT}-*:*",), lambda key: key.lport != PORT),
    "an exclusion wins": ((f"*:*-*:{PORT}", f"!*:{PORT}-*:*"), lambda key: key.lport != PORT),
    "a thousand": ((*_MANY, f"*:{PORT}-*:*"), lambda key: key.lport == PORT),
    "a thousand exclusions": ((*(f"!{text}" for text in _MANY), f"!*:{PORT}-*:*"), lambda key: key.lport != PORT),
}


def test_filters_leave_what_they_say(network: Network, tmp_path: Path) -> None:
    # All at once, over the same traffic.
    with ExitStack() as stack:
        programs = {
            name: stack.enter_context(
                tracing(network, tmp_path, "-w", str(tmp_path / name), "--", *filters, name=f"{name}.log")
            )
            for name, (filters, _) in {"all": ((), None), **CASES}.items()
        }
        count = make_segments(network)
        for program in programs.values():
            assert program.stop() == 0
    lines = {name: [s.key for s in read_output((tmp_path / name).read_text(), ()).segments] for name in programs}
    wrong = {
        name: found
        for name, (_, matches) in CASES.items()
        if (found := differences(lines[name], [key for key in lines["all"] if matches(key)]))
    }

    assert len(lines["all"]) == count
    assert wrong == {}


@pytest.mark.parametrize("family", ["[::1]:*-[::1]:*", "[::/0]:*-*:*"])
def test_ipv4_is_not_ipv6(network: Network, tmp_path: Path, family: str) -> None:
    path = tmp_path / "output.txt"
    with tracing(network, tmp_path, "-w", str(path), family) as program:
        make_segments(network)
        program.stop()

    assert read_output(path.read_text(), ()).segments == []
