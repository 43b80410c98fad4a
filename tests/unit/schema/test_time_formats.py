# SPDX-License-Identifier: GPL-2.0-only
"""The table of time formats."""

from tcpio.schema.time_formats import TIME_FORMATS


def test_the_formats_are_the_promised_ones() -> None:
    assert ["iso", "epoch", "since", "delta"] == list(TIME_FORMATS)


def test_every_format_is_explained() -> None:
    assert [name for name, text in TIME_FORMATS.items() if not text] == []
