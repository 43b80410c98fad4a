# SPDX-License-Identifier: GPL-2.0-only
"""pcapng that was recorded, read again; and what others wrote, or damaged."""

import io
import struct
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcpio.errors import RecordingError
from tcpio.schema.batch import Batch, ClockStep, Counted, Lost, Overload
from tcpio.schema.columns import EVERY
from tcpio.schema.tally import Tally
from tcpio.stream import read_pcapng as module
from tcpio.stream.read_pcapng import read_pcapng
from tests.unit.output.test_formats import FACTS
from tests.unit.samples import any_records, make_segment
from tests.unit.stream.recordings import assert_same, opened, read, read_until_damage, write


def make_batch(count: int = 300) -> Batch:
    records = any_records(count)
    records["bytes"][::2] %= 100_000
    records["bytes"][1::2] %= 1 << 31
    first_ns, last_ns = int(records["ts_ns"][0]), int(records["ts_ns"][-1])
    marks = (
        Lost(first_ns, 3, 7),
        Overload(first_ns),
        Counted(last_ns, Tally(7, 350, (0, 3, 0, 1, 7, 0, 0, 2)), Tally(1)),
        ClockStep(last_ns, 5000, is_followed=True),
    )
    return Batch(records, marks)


@pytest.mark.parametrize("size", [1000, 1 << 22])
def test_what_was_written_is_read(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(module, "_READ", size)
    data = write("pcapng", make_batch())

    assert_same(read(read_pcapng, data), make_batch())
    assert opened(read_pcapng, data).columns == set(EVERY)
    assert opened(read_pcapng, data).facts == FACTS


def test_sections_behind_one_another_are_one() -> None:
    first, second = (write("pcapng", Batch(make_segment(ts_ns=ts_ns, netns=ts_ns, thlen=20))) for ts_ns in (1, 2))

    assert read(read_pcapng, first + second).records["netns"].tolist() == [1, 2]


@pytest.mark.parametrize("cut", range(1, 90, 7))
def test_what_is_whole_before_the_end_is_read(cut: int) -> None:
    data = write("pcapng", Batch(any_records(20)))
    batch, error = read_until_damage(opened(read_pcapng, data[:-cut]))

    assert len(batch.records) == 19 if cut < 80 else 18
    assert isinstance(error, RecordingError)
    assert "it ends in the middle of a block, at byte " in str(error)


def test_damage_is_told_with_its_place_and_what_is_before_is_read() -> None:
    first = write("pcapng", Batch(make_segment(ts_ns=1, netns=1, thlen=20)))
    both = write("pcapng", Batch(make_segment(ts_ns=1, netns=1, thlen=20)), Batch(make_segment(ts_ns=2, netns=1)))
    damage = {
        "has no direction": (28 + 44, 77),
        "is of an interface that is not there": (8, 9),
        "is neither IPv4 nor IPv6": (28 + 4, 0x00),
        "is of a time that cannot be": (15, 0xFF),
        "is not TCP": (28 + 4 + 9, 17),
        "is shorter than its headers": (28 + 4 + 20 + 12, 0x00),
        "is longer than its block": (20, 0xF0),
        "has a comment that is not tcpio's": (28 + 44 + 16 + 4 + 5, ord("x")),
    }
    for message, (at, byte) in damage.items():
        data = bytearray(both)
        data[len(first) + at] = byte
        batch, error = read_until_damage(opened(read_pcapng, bytes(data)))

        assert batch.records["ts_ns"].tolist() == [1], message
        assert isinstance(error, RecordingError)
        assert str(error) == f"x: a packet {message}, at byte {len(first)}"


@pytest.mark.parametrize("comment", [b"segs=99999  ", b"segs=-1     ", b"segs=x rtx=0", b"rtx=7       "])
def test_a_comment_with_values_that_columns_cannot_have_is_told(comment: bytes) -> None:
    data = write("pcapng", Batch(make_segment(netns=1, thlen=20))).replace(b"segs=1 rtx=0", comment)

    assert "has a comment that is not tcpio's" in str(read_until_damage(opened(read_pcapng, data))[1])


def test_a_comment_may_say_less() -> None:
    data = write("pcapng", Batch(make_segment(netns=1, thlen=20))).replace(b"segs=1 rtx=0", b"hello=1     ")

    assert read(read_pcapng, data).records["segs"].tolist() == [0]


def test_a_block_without_a_length_is_told() -> None:
    data = write("pcapng", Batch(make_segment(netns=1, thlen=20)))
    batch, error = read_until_damage(opened(read_pcapng, data + struct.pack("=II", 6, 7) + bytes(20)))

    assert len(batch.records) == 1
    assert str(error) == f"x: a block cannot have 7 bytes, at byte {len(data)}"


@given(st.data())
def test_no_byte_can_make_it_fail_otherwise(data: st.DataObject) -> None:
    whole = bytearray(write("pcapng", Batch(any_records(4), (Lost(1, 0, 1),))))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        _, error = read_until_damage(opened(read_pcapng, bytes(whole)))
    except RecordingError:
        return
    assert error is None or isinstance(error, RecordingError)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\n\r\r\n", "the section's header is not whole"),
        (b"\n\r\r\n" + struct.pack("=II", 1000, 0x1A2B3C4D) + bytes(20), "the section's header is not whole"),
        (b"\n\r\r\n" + struct.pack("=II", 1 << 20, 0x1A2B3C4D), "the section's header cannot have 1048576 bytes"),
        (b"\n\r\r\n" + bytes(24), "the section was written on a machine of the other byte order"),
        (
            b"\n\r\r\n" + struct.pack("=IIHHqHHI", 36, 0x1A2B3C4D, 1, 0, -1, 1, 99, 0) + bytes(8),
            "an option that is longer than its block",
        ),
    ],
)
def test_what_is_no_section_is_told(data: bytes, message: str) -> None:
    with pytest.raises(RecordingError, match=f"x: {message}, at byte 0"):
        opened(read_pcapng, data)


def test_what_others_wrote_is_told(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine.pcapng", tmp_path / "other.pcapng"
    mine.write_bytes(write("pcapng", Batch(make_segment(thlen=20))))
    try:
        subprocess.run(["editcap", "-F", "pcap", mine, tmp_path / "x.pcap"], check=True, capture_output=True)
        subprocess.run(["editcap", "-F", "pcapng", tmp_path / "x.pcap", other], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("editcap is not there; tests/run installs it")
    with pytest.raises(RecordingError, match="tcpio has not written it, and packets alone do not tell what"):
        opened(read_pcapng, other.read_bytes())


def test_a_file_that_cannot_be_read_further_is_told() -> None:
    class Broken(io.BytesIO):
        def read1(self, _size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(RecordingError, match="cannot read x: Input/output error"):
        read_pcapng(Broken(), "x", frozenset())
