# SPDX-License-Identifier: GPL-2.0-only
"""Segments from Python, on a made-up machine."""

from collections.abc import Callable, Iterator
from types import TracebackType

import pytest

from tcpio.api import trace as module
from tcpio.api.trace import trace
from tcpio.errors import NotPermitted, UsageError
from tcpio.kernel import plan
from tcpio.kernel.hooks import SITES, Choice, Direction, Rung
from tcpio.kernel.plan import Plan
from tcpio.schema.batch import Batch, ClockStep, Lost, join
from tcpio.schema.record import LOST, OUTCOMES, no_records
from tests.unit.kernel.btf_blob import Kernel
from tests.unit.samples import make_records, times

PLAN = Plan(Kernel().btf(), (Choice(SITES[4], SITES[4].ways[2], ()),))


class Machine:
    """The programs, their rings and the time of a made-up machine.

    Args:
        rounds: For each wait, what the rings hold after it.
    """

    def __init__(self, *rounds: Batch) -> None:
        self.now_s = 1000.0
        self.rounds = list(rounds)
        self.left = Batch(no_records())
        self.log: list[object] = []
        self.counts = [[0, 0] for _ in range(OUTCOMES)]
        self._ready = Batch(no_records())

    def make_plan(self, btf: object, *, rung: Rung | None, directions: tuple[Direction, ...]) -> Plan:
        self.log.append((btf, rung, directions))
        return PLAN

    def start_compiling(self, _: object) -> Callable[[], None]:
        return lambda: None

    def attach(self) -> None:
        self.log.append("attach")

    def detach(self) -> None:
        self.log.append("detach")
        self._ready = self.left

    def open_rings(self, size: int, *_: object) -> "Machine":
        self.log.append(size)
        return self

    def set_ring(self, _cpu: int, _fd: int) -> None:
        raise NotImplementedError

    def read_counts(self) -> list[list[int]]:
        return self.counts

    def wait(self, seconds: float) -> None:
        self.now_s += max(seconds, 1e-6)
        self._ready = self.rounds.pop(0) if self.rounds else Batch(no_records())

    def drain(self) -> Batch:
        ready, self._ready = self._ready, Batch(no_records())
        return ready

    def follow_cpus(self) -> Batch:
        self.log.append("follow")
        return Batch(no_records())

    def monotonic(self) -> float:
        return self.now_s

    def monotonic_ns(self) -> int:
        return round(self.now_s * 1e9)

    def __enter__(self) -> "Machine":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.log.append("exit")


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[Machine], Machine]:
    def install(machine: Machine) -> Machine:
        monkeypatch.setattr(plan, "start_compiling", machine.start_compiling)
        monkeypatch.setattr(plan, "Attached", lambda *_: machine)
        for name, stand_in in {
            "require_privileges": lambda: None,
            "make_plan": machine.make_plan,
            "Rings": machine.open_rings,
            "time": machine,
        }.items():
            monkeypatch.setattr(module, name, stand_in)
        return machine

    return install


def batch(*ts_ns: int, marks: tuple[Lost, ...] = ()) -> Batch:
    return Batch(make_records(ts_ns, lport=ts_ns), marks)


def all_of(batches: Iterator[Batch]) -> Batch:
    return join(list(batches))


def test_segments_come_in_order_and_all_of_them(use: Callable[[Machine], Machine]) -> None:
    machine = use(Machine(batch(5, 3), batch(4, 6), batch(9)))
    machine.left = batch(11, 10)
    found = list(trace(timeout_s=0.5))

    assert times(join(found).records) == [3, 4, 5, 6, 9, 10, 11]
    assert len(found) == 5 + 1
    assert [entry for entry in machine.log if isinstance(entry, str)] == ["attach", "detach", "exit", "exit"]


def test_without_order_they_come_as_they_are_read(use: Callable[[Machine], Machine]) -> None:
    use(Machine(batch(5, 3), batch(4)))

    assert times(all_of(trace(timeout_s=0.2, is_ordered=False)).records) == [5, 3, 4]


def test_what_was_lost_is_marked_to_the_last(use: Callable[[Machine], Machine]) -> None:
    machine = use(
        Machine(batch(1, 2, marks=(Lost(2, 1, 5),)), Batch(make_records([3]), (ClockStep(3, 1, is_followed=True),)))
    )
    machine.counts[LOST] = [4, 7]
    marks = all_of(trace(timeout_s=0.5)).marks

    assert [(mark.cpu, mark.count) for mark in marks if isinstance(mark, Lost)] == [(1, 5), (0, 4), (1, 2)]


def test_closing_the_iterator_ends_it(use: Callable[[Machine], Machine]) -> None:
    machine = use(Machine(batch(1)))
    batches = trace()
    next(batches)
    batches.close()  # type: ignore[attr-defined]  # it is a generator

    assert machine.log[-2:] == ["exit", "exit"]


def test_new_cpus_are_looked_for(use: Callable[[Machine], Machine]) -> None:
    machine = use(Machine())
    list(trace(timeout_s=3, round_s=0.5))

    assert machine.log.count("follow") == 3


def test_what_is_asked_for_arrives(use: Callable[[Machine], Machine], monkeypatch: pytest.MonkeyPatch) -> None:
    machine = use(Machine())
    wanted: list[str] = []
    monkeypatch.setattr(module, "to_c", lambda expr: wanted.append(str(expr)) or "1")  # type: ignore[func-returns-value]
    arguments = {"direction": "send", "flags": "SYN", "netns": "7", "attach": "kprobe", "ring_bytes": 8192}
    list(trace("*:80-*:*", timeout_s=0.1, **arguments))  # type: ignore[arg-type]  # given by name

    assert machine.log[:2] == [(None, Rung.KPROBE, (Direction.SEND,)), 8192]
    assert [part in wanted[0] for part in ("80", "netns", "flags")] == [True] * 3


def test_many_filters_are_applied_here(use: Callable[[Machine], Machine]) -> None:
    use(Machine(batch(1, 2, 3), batch(4, 5)))

    assert times(all_of(trace(*(f"*:{port}-*:*" for port in range(2, 999, 2)), timeout_s=0.3)).records) == [2, 4]


@pytest.mark.parametrize("arguments", [{"direction": "up"}, {"attach": "none"}, {"flags": "none"}, {"netns": "/none"}])
def test_what_is_wrong_is_told(use: Callable[[Machine], Machine], arguments: dict[str, str]) -> None:
    use(Machine())
    with pytest.raises(UsageError):
        next(trace(**arguments))  # type: ignore[arg-type]  # given by name


def test_without_permission_nothing_begins(use: Callable[[Machine], Machine], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise NotPermitted("no permission")

    machine = use(Machine())
    monkeypatch.setattr(module, "require_privileges", refuse)
    with pytest.raises(NotPermitted):
        next(trace())

    assert machine.log == []
