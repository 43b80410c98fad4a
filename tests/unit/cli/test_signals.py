# SPDX-License-Identifier: GPL-2.0-only
"""What ends a trace, and what asks it how it goes."""

import os
import select
import signal
from collections.abc import Iterator

import pytest

from tcpio.cli.signals import Signals
from tests.unit.samples import open_fds

ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Put the handlers back that this process had."""
    numbers = [*ENDING, signal.SIGUSR1]
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def is_readable(fd: int) -> bool:
    return bool(select.select([fd], [], [], 0)[0])


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_ends(number: signal.Signals) -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with Signals() as signals:
        assert not signals.is_ended
        os.kill(os.getpid(), number)

        assert signals.is_ended
        assert is_readable(signals.fd)


def test_a_second_signal_ends_at_once() -> None:
    with Signals():
        os.kill(os.getpid(), signal.SIGTERM)

        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_nohup_is_respected() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Signals() as signals:
        os.kill(os.getpid(), signal.SIGHUP)

        assert not signals.is_ended


def test_a_question_is_taken_once_and_does_not_end() -> None:
    with Signals() as signals:
        assert not signals.take_question()
        os.kill(os.getpid(), signal.SIGUSR1)

        assert is_readable(signals.fd)
        assert [signals.take_question(), signals.take_question()] == [True, False]
        assert not signals.is_ended


def test_a_question_can_be_asked_again() -> None:
    with Signals() as signals:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGUSR1)

            assert signals.take_question()


def test_what_came_can_be_cleared() -> None:
    with Signals() as signals:
        signals.clear()
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGUSR1)
        signals.clear()

        assert not is_readable(signals.fd)


def test_nothing_stays_open() -> None:
    before = open_fds()
    with Signals():
        pass

    assert before == open_fds()
    assert signal.set_wakeup_fd(-1) == -1
