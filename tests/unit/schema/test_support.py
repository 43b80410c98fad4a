# SPDX-License-Identifier: GPL-2.0-only
"""Answers with three values."""

from tcpio.schema.support import YES, Support, Verdict


def test_an_answer_has_three_values() -> None:
    assert ["yes", "no", "cannot tell"] == [support.value for support in Support]


def test_yes_needs_no_reason() -> None:
    assert Verdict(Support.YES, "") == YES
