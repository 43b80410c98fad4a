# SPDX-License-Identifier: GPL-2.0-only
"""What tcpipstat took in front of its filters."""

from argparse import Namespace

import pytest

from tcpio.cli.tcpipstat import take_words
from tcpio.errors import UsageError

FILTER = "*.*.*.*:80-*.*.*.*:*"


def test_the_words_set_options_and_leave_the_filters() -> None:
    args = Namespace()
    filters = take_words(args, ["index=lport", "timeout=60", "nozeros=1", "onclose=1", FILTER, "*:*-9.*.*.*:*"])

    assert filters == [FILTER, "*:*-9.*.*.*:*"]
    assert vars(args) == {"by": "lport", "timeout": "60", "zeros": False, "on_close": True}


def test_zeros_are_shown_and_sockets_are_not_when_they_say_so() -> None:
    args = Namespace()
    take_words(args, ["nozeros=0", "onclose=0"])

    assert vars(args) == {"zeros": True, "on_close": False}


def test_without_words_nothing_is_set() -> None:
    args = Namespace()

    assert take_words(args, [FILTER]) == [FILTER]
    assert vars(args) == {}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["index=addr"], "index=addr is none of laddr, raddr, lport, rport, tuple"),
        (["index="], "index= is none of laddr, raddr, lport, rport, tuple"),
        (["nozeros=yes"], "nozeros=yes is neither 0 nor 1"),
        (["onclose=2"], "onclose=2 is neither 0 nor 1"),
        (["colour=1"], "'colour=1' is no option"),
        ([FILTER, "timeout=1"], f"'timeout=1' stands behind the filter '{FILTER}'"),
    ],
)
def test_what_is_no_word_is_a_usage_error(words: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        take_words(Namespace(), words)

    assert str(caught.value) == message
