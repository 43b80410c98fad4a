# SPDX-License-Identifier: GPL-2.0-only
"""Arrow and Parquet that were recorded, read again; and what others made of them, or damaged."""

import io
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpio.errors import RecordingError
from tcpio.schema.batch import Batch, ClockStep, Counted, Lost, Overload, join
from tcpio.schema.columns import EVERY
from tcpio.schema.recording import MARKS
from tcpio.schema.tally import Tally
from tcpio.stream import read_arrow as module
from tcpio.stream.read_arrow import read_arrow, read_parquet
from tcpio.stream.recording import Reader
from tests.unit.output.test_formats import FACTS
from tests.unit.samples import any_records, make_segment
from tests.unit.stream.recordings import assert_same, opened, read, read_until_damage, write

pa = pytest.importorskip("pyarrow", reason="pyarrow is not there; tests/run installs it")
parquet = pytest.importorskip("pyarrow.parquet")

READERS: dict[str, Reader] = {"arrow": read_arrow, "parquet": read_parquet}
both = pytest.mark.parametrize("name", READERS)


def make_batch(count: int = 300) -> Batch:
    records = any_records(count)
    first_ns, last_ns = int(records["ts_ns"][0]), int(records["ts_ns"][-1])
    marks = (
        Lost(first_ns, 3, 7),
        Overload(first_ns),
        Counted(last_ns, Tally(7, 350, (0, 3, 0, 1, 7, 0, 0, 2)), Tally(1)),
        ClockStep(last_ns, -5, is_followed=False),
    )
    return Batch(records, marks)


def stream(table: Any) -> bytes:  # noqa: ANN401  pyarrow has no types
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def table_of(batch: Batch) -> Any:  # noqa: ANN401
    return pa.ipc.open_stream(write("arrow", batch)).read_all()


@both
def test_what_was_written_is_read(name: str) -> None:
    data = write(name, make_batch(), make_batch(20))
    found = opened(READERS[name], data)

    assert found.columns == set(EVERY)
    assert found.facts == FACTS
    assert_same(read(READERS[name], data), Batch(_both(), make_batch().marks + make_batch(20).marks))


@both
def test_a_batch_of_any_size_is_read_a_part_at_a_time(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_ROWS", 100)
    batches = list(opened(READERS[name], write(name, make_batch())).batches)

    assert max(len(batch.records) + len(batch.marks) for batch in batches) == 100
    assert_same(join(batches), make_batch())


def _both() -> Any:  # noqa: ANN401
    import numpy as np  # noqa: PLC0415  only here

    return np.concatenate([make_batch().records, make_batch(20).records])


@both
def test_only_what_is_wanted_is_read(name: str) -> None:
    found = read(READERS[name], write(name, make_batch()), frozenset({"lport"}))

    assert_same(found, make_batch(), ["lport", "ts_ns"])
    assert not found.records["seq"].any()


def test_what_cannot_go_back_is_read_too() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: object) -> int:
            raise OSError(29, "Illegal seek")

    batches = list(read_arrow(Pipe(write("arrow", make_batch())), "x", frozenset(EVERY)).batches)

    assert sum(len(batch.records) for batch in batches) == 300


def test_plain_columns_are_as_good_as_dictionaries() -> None:
    table = table_of(make_batch())
    plain = table.cast(
        pa.schema(
            [
                (field.name, field.type.value_type if pa.types.is_dictionary(field.type) else field.type)
                for field in table.schema
            ]
        )
    )
    wide = plain.set_column(2, "cpu", plain["cpu"].cast(pa.int64()))

    assert_same(read(read_arrow, stream(wide)), make_batch())


def test_one_column_of_time_is_enough_and_none_counts() -> None:
    table = table_of(Batch(make_segment(ts_ns=5_000)))

    assert read(read_arrow, stream(table.drop_columns(["ts_ns"]))).records["ts_ns"].tolist() == [5_000]
    found = opened(read_arrow, stream(table.drop_columns(["ts_ns", "time"])))
    assert found.columns.isdisjoint({"ts_ns", "time"})
    assert [batch.records["ts_ns"].tolist() for batch in found.batches] == [[0]]


