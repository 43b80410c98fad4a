# SPDX-License-Identifier: GPL-2.0-only
"""Recordings made for tests, in every format."""

import importlib.util
import io
from collections.abc import Sequence
from datetime import timezone

import numpy as np
import pytest

from tcpio.output.formats import FORMATS
from tcpio.output.times import make_time
from tcpio.schema.batch import Batch, Mark, join
from tcpio.schema.columns import EVERY, find_columns
from tcpio.stream.recording import Reader, Recording
from tests.unit.output.test_formats import WANT_PYARROW, make_setting

ALL = frozenset(EVERY)

with_format = pytest.mark.parametrize("name", FORMATS)


def write(name: str, *batches: Batch, columns: str = "", has_header: bool = True) -> bytes:
    """Give a recording in a format; times are those of the records. Skips what pyarrow would provide, without it."""
    if name in WANT_PYARROW and not importlib.util.find_spec("pyarrow"):
        pytest.skip("pyarrow is not there; tests/run installs it")
    time = make_time("iso", timezone.utc, lambda ts_ns: ts_ns.astype(np.int64), 0)
    columns = columns or ",".join(EVERY)
    setting = make_setting(name)._replace(time=time, columns=find_columns(columns, with_time=False))
    made = FORMATS[name].make(setting)
    header = made.header()
    chunks = [*(chunk for batch in batches for chunk in made.chunks(batch)), *made.end()]
    return (header if has_header else b"") + b"".join(chunk.data for chunk in chunks)


def opened(reader: Reader, data: bytes, wanted: frozenset[str] = ALL) -> Recording:
    """Open what is in memory."""
    return reader(io.BytesIO(data), "x", wanted)


def read(reader: Reader, data: bytes, wanted: frozenset[str] = ALL) -> Batch:
    """Read all that is in memory."""
    return join(list(opened(reader, data, wanted).batches))


def read_until_damage(recording: Recording) -> tuple[Batch, Exception | None]:
    """Give what stands before the damage, and what was raised there."""
    batches: list[Batch] = []
    try:
        for batch in recording.batches:
            batches.append(batch)  # noqa: PERF402  what came before the damage is wanted too
    except Exception as error:  # noqa: BLE001  the test asks which one it is
        return join(batches), error
    return join(batches), None


def assert_same(found: Batch, expected: Batch, columns: Sequence[str] = EVERY) -> None:
    """See that batches have the same in some columns, and the same marks."""
    sources = {find_columns(name, with_time=False)[0].source for name in columns}
    assert len(found.records) == len(expected.records)
    for source in sorted(sources):
        assert found.records[source].tolist() == expected.records[source].tolist(), source
    assert set(found.marks) == set(expected.marks)


def marks_of(batch: Batch) -> tuple[Mark, ...]:
    """Give the marks of a batch."""
    return batch.marks
