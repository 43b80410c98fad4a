# SPDX-License-Identifier: GPL-2.0-only
"""What is made of the maps in which the kernel sums up."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from tcpio.errors import UnsupportedKernel, UsageError
from tcpio.kernel import buckets
from tcpio.kernel.btf import Btf
from tcpio.kernel.buckets import Counting, Summing, default_buckets, default_rows
from tcpio.kernel.hooks import Hook, Kind, Rung
from tcpio.kernel.source import CAST, Source
from tcpio.kernel.symbols import Symbols
from tcpio.schema.bucket import BUCKET, CLOSED, parse_by
from tcpio.schema.counters import Counter, find_counters
from tcpio.schema.support import YES, Support, Verdict
from tests.unit.kernel.btf_blob import BYTES, Kernel, casting_btf

CPUS = 3
OFFSET = 0xFFFFFFFF82D5F9C0
COUNTERS = find_counters("TcpCurrEstab,TcpInSegs,TcpExtListenDrops")


class FakePrograms:
    """Maps in this process."""

    made: "list[FakePrograms]" = []  # noqa: RUF012  the tests' own

    def __init__(self, _compiled: object, _programs: object, _btf: Btf, sizes: dict[str, int]) -> None:
        self.sizes = sizes
        self.maps: dict[str, dict[bytes, bytes]] = {}
        self.said: list[str] = []
        self.made.append(self)

    def has_map(self, name: str) -> bool:
        return name in self.maps

    def set_element(self, name: str, key: bytes, value: bytes) -> None:
        self.maps[name][key] = value

    def read_element(self, name: str, key: bytes) -> bytes:
        return self.maps[name][key]

    def delete_element(self, name: str, key: bytes) -> None:
        self.said.append(f"drop from {name}")
        del self.maps[name][key]

    def read_elements(self, name: str) -> Iterator[tuple[bytes, bytes]]:
        yield from list(self.maps[name].items())

    def read_missed(self) -> dict[Hook, int | None]:
        return {Hook(Kind.FENTRY, "tcp_v4_rcv"): 5}

    def attach(self) -> None:
        self.said.append("attach")

    def detach(self) -> None:
        self.said.append("detach")

    def close(self) -> None:
        self.said.append("close")


@pytest.fixture(autouse=True)
def _is_made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    # Tracepoints, and a kernel that tells where its counters are.
    FakePrograms.made.clear()
    btf = Kernel().btf()
    monkeypatch.setattr(buckets, "read_kernel_types", lambda *_: btf)
    monkeypatch.setattr(buckets, "read_symbols", lambda _: Symbols(OFFSET, frozenset({"tcp_check_req"})))
    monkeypatch.setattr(buckets, "ask_hook", lambda *_: YES)
    monkeypatch.setattr(buckets, "read_possible_cpus", lambda: tuple(range(CPUS)))
    monkeypatch.setattr("tcpio.kernel.plan.start_compiling", lambda _: lambda: None)
    monkeypatch.setattr(buckets, "Programs", FakePrograms)
    monkeypatch.setattr(
        "tcpio.kernel.syscall.wait_for_running_programs", lambda: FakePrograms.made[-1].said.append("wait")
    )


def begin(
    by: str = "tuple", *, counters: tuple[Counter, ...] = COUNTERS, on_close: bool = False
) -> tuple[Summing, FakePrograms]:
    summing = Summing(Counting(counters, parse_by(by), rung=Rung.FENTRY, on_close=on_close))
    summing.attach()
    return summing, FakePrograms.made[-1]


def bucket(lport: int) -> bytes:
    made = np.zeros(1, BUCKET)
    made["lport"] = lport
    return made.tobytes()


def numbers(*values: int) -> bytes:
    return np.array(values, np.int64).tobytes()


def test_what_is_asked_for_is_the_kernels_best() -> None:
    summing, programs = begin()
    with summing:
        # tcp_check_req() was split by the compiler: what is counted there cannot be told.
        assert {counter.key for counter in summing.absent} == {"TcpExtListenDrops"}
        assert "split" in summing.doubts[COUNTERS[2]]
        assert summing.rung is Rung.FENTRY
        assert programs.sizes == {
            "buckets": summing.max_buckets,
            "closed": summing.max_buckets,
            "words": CPUS,
            "rows": CPUS * default_rows(2, CPUS),
        }
    assert programs.said == ["attach", "close"]


def test_columns_are_what_is_counted_as_it_was_asked_for() -> None:
    summing, programs = begin()
    programs.maps = {
        "buckets": {bucket(80): numbers(-1, 7), bucket(81): numbers(2, 11)},
        "other": {bytes(4): numbers(1, 2, 10, 20, 100, 200)},
        "overflowed": {bytes(4): numbers(1, 0, 3)},
    }
    sums = summing.read()

    assert sums.buckets["lport"].tolist() == [80, 81]
    assert sums.counters == summing.counters == COUNTERS[:2]
    assert sums.values.tolist() == [[-1, 7], [2, 11]]
    assert sums.other.tolist() == [111, 222]
    assert sums.overflowed == 4


def test_groups_are_summed_over_their_cpus() -> None:
    summing, programs = begin("raddr")
    programs.maps = {"buckets": {bucket(0): numbers(1, 2, 10, 20, 100, 200)}}

    assert summing.read().values.tolist() == [[111, 222]]


def row(is_given: int, key: bytes, *values: int) -> bytes:
    users_and_patience = bytes(12)
    return users_and_patience + np.uint32(is_given).tobytes() + key + numbers(*values)


def test_what_lies_in_the_rows_of_cpus_is_added_to_their_buckets() -> None:
    summing, programs = begin()
    rows = [row(1, bucket(81), 100, 0), row(0, bucket(80), 5, 5), row(1, bucket(0), 7, 7), row(1, bucket(81), 0, 1000)]
    programs.maps = {
        "buckets": {bucket(81): numbers(2, 11), bucket(80): numbers(-1, 7), bucket(0): numbers(1, 2)},
        "rows": {bytes([at, 0, 0, 0]): row for at, row in enumerate(rows)},
        "are_rows_read": {},
    }
    sums = summing.read()
    found = zip(sums.buckets["lport"].tolist(), sums.values.tolist(), strict=True)

    assert sorted(found) == [(0, [8, 9]), (80, [-1, 7]), (81, [102, 1011])]


@pytest.mark.parametrize("count", [0, 1])
def test_rows_may_hold_a_single_counter_or_none(count: int) -> None:
    summing, programs = begin(counters=COUNTERS[:count])
    one = numbers(3)  # there is always room for one
    programs.maps = {
        "buckets": {bucket(80): one},
        "rows": {bytes(4): row(1, bucket(80), 4)},
        "are_rows_read": {},
    }

    assert summing.read().values.tolist() == [[7][:count]]


def test_rows_stay_as_they_are_while_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    summing, programs = begin()
    programs.maps = {"buckets": {}, "rows": {}, "are_rows_read": {}}
    read = programs.read_elements

    def read_elements(name: str) -> Iterator[tuple[bytes, bytes]]:
        programs.said.append(f"{name} while {programs.maps['are_rows_read'][bytes(4)][0]}")
        return read(name)

    monkeypatch.setattr(programs, "read_elements", read_elements)
    summing.read()

    assert programs.said == ["attach", "wait", "rows while 1", "buckets while 1"]
    assert not programs.maps["are_rows_read"][bytes(4)][0]


def test_what_ends_with_its_socket_lies_in_no_row() -> None:
    assert begin()[1].sizes["rows"]
    assert not begin(on_close=True)[1].sizes["rows"]


def test_maps_that_no_program_uses_are_empty() -> None:
    sums = begin()[0].read()

    assert (len(sums.buckets), sums.values.shape, sums.other.tolist(), sums.overflowed) == (0, (0, 2), [0, 0], 0)


def test_sockets_that_closed_are_taken_in_order_and_their_buckets_freed() -> None:
    summing, programs = begin(on_close=True)
    ends = np.zeros(2, CLOSED)
    ends["lport"], ends["ts_ns"], ends["lifetime_ns"] = [80, 81], [9, 5], [3, 0]
    programs.maps = {
        "buckets": {
            bucket(80): numbers(0, 7, 6, 1),
            bucket(81): numbers(-1, 11, 0, 1),
            bucket(82): numbers(1, 1, 0, 0),
        },
        "closed": {bucket(80): ends[:1].tobytes(), bucket(81): ends[1:].tobytes()},
    }
    closed = summing.closed()

    assert closed.sockets["lport"].tolist() == [81, 80]
    assert closed.counters == summing.counters
    assert closed.values.tolist() == [[-1, 11], [0, 7]]
    assert programs.said == ["attach", "wait", *["drop from buckets", "drop from closed"] * 2]
    assert summing.read().buckets["lport"].tolist() == [82]
    assert len(summing.closed().sockets) == 0


def test_nothing_closes_where_that_was_not_asked_for() -> None:
    closed = begin()[0].closed()

    assert (len(closed.sockets), closed.values.shape) == (0, (0, 2))


def test_a_bucket_of_many_sockets_does_not_end_with_one() -> None:
    with pytest.raises(UsageError, match="each socket has its own"):
        Summing(Counting(COUNTERS, parse_by("raddr"), on_close=True))


def test_programs_are_told_where_the_kernel_has_its_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    class WithFrames(FakePrograms):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]  # as they came
            self.maps = {"per_cpu_offset": {}}

    monkeypatch.setattr(buckets, "Programs", WithFrames)
    _, programs = begin()

    assert [int.from_bytes(value, "little") for value in programs.maps["per_cpu_offset"].values()] == [OFFSET]


def test_programs_that_are_refused_for_their_pointers_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[Source] = []

    class Refused(FakePrograms):
        def __init__(self, *arguments: object) -> None:
            if compiled[-1].follows_pointers:
                raise UnsupportedKernel("the kernel refuses the program")
            super().__init__(*arguments)  # type: ignore[arg-type]  # as they came

    def start(source: Source) -> Callable[[], None]:
        compiled.append(source)
        return lambda: None

    btf = casting_btf(CAST, BYTES)
    monkeypatch.setattr(buckets, "read_kernel_types", lambda *_: btf)
    monkeypatch.setattr("tcpio.kernel.plan.start_compiling", start)
    monkeypatch.setattr(buckets, "Programs", Refused)
    _, programs = begin()

    assert [source.follows_pointers for source in compiled] == [True, False]
    assert programs.said == ["attach"]


def test_what_the_kernel_skipped_is_told() -> None:
    assert begin()[0].read_missed() == {Hook(Kind.FENTRY, "tcp_v4_rcv"): 5}


def test_what_may_be_lacking_for_that_is_told() -> None:
    assert {counter.key: count for counter, count in begin()[0].read_lacking().items()} == {"TcpInSegs": 5}


def test_counting_ends_and_can_still_be_read() -> None:
    summing, programs = begin()
    summing.detach()
    summing.read()

    assert programs.said == ["attach", "detach"]


def test_what_was_not_attached_cannot_be_read() -> None:
    with Summing(Counting(COUNTERS, parse_by("tuple"), rung=Rung.TRACEPOINT)) as summing:
        summing.detach()
        with pytest.raises(ValueError, match="nothing is attached"):
            summing.read()


def test_memory_has_a_bound_on_any_number_of_cpus() -> None:
    assert default_buckets(10, 1) == 1 << 16
    assert default_buckets(50, 256) * 50 * 256 * 8 < 64 << 20
    assert default_buckets(10_000, 10_000) == 1
    assert default_rows(10, 2) == 1 << 10
    assert 4 << 20 < default_rows(50, 256) * 256 * 50 * 8 < 16 << 20


def test_a_kernel_is_asked_of_each_hook_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[Hook] = []

    def ask(_: Btf, hook: Hook) -> Verdict:
        asked.append(hook)
        return Verdict(Support.NO, str(tmp_path)) if hook.target == "tcp_done" else YES

    monkeypatch.setattr(buckets, "ask_hook", ask)
    Summing(Counting(find_counters("Tcp,TcpExtTCPAbortOnTimeout"), parse_by("tuple")))

    assert len(asked) == len(set(asked))
