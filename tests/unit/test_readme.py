# SPDX-License-Identifier: GPL-2.0-only
"""README.md says what the tables say."""

import re

from tcpio.cli.main import COMMANDS, DEFAULT
from tests.readme import BLOCKS, README, fill


def test_the_tables_in_the_readme_are_those_of_the_code() -> None:
    text = README.read_text()

    assert fill(text) == text, "write them anew with python3 -m tests.readme"
    assert all(f"<!-- {name}: begin -->" in text for name in BLOCKS)


def test_every_command_is_in_the_readme() -> None:
    text = README.read_text()

    assert [] == [name for name in COMMANDS if name != DEFAULT and not re.search(rf"tcpio {name}\b", text)]
