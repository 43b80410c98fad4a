# SPDX-License-Identifier: GPL-2.0-only
"""Lines for the person at the terminal."""

import os

import pytest

from tcpio.cli.say import say


def test_a_line_goes_to_the_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    say("tcpio: 1 segment printed")

    assert capfd.readouterr() == ("", "tcpio: 1 segment printed\n")


def test_what_cannot_be_encoded_is_escaped(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    say("a file called \udcff")

    assert capfdbinary.readouterr().err == b"a file called \\udcff\n"


def test_no_one_to_hear_it_is_no_error() -> None:
    saved = os.dup(2)
    read_end, write_end = os.pipe()
    os.close(read_end)
    os.dup2(write_end, 2)
    try:
        say("tcpio: 1 segment printed")
        os.close(2)
        say("tcpio: 1 segment printed")
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(write_end)