def test_without_a_direction_what_has_nothing_to_show_was_received() -> None:
    table = table_of(Batch(make_segment(is_received=True))).drop_columns(["dir", *MARKS])

    assert read(read_arrow, stream(table)).records["dir"].tolist() == [1]


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("lport", [70000], "int64"),
        ("laddr", ["somewhere"], "string"),
        ("flags", ["SYN|SIN"], "string"),
        ("rtx", [7], "uint8"),
        ("ts_ns", [-1], "int64"),
        ("seq", ["x"], "string"),
    ],
)
def test_values_that_columns_cannot_have_are_told(name: str, values: list[object], kind: str) -> None:
    table = table_of(Batch(make_segment()))
    at = table.schema.names.index(name)
    changed = table.set_column(at, name, pa.array(values, getattr(pa, kind)()))
    batch, error = read_until_damage(opened(read_arrow, stream(pa.concat_tables([changed]))))

    assert len(batch.records) == 0
    assert isinstance(error, RecordingError)
    assert str(error).startswith("x cannot be read: ")
    assert str(error).endswith(", behind row 0")


@pytest.mark.parametrize("version", ["2", "0", "x", "", "9" * 99])
def test_a_version_of_the_future_is_told(version: str) -> None:
    table = table_of(Batch(make_segment())).replace_schema_metadata({"tcpio.schema": version})
    with pytest.raises(RecordingError, match=f"x is of version {version!r}, and this tcpio reads up to 1") as caught:
        opened(read_arrow, stream(table))

    assert caught.value.hint == "a newer tcpio reads it"


def test_names_of_older_versions_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tcpio.schema.recording.VERSION", 2)
    monkeypatch.setattr(module, "VERSION", 2)
    monkeypatch.setattr("tcpio.schema.recording.FIXUPS", {1: {"port": "lport"}})
    table = table_of(Batch(make_segment()))
    table = table.rename_columns(["port" if name == "lport" else name for name in table.schema.names])
    found = read(read_arrow, stream(table.replace_schema_metadata({"tcpio.schema": "1"})), frozenset({"lport"}))

    assert found.records["lport"].tolist() == [22]


def test_what_has_lost_its_metadata_is_read() -> None:
    table = table_of(make_batch()).replace_schema_metadata(None)

    assert_same(read(read_arrow, stream(table)), make_batch())


def test_marks_that_cannot_be_are_told() -> None:
    table = table_of(Batch(make_segment(), (Lost(0, 1, 5),)))
    at = table.schema.names.index("lost")
    changed = table.set_column(at, "lost", pa.array([1 << 63, None], pa.uint64()))

    assert "a mark with numbers that cannot be" in str(read_until_damage(opened(read_arrow, stream(changed)))[1])


def test_a_table_of_something_else_is_told() -> None:
    with pytest.raises(RecordingError, match="x has none of tcpio's columns"):
        opened(read_arrow, stream(pa.table({"a": [1]})))


def test_what_is_whole_before_the_end_is_read() -> None:
    data = write("arrow", make_batch())[:-100]
    second = write("arrow", make_batch())
    batch, error = read_until_damage(opened(read_arrow, data))

    assert len(batch.records) == 0
    assert isinstance(error, RecordingError)
    assert len(read(read_arrow, second[:-8]).records) == 300


@both
@settings(max_examples=50)
@given(data=st.data())
def test_no_byte_can_make_it_fail_otherwise(name: str, data: st.DataObject) -> None:
    whole = bytearray(write(name, Batch(any_records(4), (Lost(1, 0, 1),))))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        _, error = read_until_damage(opened(READERS[name], bytes(whole)))
    except RecordingError:
        return
    assert error is None or isinstance(error, RecordingError)


def test_a_header_cannot_ask_for_more_memory_than_there_is() -> None:
    with pytest.raises(RecordingError, match="cannot be read: "):
        opened(read_arrow, b"\xff\xff\xff\xff\xff\xff\xff\x7f" + bytes(100))
