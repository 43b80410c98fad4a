# SPDX-License-Identifier: GPL-2.0-only
"""The flags' words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpio.errors import UsageError
from tcpio.schema.flags import FLAGS, flags_text, parse_flags


@pytest.mark.parametrize(
    ("bits", "text"),
    [
        (0x00, "null"),
        (0x01, "FIN"),
        (0x02, "SYN"),
        (0x04, "RST"),
        (0x08, "PUSH"),
        (0x10, "ACK"),
        (0x20, "URG"),
        (0x40, "ECE"),
        (0x80, "CWR"),
        (0x18, "PUSH|ACK"),
        (0xC2, "SYN|ECE|CWR"),
        (0xFF, "FIN|SYN|RST|PUSH|ACK|URG|ECE|CWR"),
    ],
)
def test_flags_are_tcpio_d_s_words(bits: int, text: str) -> None:
    assert text == flags_text(bits)


def test_the_ninth_flag_has_no_word() -> None:
    assert flags_text(0x110) == "ACK"
    assert flags_text(0x100) == "null"


@given(st.sets(st.sampled_from(FLAGS), min_size=1))
def test_what_is_written_reads_back(words: set[str]) -> None:
    bits = sum(1 << FLAGS.index(word) for word in words)

    assert bits == parse_flags(flags_text(bits))


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("SYN", 0x02),
        ("syn,Fin,RST", 0x07),
        ("PSH", 0x08),
        ("push", 0x08),
        ("SYN|ACK", 0x12),
        (" SYN , ACK ", 0x12),
        ("SYN,SYN", 0x02),
    ],
)
def test_lists_are_read(text: str, bits: int) -> None:
    assert bits == parse_flags(text)


@pytest.mark.parametrize(
    ("text", "wrong"), [("SIN", "SIN"), ("", ""), ("SYN,", ""), ("SYN ACK", "SYN ACK"), ("null", "NULL")]
)
def test_what_is_no_flag_is_refused(text: str, wrong: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_flags(text)

    assert f"no TCP flag is called {wrong!r}" == str(caught.value)
    assert caught.value.hint == "the flags are FIN, SYN, RST, PUSH, ACK, URG, ECE, CWR"
