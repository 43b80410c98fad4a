# SPDX-License-Identifier: GPL-2.0-only
"""What Arrow and Parquet files hold beside the columns, and what became of it in older versions."""

from collections.abc import Mapping

VERSION = 1
"""Of the columns' names and types. A change that a reader must know of makes it one more, and adds a row to FIXUPS."""

VERSION_KEY = "tcpio.schema"
FACT_PREFIX = "tcpio."

HOST = "host"
LOST = "lost"
CLOCK_STEP = "clock_step_ns"
FOLLOWED = "followed"
COUNTED = "counted"
NOTE = "note"

MARKS = (LOST, CLOCK_STEP, FOLLOWED, COUNTED, NOTE)
"""The columns of rows that are marks and not segments: all others but the times, cpu and host are empty there."""

FIXUPS: Mapping[int, Mapping[str, str]] = {}
"""Version -> its names of columns -> what the next version calls them. Version 1 is the first."""


def current_names(names: list[str], version: int) -> list[str]:
    """Give today's names of the columns of a file that a version wrote."""
    for older in range(version, VERSION):
        renamed = FIXUPS.get(older, {})
        names = [renamed.get(name, name) for name in names]
    return names
