# SPDX-License-Identifier: GPL-2.0-only
"""A recording as its reader gives it."""

from tcpio.stream.recording import Recording


def test_a_recording_need_not_say_anything_of_itself() -> None:
    assert Recording(frozenset({"cpu"}), iter(())).facts == {}
