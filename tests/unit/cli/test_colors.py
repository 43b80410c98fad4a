# SPDX-License-Identifier: GPL-2.0-only
"""When lines are coloured."""

import os
from collections.abc import Iterator

import pytest

from tcpio.cli.colors import make_colors
from tcpio.output import sink as sink_module
from tcpio.output.as_text import Colors
from tcpio.output.sink import Sink

ANSI = Colors(syn="\x1b[32m", fin="\x1b[33m", rst="\x1b[31m", mark="\x1b[1m", end="\x1b[0m")


@pytest.fixture(params=["terminal", "pipe"])
def sink(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sink]:
    first, second = os.openpty() if request.param == "terminal" else os.pipe()
    monkeypatch.setattr(sink_module, "STDOUT", second)
    monkeypatch.delenv("NO_COLOR", raising=False)
    yield Sink()
    os.close(first)
    os.close(second)


def test_auto_is_on_a_terminal(sink: Sink) -> None:
    assert make_colors("auto", sink) == (ANSI if sink.is_terminal else None)


def test_always_is_anywhere_whatever_no_color_says(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    assert make_colors("always", sink) == ANSI


def test_never_is_nowhere(sink: Sink) -> None:
    assert make_colors("never", sink) is None


def test_no_color_turns_auto_off(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    assert make_colors("auto", sink) is None


def test_an_empty_no_color_does_not(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "")

    assert make_colors("auto", sink) == (ANSI if sink.is_terminal else None)
