# SPDX-License-Identifier: GPL-2.0-only
"""README.md says what the tables say."""

import re
from pathlib import Path

import pytest

from tcpio.cli.main import COMMANDS, DEFAULT
from tcpio.kernel.hooks import SITES
from tcpio.schema.batch import Batch, Lost
from tcpio.schema.record import RECEIVE, SEND
from tests.kernels import resolved
from tests.kernels.kernels import KERNELS
from tests.readme import BLOCKS, README, fill, python_examples
from tests.unit.samples import ACK, SYN, make_records
from tests.unit.stream.recordings import write


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


def test_the_queries_in_the_readme_find_handshakes_and_retransmissions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not there; tests/run installs it")
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not there; tests/run installs it")
    records = make_records(
        [1_000_000, 3_500_000, 5_000_000, 5_000_001, 6_000_000, 7_000_000],
        lport=[40_000, 40_000, 40_001, 40_002, 40_002, 40_002],
        rport=[80, 80, 80, 443, 443, 443],
        dir=[SEND, RECEIVE, SEND, SEND, RECEIVE, SEND],
        flags=[SYN, SYN | ACK, SYN, SYN, SYN | ACK, ACK],
        rtx=[0, 0, 0, 0, 0, 1],
        segs=[1, 1, 1, 1, 1, 3],
        laddr="192.0.2.8",
        raddr="192.0.2.40",
    )
    (tmp_path / "trace-1.parquet").write_bytes(write("parquet", Batch(records, (Lost(1, 0, 5),))))
    monkeypatch.chdir(tmp_path)
    handshakes, retransmitters = re.findall(r"```sql\n(.*?)```", README.read_text(), re.DOTALL)

    with duckdb.connect() as database:
        assert database.execute(handshakes).fetchall() == [(80, 1, 2.5, 2.5), (443, 1, 1.0, 1.0)]
        assert database.execute(retransmitters).fetchall() == [("web", "192.0.2.8", "192.0.2.40", 443, 3)]


def test_the_programs_in_the_readme_are_python() -> None:
    examples = python_examples(README.read_text())

    assert [name for name in ("tcpio.Summary(", "tcpio.trace(") if not any(name in code for code in examples)] == []
    for code in examples:
        compile(code, str(README), "exec")
