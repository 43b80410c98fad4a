# SPDX-License-Identifier: GPL-2.0-only
"""What pyarrow reads is what is read without it, errors included."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tcpio.errors import RecordingError
from tcpio.schema.batch import Batch, Lost
from tcpio.schema.columns import EVERY
from tcpio.stream import read_rows
from tcpio.stream.read_csv import read_csv
from tcpio.stream.read_json import read_json
from tcpio.stream.read_rows import make_csv, make_json
from tcpio.stream.recording import Reader
from tests.unit.samples import any_records, make_segment
from tests.unit.stream.recordings import ALL, assert_same, opened, read, read_until_damage, write

READERS: dict[str, Reader] = {"csv": read_csv, "jsonl": read_json}
MAKERS: dict[str, Callable[[tuple[str, ...]], read_rows.Take]] = {"csv": make_csv, "jsonl": make_json}

both = pytest.mark.parametrize("name", READERS)


@pytest.fixture(autouse=True)
def _has_pyarrow() -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not there; tests/run installs it")


def make_batch(count: int) -> Batch:
    records = any_records(count)
    records["bytes"] >>= 1
    records["ts_ns"] += np.uint64(10**18)
    return Batch(records, (Lost(int(records["ts_ns"][count // 2]), 3, 7),))


def outcome(name: str, data: bytes, least: int, wanted: frozenset[str]) -> tuple[bytes, object, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read_rows, "WORTH_BYTES", least)
        try:
            found, error = read_until_damage(opened(READERS[name], data, wanted))
        except RecordingError as failure:
            return b"", None, str(failure)
    return found.records.tobytes(), found.marks, str(error)


@both
@pytest.mark.parametrize("columns", [",".join(EVERY), "ts_ns,cpu,laddr,flags", "cpu,bytes,rtx,state", "time,lport"])
def test_it_is_the_same_with_pyarrow_and_without(name: str, columns: str) -> None:
    data = write(name, make_batch(40), columns=columns)

    assert outcome(name, data, 0, ALL) == outcome(name, data, 1 << 40, ALL)


@both
def test_what_tcpio_writes_is_taken(name: str) -> None:
    batch = make_batch(40)
    rows = b"".join(write(name, Batch(batch.records)).splitlines(keepends=True)[name == "csv" :])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read_rows, "WORTH_BYTES", 0)
        found = MAKERS[name](tuple(name for name in EVERY))(rows)

    assert found is not None
    assert_same(Batch(found), Batch(batch.records))


@both
def test_little_is_not_worth_it(name: str) -> None:
    assert MAKERS[name](EVERY)(write(name, Batch(make_segment()))) is None


@both
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_whatever_is_in_a_file_it_is_the_same_with_pyarrow_and_without(name: str, data: st.DataObject) -> None:
    whole = bytearray(write(name, make_batch(3)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(whole) - 1))
        put = st.binary(max_size=3) | st.sampled_from(
            [b"-", b"0", b"0x1", b" ", b"null", b"1.0", b"1e3", b"9" * 20, b'"']
        )
        whole[at : at + data.draw(st.integers(0, 2))] = data.draw(put)
    wanted = data.draw(st.sampled_from([ALL, frozenset({"cpu", "laddr", "state"})]))

    assert outcome(name, bytes(whole), 0, wanted) == outcome(name, bytes(whole), 1 << 40, wanted)


@both
def test_without_pyarrow_it_is_read_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_rows, "find_spec", lambda _name: None)
    monkeypatch.setattr(read_rows, "WORTH_BYTES", 0)

    assert_same(read(READERS[name], write(name, make_batch(40))), make_batch(40))
