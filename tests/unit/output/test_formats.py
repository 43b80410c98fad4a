# SPDX-License-Identifier: GPL-2.0-only
"""The table of output formats."""

from tcpio.output.formats import FORMATS


def test_text_is_a_format_and_the_first() -> None:
    assert next(iter(FORMATS)) == "text"


def test_every_format_is_explained() -> None:
    assert [] == [name for name, text in FORMATS.items() if not text]
