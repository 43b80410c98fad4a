# SPDX-License-Identifier: GPL-2.0-only
"""JSON Lines that were recorded, read again."""

import json

import pytest

from tcpio.errors import RecordingError
from tcpio.schema.batch import Batch, ClockStep, Counted, Lost, Overload
from tcpio.schema.tally import Tally
from tcpio.stream.read_json import read_json
from tests.unit.samples import any_records
from tests.unit.stream.recordings import assert_same, opened, read, read_until_damage, write


def make_batch(count: int = 300) -> Batch:
    records = any_records(count)
    records["thlen"] = 20
    first_ns, last_ns = int(records["ts_ns"][0]), int(records["ts_ns"][-1])
    marks = (
        Lost(first_ns, 3, 7),
        Overload(first_ns),
        Counted(last_ns, Tally(7, 350, (0, 3, 0, 1, 7, 0, 0, 2)), Tally(1)),
        ClockStep(last_ns, -5, is_followed=False),
    )
    return Batch(records, marks)


def test_what_was_written_is_read() -> None:
    assert_same(read(read_json, write("jsonl", make_batch())), make_batch())


def test_keys_may_be_in_any_order_and_others_between() -> None:
    rows = [json.loads(line) for line in write("jsonl", make_batch()).splitlines()]
    data = "".join(json.dumps({"host": "web", **dict(reversed(row.items()))}) + "\n" for row in rows)

    assert_same(read(read_json, data.encode().replace(b'": ', b'":')), make_batch())


def test_only_what_is_wanted_is_read() -> None:
    data = write("jsonl", make_batch()).replace(b'"seq":', b'"seq":"x","":')
    found = read(read_json, data, frozenset({"lport"}))

    assert found.records["lport"].tolist() == make_batch().records["lport"].tolist()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"x", "no JSON"),
        (b"[1]", "no object"),
        (b"[" * 5000, "no JSON"),
        (b'{"lport":1.5}', "lport cannot be '1.5'"),
        (b'{"lport":true}', "lport cannot be 'True'"),
        (b'{"lport":[1,2]}', "2 values where 1 belong: '[1, 2]'"),
        (b'{"lport":{}}', "lport cannot be '{}'"),
        (b'{"lport":1},{"lport":2}', "no JSON"),
        (b'{"lport":"1,2"}', "2 values where 1 belong: '1,2'"),
        (b'{"lport":"1\\n"}', "a value with a line's end in it"),
        (b'{"lport":"\\u0000"}', r"lport cannot be '\x01'"),
        (b'{"lport":"\xc3\xa9"}', "lport cannot be '?'"),
        (b'{"lport":-1}', "lport cannot be '-1'"),
        (b'{"lport":' + b"9" * 5000 + b"}", "no JSON"),
        (b'{"cpu":1}', "lport is missing"),
        (b'{"lost":"x","cpu":1}', "a mark without its numbers"),
        (b'{"counted":1}', "a mark without its numbers"),
        (b'{"counted":1,"note":"x"}', "a mark without its numbers"),
        (b'{"lost":1}', "a mark without its numbers"),
        (b'{"clock_step_ns":1}', "a mark without its numbers"),
        (b'{"lost":1,"cpu":1,"time":"x"}', "a mark without its numbers"),
        (b'{"lost":1,"cpu":1,"ts_ns":1' + b"0" * 30 + b"}", "a mark with numbers that cannot be"),
        (b'"lost":', "no JSON"),
    ],
)
def test_what_is_whole_before_damage_is_read_and_the_line_is_told(line: bytes, message: str) -> None:
    recording = opened(read_json, b'{"lport":1}\n{"lost":5,"cpu":3}\n{"lport":2}\n' + line + b'\n{"lport":4}\n')
    batch, error = read_until_damage(recording)

    assert batch.marks == (Lost(1, 3, 5),)
    assert isinstance(error, RecordingError)
    assert str(error) == f"x, line 4: {message}"
    # Lines of one run are parsed together.
    assert batch.records["lport"].tolist() in ([1], [1, 2])


def test_times_of_marks_are_read_in_both_forms() -> None:
    data = b'{"time":"1970-01-01T00:00:00.000000007+00:00","lport":1}\n'
    data += b'{"time":"1970-01-01T00:00:00.000000008+00:00","cpu":1,"lost":2}\n'

    assert read(read_json, data).marks == (Lost(8, 1, 2),)


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"{}\n", "x: the first object has no column"), (b"{x\n", "x, line 1: no JSON"), (b"", "x: the first object")],
)
def test_what_is_no_recording_is_told(data: bytes, message: str) -> None:
    with pytest.raises(RecordingError, match=message):
        opened(read_json, data)


def test_a_recording_may_begin_with_a_mark() -> None:
    data = b'{"lost":5,"cpu":3}\n{"lport":2}\n'

    assert opened(read_json, data).columns == {"lport"}
    assert read(read_json, data).marks == (Lost(0, 3, 5),)
