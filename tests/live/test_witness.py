# SPDX-License-Identifier: GPL-2.0-only
"""The witness of what the kernel passes by: it knows of each packet without a program, and of no other."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tcpio.kernel import syscall
from tests.live import witness
from tests.live.harness import make_segments
from tests.live.topologies import Network
from tests.live.witness import TRIES, make_witnessed


def test_packets_without_the_program_are_counted(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syscall, "attach_raw_tracepoint", lambda *_: os.open(os.devnull, os.O_RDONLY))
    with witness.witness() as count_passed_by:
        received = make_segments(network) // 2

        assert count_passed_by() >= received > 0


def test_packets_with_the_program_are_not(network: Network) -> None:
    # Now and then the kernel passes by; never each time.
    _, passed_by = make_witnessed(lambda: make_segments(network))

    assert passed_by == 0


@pytest.mark.parametrize(("passed_by", "tries"), [([0], 1), ([5, 0], 2), ([5] * TRIES, TRIES)])
def test_what_was_passed_by_is_made_again_and_the_last_try_stands(
    monkeypatch: pytest.MonkeyPatch, passed_by: list[int], tries: int
) -> None:
    left, made = iter(passed_by), iter(range(TRIES + 1))

    @contextmanager
    def telling() -> Iterator[Callable[[], int]]:
        yield lambda: next(left)

    monkeypatch.setattr(witness, "witness", telling)

    assert make_witnessed(lambda: next(made)) == (tries - 1, passed_by[-1])
