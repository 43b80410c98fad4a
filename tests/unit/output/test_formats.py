# SPDX-License-Identifier: GPL-2.0-only
"""The table of output formats."""

import importlib.util
from datetime import timezone

import numpy as np
import pytest

from tcpio.output.formats import FORMATS, Setting
from tcpio.output.times import make_time
from tcpio.schema.batch import Batch
from tcpio.schema.columns import DEFAULT, EVERY, find_columns
from tests.unit.samples import make_segment

FACTS = {"version": "1.2.3", "host": "web", "kernel": "6.1.0", "rung": "fentry", "filter": "lport 22"}
WANT_PYARROW = ("arrow", "parquet")


def make_setting(name: str) -> Setting:
    """What a format of this name is made with, by default."""
    time = make_time("iso", timezone.utc, lambda ts_ns: ts_ns.astype(np.int64) + 10**18, 0)
    columns = find_columns("", with_time=False, default=FORMATS[name].columns)
    return Setting(columns, time, is_wide=False, colors=None, facts=FACTS)


def test_text_is_the_first() -> None:
    assert next(iter(FORMATS)) == "text"


def test_every_format_says_what_it_is() -> None:
    assert [] == [name for name, row in FORMATS.items() if not row.help]


def test_recordings_have_every_column_and_text_what_tcpio_d_prints() -> None:
    assert {name: row.columns for name, row in FORMATS.items()} == {
        name: DEFAULT if name == "text" else EVERY for name in FORMATS
    }


@pytest.mark.parametrize("name", FORMATS)
def test_a_segment_is_counted_once_by_every_format(name: str) -> None:
    if name in WANT_PYARROW and not importlib.util.find_spec("pyarrow"):
        pytest.skip("pyarrow is not there; tests/run installs it")
    made = FORMATS[name].make(make_setting(name))
    made.header()
    chunks = [*made.chunks(Batch(make_segment()))]
    pending = made.pending
    chunks += made.end()

    assert sum(chunk.segments for chunk in chunks) == 1
    assert pending in (0, 1)
    assert made.pending == 0
