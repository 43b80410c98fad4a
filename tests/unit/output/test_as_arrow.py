# SPDX-License-Identifier: GPL-2.0-only
"""Arrow and Parquet, read by pyarrow and by DuckDB."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tcpio.output.as_arrow import ArrowFormat, ParquetFormat
from tcpio.schema.batch import Batch, ClockStep, Counted, Lost, Overload
from tcpio.schema.columns import EVERY, find_columns
from tcpio.schema.record import Records
from tcpio.schema.tally import Tally
from tests.unit.samples import any_records, make_segment, to_row

pa = pytest.importorskip("pyarrow", reason="pyarrow is not there; tests/run installs it")
parquet = pytest.importorskip("pyarrow.parquet")

FACTS = {"version": "1.2.3", "host": "web", "kernel": "6.1.0", "rung": "fentry", "filter": "lport 22"}
OFFSET_NS = 10**18


def make_format(kind: type[ArrowFormat | ParquetFormat], columns: str = "", **facts: str) -> Any:  # noqa: ANN401
    found = find_columns(columns, with_time=False, default=EVERY)
    return kind(found, lambda ts_ns: ts_ns.astype(np.int64) + OFFSET_NS, facts or FACTS)


def written(made: Any, *batches: Batch) -> bytes:  # noqa: ANN401
    data: bytes = made.header()
    for batch in batches:
        data += b"".join(chunk.data for chunk in made.chunks(batch))
    return data + b"".join(chunk.data for chunk in made.end())


def read(kind: type[ArrowFormat | ParquetFormat], data: bytes) -> Any:  # noqa: ANN401
    if kind is ArrowFormat:
        return pa.ipc.open_stream(data).read_all()
    return parquet.read_table(pa.BufferReader(data))


def rows_of(records: Records) -> list[dict[str, object]]:
    return [{**to_row(record), "ts_ns": OFFSET_NS + int(record["ts_ns"])} for record in records]


both = pytest.mark.parametrize("kind", [ArrowFormat, ParquetFormat])


@both
def test_any_records_are_what_pyarrow_reads(kind: type[ArrowFormat | ParquetFormat]) -> None:
    batches = [any_records(count, count) for count in (1, 500, 70)]
    table = read(kind, written(make_format(kind), *map(Batch, batches)))
    expected = [row for records in batches for row in rows_of(records)]

    assert table.num_rows == len(expected)
    for name in EVERY:
        if name == "time":
            stamps = [row["ts_ns"] for row in expected]
            assert [stamp // 1000 for stamp in stamps] == table[name].cast(pa.int64()).to_pylist()  # type: ignore[operator]
        else:
            assert [row[name] for row in expected] == table[name].to_pylist(), name
    assert set(table["host"].to_pylist()) == {"web"}


@both
def test_the_schema_says_where_it_comes_from(kind: type[ArrowFormat | ParquetFormat]) -> None:
    metadata = read(kind, written(make_format(kind), Batch(make_segment()))).schema.metadata

    assert {**{f"tcpio.{name}".encode(): text.encode() for name, text in FACTS.items()}, b"tcpio.schema": b"1"} == {
        key: value for key, value in metadata.items() if key.startswith(b"tcpio.")
    }


@both
def test_a_mark_is_a_row_without_ends(kind: type[ArrowFormat | ParquetFormat]) -> None:
    marks = (Lost(1, 3, 137), ClockStep(2, -5, is_followed=False))
    table = read(kind, written(make_format(kind), Batch(make_segment(ts_ns=2), marks)))
    lost, step, segment = table.to_pylist()

    assert {name: value for name, value in lost.items() if value is not None and name != "time"} == {
        "ts_ns": OFFSET_NS + 1,
        "cpu": 3,
        "lost": 137,
        "host": "web",
    }
    assert (step["clock_step_ns"], step["followed"], step["cpu"]) == (-5, False, None)
    assert (segment["lport"], segment["lost"]) == (22, None)


@both
def test_so_is_what_was_counted_instead_of_printed(kind: type[ArrowFormat | ParquetFormat]) -> None:
    marks = (Overload(1), Counted(2, Tally(3, 500), Tally(4)))
    rows = read(kind, written(make_format(kind), Batch(make_segment(ts_ns=2), marks))).to_pylist()

    assert [(row["counted"], row["note"]) for row in rows] == [*zip((0, 7), map(str, marks), strict=True), (None, None)]


@both
def test_columns_can_be_chosen_and_a_host_need_not_be_known(kind: type[ArrowFormat | ParquetFormat]) -> None:
    table = read(kind, written(make_format(kind, "rport,ts_ns", version="1"), Batch(make_segment())))

    assert table.schema.names == ["rport", "ts_ns", "lost", "clock_step_ns", "followed", "counted", "note"]


@both
def test_nothing_is_a_file_too(kind: type[ArrowFormat | ParquetFormat]) -> None:
    assert read(kind, written(make_format(kind))).num_rows == 0


@both
def test_another_file_can_be_begun(kind: type[ArrowFormat | ParquetFormat]) -> None:
    made = make_format(kind)

    for ts_ns in (1, 2):
        table = read(kind, written(made, Batch(make_segment(ts_ns=ts_ns))))
        assert table["ts_ns"].to_pylist() == [OFFSET_NS + ts_ns]


def test_segments_are_collected_to_batches_of_some_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ArrowFormat, "rows", 5)
    made = make_format(ArrowFormat)
    made.header()

    assert made.chunks(Batch(any_records(4))) == []
    assert made.pending == 4
    (chunk,) = made.chunks(Batch(any_records(3)))
    assert (chunk.segments, made.pending, chunk.is_lines) == (7, 0, False)


def test_a_stream_is_written_once_a_second_however_little_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [1000.0]
    monkeypatch.setattr("tcpio.output.as_arrow.time.monotonic", lambda: now_s[0])
    made = make_format(ArrowFormat)
    made.header()
    assert made.chunks(Batch(any_records(1))) == []
    now_s[0] += 1.0
    (chunk,) = made.chunks(Batch(any_records(0)))

    assert chunk.segments == 1
    assert made.chunks(Batch(any_records(0))) == []


def test_a_stream_without_its_end_is_read_up_to_its_last_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ArrowFormat, "rows", 10)
    made = make_format(ArrowFormat)
    data = made.header() + b"".join(chunk.data for _ in range(3) for chunk in made.chunks(Batch(any_records(10))))
    whole = len(data)
    data += b"".join(chunk.data for chunk in made.chunks(Batch(any_records(10))))[:-7]

    reader = pa.ipc.open_stream(data[:whole])
    assert sum(batch.num_rows for batch in reader) == 30
    reader = pa.ipc.open_stream(data)
    assert [reader.read_next_batch().num_rows for _ in range(3)] == [10, 10, 10]
    with pytest.raises((pa.ArrowInvalid, OSError)):
        reader.read_next_batch()


def test_duckdb_reads_parquet(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not there; tests/run installs it")
    records = any_records(100)
    (tmp_path / "x.parquet").write_bytes(written(make_format(ParquetFormat), Batch(records, (Lost(5, 1, 7),))))
    query = "select sum(bytes), count(laddr), sum(lost), any_value(host) from read_parquet(?) "

    with duckdb.connect() as database:
        found = database.execute(query, [str(tmp_path / "x.parquet")]).fetchone()
    assert found == (int(records["bytes"].sum()), 100, 7, "web")
