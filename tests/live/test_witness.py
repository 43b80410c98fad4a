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
from tests.live.witness import SPARE, TRIES, make_witnessed


def test_packets_without_the_program_are_counted(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syscall, "attach_raw_tracepoint", lambda *_: os.open(os.devnull, os.O_RDONLY))
    with witness.witness() as count_passed_by:
        received = make_segments(network) // 2

        assert count_passed_by() >= received > 0


def test_packets_with_the_program_are_not(network: Network) -> None:
    # Now and then the kernel passes by; never each time.
    _, passed_by = make_witnessed(lambda: make_segments(network))

    assert passed_by == 0


@pytest.mark.parametrize(
    ("passed_by", "lacking", "tries"),
    [
        ([0], [False], 1),
        ([5, 0], [False], 2),
        ([0, 0], [True, False], 2),
        ([0, 5, 0, 0], [True, True, False], 4),
        ([0] * TRIES, [True] * TRIES, SPARE + 1),
        ([5] * TRIES, [], TRIES),
    ],
)
def test_what_was_passed_by_is_made_again_and_the_last_try_stands(
    monkeypatch: pytest.MonkeyPatch, passed_by: list[int], lacking: list[bool], tries: int
) -> None:
    left, made, lacks = iter(passed_by), iter(range(TRIES + 1)), iter(lacking)

    @contextmanager
    def telling() -> Iterator[Callable[[], int]]:
        yield lambda: next(left)

    monkeypatch.setattr(witness, "witness", telling)

    assert make_witnessed(lambda: next(made), lambda _: next(lacks)) == (tries - 1, passed_by[tries - 1])
