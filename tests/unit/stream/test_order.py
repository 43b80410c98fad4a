# SPDX-License-Identifier: GPL-2.0-only
"""The order of records from several rings, over several rounds."""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from tcpio.schema.batch import Batch, ClockStep, Lost, Mark
from tcpio.schema.record import Records
from tcpio.stream.order import NoOrder, Order
from tests.unit.samples import make_records, times


def push(order: Order, ts_ns: Sequence[int], *marks: Mark, cpu: int = 0) -> None:
    # Each record has a number of its own in `seq`, so that none can be taken for another.
    order.push(Batch(make_records(ts_ns, cpu=cpu, seq=[cpu << 16 | index for index in range(len(ts_ns))]), marks))


def round_of(order: Order, ts_ns: Sequence[int], *marks: Mark) -> list[int]:
    push(order, ts_ns, *marks)
    return times(order.end_round().records)


def test_the_first_round_is_held() -> None:
    assert round_of(Order(), [1, 2, 3]) == []


def test_a_round_is_released_up_to_what_the_one_before_ended_with() -> None:
    order = Order()
    round_of(order, [10, 30, 20])

    assert round_of(order, [25, 40, 35]) == [10, 20, 25, 30]
    assert round_of(order, [50]) == [35, 40]


def test_an_idle_round_releases_what_is_held() -> None:
    order = Order()
    round_of(order, [30, 10])

    assert round_of(order, []) == [10, 30]
    assert round_of(order, []) == []
    assert order.late == 0


def test_an_idle_round_releases_a_mark_that_no_record_follows() -> None:
    order = Order()
    step = ClockStep(50, 1, is_followed=True)
    round_of(order, [10])
    push(order, [], step)
    marks = [*order.end_round().marks, *order.end_round().marks]

    assert marks == [step]


def test_a_mark_waits_as_long_as_a_record_of_its_time() -> None:
    order = Order()
    mark = Lost(20, 0, 1)
    push(order, [10, 20, 30], mark)

    assert order.end_round().marks == ()
    assert order.end_round().marks == (mark,)


def test_an_inversion_inside_one_ring_is_put_right() -> None:
    order = Order()
    round_of(order, [100, 563, 100_000, 99_537])

    assert round_of(order, []) == [100, 563, 99_537, 100_000]
    assert order.late == 0


