# SPDX-License-Identifier: GPL-2.0-only
"""What is made ahead is what would be made anyway, one batch late."""

from itertools import count

import pytest

from tcpio.output.ahead import Ahead
from tcpio.output.lines import Chunk
from tcpio.schema.batch import Batch
from tests.unit.samples import make_records

BATCHES = [Batch(make_records(times)) for times in ([1, 2], [3], [], [4, 5, 6])]


class Numbered:
    """Gives each batch when the next one is there, as a format may; the last at the end."""

    def __init__(self) -> None:
        self.pending = 0
        self._numbers = count()

    def header(self) -> bytes:
        return b"head"

    def chunks(self, batch: Batch) -> list[Chunk]:
        given, self.pending = self.pending, len(batch.records)
        return [Chunk(b"%d" % next(self._numbers), given)]

    def end(self) -> list[Chunk]:
        return [Chunk(b"end", self.pending)]


class Failing(Numbered):
    def chunks(self, batch: Batch) -> list[Chunk]:
        raise MemoryError(f"{len(batch.records)} records")


def test_a_batch_is_given_with_the_next_one() -> None:
    ahead = Ahead(Numbered())

    assert ahead.header() == b"head"
    assert [[chunk.data for chunk in ahead.chunks(batch)] for batch in BATCHES] == [[], [b"0"], [b"1"], [b"2"]]
    assert [chunk.data for chunk in ahead.end()] == [b"3", b"end"]


def test_segments_are_pending_until_they_are_given() -> None:
    ahead = Ahead(Numbered())
    taken = given = 0
    for batch in BATCHES:
        taken += len(batch.records)
        given += sum(chunk.segments for chunk in ahead.chunks(batch))

        assert ahead.pending == taken - given
    given += sum(chunk.segments for chunk in ahead.end())

    assert (ahead.pending, given) == (0, taken)


def test_another_file_can_be_begun_behind_the_end() -> None:
    ahead = Ahead(Numbered())
    ahead.chunks(BATCHES[0])
    ahead.end()

    assert ahead.chunks(BATCHES[1]) == []


def test_a_failure_is_told_with_the_next_batch() -> None:
    ahead = Ahead(Failing())
    ahead.chunks(BATCHES[0])

    with pytest.raises(MemoryError, match="2 records"):
        ahead.chunks(BATCHES[1])


def test_an_end_without_a_batch_is_the_formats() -> None:
    assert [chunk.data for chunk in Ahead(Numbered()).end()] == [b"end"]
