# SPDX-License-Identifier: GPL-2.0-only
"""README.md says what the tables say."""

import re

from tcpio.cli.main import COMMANDS, DEFAULT
from tcpio.kernel.hooks import SITES
from tests.kernels import resolved
from tests.kernels.kernels import KERNELS
from tests.readme import BLOCKS, README, fill


def test_the_tables_in_the_readme_are_those_of_the_code() -> None:
    text = README.read_text()

    assert fill(text) == text, "write them anew with python3 -m tests.readme"
    assert all(f"<!-- {name}: begin -->" in text for name in BLOCKS)


def test_every_command_is_in_the_readme() -> None:
    text = README.read_text()

    assert [] == [name for name in COMMANDS if name != DEFAULT and not re.search(rf"tcpio {name}\b", text)]


def test_the_kernels_in_the_readme_are_those_that_tests_boot() -> None:
    found = resolved.read()
    ways = {(way.rung.value, site.name, tuple(map(str, way.hooks))) for site in SITES for way in site.ways}

    assert [kernel.name for kernel in KERNELS] == list(found)
    for of in found.values():
        chosen = {(rung, site, tuple(hooks)) for rung, sites in of["hooks"].items() for site, hooks in sites.items()}
        assert {(rung, site) for rung, site, _ in ways} == {(rung, site) for rung, site, _ in chosen}
        assert chosen <= ways