def test_rings_read_one_after_the_other_are_merged() -> None:
    order = Order()
    push(order, [1, 4, 7], cpu=0)
    push(order, [2, 5, 8], cpu=1)
    push(order, [3, 6, 9], cpu=2)
    order.end_round()

    assert times(order.end_round().records) == [1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_records_of_one_time_stay_in_the_order_of_their_ring() -> None:
    order = Order()
    push(order, [5, 5, 4], cpu=0)
    push(order, [5, 4], cpu=1)
    records = order.flush().records

    assert [(4, 2), (4, 1 << 16 | 1), (5, 0), (5, 1), (5, 1 << 16)] == list(
        zip(times(records), records["seq"].tolist(), strict=True)
    )


def test_what_comes_a_whole_round_late_is_released_and_counted() -> None:
    order = Order()
    round_of(order, [10, 20])
    round_of(order, [30])

    assert round_of(order, [5, 15, 20, 40]) == [5, 15, 20, 30]
    assert order.late == 2


def test_times_are_told_apart_to_the_nanosecond_however_long_the_kernel_runs() -> None:
    start = 1 << 60  # 36 years; from 104 days on a float has no room for all of them
    order = Order()
    round_of(order, [start, start + 2])

    assert round_of(order, [start + 3, start + 4]) == [start, start + 2]
    round_of(order, [start + 1])
    assert order.late == 1


def test_late_records_are_counted_once() -> None:
    order = Order()
    round_of(order, [10, 20])
    round_of(order, [])
    round_of(order, [5])
    round_of(order, [])

    assert order.late == 1


def test_late_records_at_the_end_are_counted() -> None:
    order = Order()
    round_of(order, [10, 20])
    round_of(order, [])
    push(order, [5, 19, 20, 21])

    assert times(order.flush().records) == [5, 19, 20, 21]
    assert order.late == 2


def test_a_flush_gives_what_is_held_and_what_was_pushed() -> None:
    order = Order()
    round_of(order, [10, 30])
    push(order, [20, 5])

    assert times(order.flush().records) == [5, 10, 20, 30]
    assert times(order.flush().records) == []


def test_a_flush_gives_all_marks_in_order() -> None:
    order = Order()
    push(order, [10], Lost(99, 0, 1), Lost(5, 1, 2))

    assert [5, 99] == [mark.ts_ns for mark in order.flush().marks]


def test_without_order_records_come_as_they_were_pushed() -> None:
    order = NoOrder()
    mark = Lost(3, 1, 4)
    push(order, [9, 8], cpu=0)
    push(order, [3], mark, cpu=1)
    batch = order.end_round()

    assert ([9, 8, 3], (mark,)) == (times(batch.records), batch.marks)


def test_without_order_nothing_is_held_and_nothing_is_late() -> None:
    order = NoOrder()

    assert round_of(order, [9]) == [9]
    assert round_of(order, [1]) == [1]
    push(order, [5])
    assert times(order.flush().records) == [5]
    assert times(order.flush().records) == []
    assert order.late == 0


@dataclass(frozen=True)
class Run:
    """What is pushed: for each round, for each CPU, timestamps in the ring's order."""

    rounds: list[list[list[int]]]

    @property
    def pushed(self) -> list[int]:
        return [moment for rings in self.rounds for ring in rings for moment in ring]


ROUND_NS = 100


@st.composite
def runs_in_time(draw: st.DrawFn) -> Run:
    """No record comes later than in the round after the one in which it was stamped."""
    count, cpus = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    rounds: list[list[list[int]]] = [[[] for _ in range(cpus)] for _ in range(count + 1)]
    for number in range(count):
        stamps = st.lists(st.integers(number * ROUND_NS + 1, (number + 1) * ROUND_NS), max_size=8)
        for cpu in range(cpus):
            for moment in draw(stamps):
                rounds[number + draw(st.integers(0, 1))][cpu].append(moment)
    return Run([[draw(st.permutations(ring)) for ring in rings] for rings in rounds])


def play(order: Order, run: Run) -> list[Records]:
    released: list[Records] = []
    for rings in run.rounds:
        for cpu, ring in enumerate(rings):
            push(order, ring, cpu=cpu)
        released.append(order.end_round().records)
    return [*released, order.flush().records]


@given(runs_in_time())
def test_what_is_not_later_than_a_round_comes_in_order(run: Run) -> None:
    order = Order()
    released = [moment for records in play(order, run) for moment in times(records)]

    assert sorted(run.pushed) == released
    assert order.late == 0


@given(st.lists(st.lists(st.lists(st.integers(0, 500), max_size=8), max_size=3), max_size=8).map(Run))
def test_nothing_is_dropped_or_doubled_and_what_is_late_is_counted(run: Run) -> None:
    order = Order()
    released = [moment for records in play(order, run) for moment in times(records)]
    late, highest = 0, 0
    for records in play(Order(), run):
        late += sum(moment < highest for moment in times(records))
        highest = max([highest, *times(records)])

    assert sorted(run.pushed) == sorted(released)
    assert late == order.late


@given(st.lists(st.lists(st.lists(st.integers(0, 500), max_size=8), max_size=3), max_size=8).map(Run))
def test_records_are_released_whole(run: Run) -> None:
    released = [record for records in play(Order(), run) for record in records.tolist()]
    pushed = [
        record
        for rings in run.rounds
        for cpu, ring in enumerate(rings)
        for record in make_records(ring, cpu=cpu, seq=[cpu << 16 | index for index in range(len(ring))]).tolist()
    ]

    assert sorted(map(repr, pushed)) == sorted(map(repr, released))


@given(st.lists(st.lists(st.lists(st.integers(1, 500), max_size=8), max_size=3), max_size=8).map(Run), st.data())
def test_each_mark_stays_before_the_next_record_of_its_cpu(run: Run, data: st.DataObject) -> None:
    order = Order()
    expected: list[Lost] = []
    batches: list[Batch] = []
    for rings in run.rounds:
        for cpu, ring in enumerate(rings):
            marks: tuple[Lost, ...] = ()
            place = data.draw(st.integers(0, 2 * len(ring)))
            if place < len(ring):
                marks = (Lost(ring[place], cpu, len(expected) + 1),)
            expected += marks
            push(order, ring, *marks, cpu=cpu)
        batches.append(order.end_round())
    batches.append(order.flush())

    found = [mark for batch in batches for mark in batch.marks]
    assert sorted(map(repr, expected)) == sorted(map(repr, found))
    for batch in batches:
        for mark in batch.marks:
            assert mark.ts_ns in times(batch.records)
        moments = [mark.ts_ns for mark in batch.marks]
        assert sorted(moments) == moments
