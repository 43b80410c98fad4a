# SPDX-License-Identifier: GPL-2.0-only
"""The running summary on a made-up machine: what is shown when, and what is said."""

import argparse
import csv
import json
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType

import pytest

from tcpio.cli import counting, summary
from tcpio.cli.counting import run_counting
from tcpio.cli.summary_options import make_summary_options
from tcpio.errors import CannotRun, OutputError, UnsupportedKernel, UsageError
from tcpio.kernel.clock import Reading, WallClock
from tcpio.schema.counters import Counter
from tcpio.schema.sums import Closed, Sums
from tests.unit.sums import HOOK, FakeSumming, Row, key, make_closed, make_sums

SECOND = 1_000_000_000
HTTP = Row("192.0.2.8 80 192.0.2.40 51000", {"TcpInSegs": 5})
MORE = Row(HTTP.tuple, {"TcpInSegs": 9})
HTTPS = Row("192.0.2.8 443 192.0.2.41 51000", {"TcpInSegs": 7})
COUNTERS = "TcpInSegs,TcpOutSegs"
READY = "tcpio: counting by tracepoint, all network namespaces"


class Machine:
    """The time, the signals and the kernel's counters of a made-up machine.

    Args:
        ends_at: The second at which a signal ends it.
        questions: The seconds at which it is asked how it goes.
    """

    def __init__(self, ends_at: float = 1.0, questions: Iterable[float] = ()) -> None:
        self.now_s = 1000.0
        self.ends_s = self.now_s + ends_at
        self.questions = [self.now_s + one for one in questions]
        self.polls: list[float] = []
        self.reasm = 0
        self.refusal = ""
        self.number = signal.SIGINT

    # The time.

    def monotonic(self) -> float:
        return self.now_s

    def monotonic_ns(self) -> int:
        return round(self.now_s * SECOND)

    def read_clocks(self) -> Reading:
        return Reading(self.monotonic_ns(), 0)

    # What is waited for.

    POLLIN = 1

    def poll(self, timeout_ms: float | None = None) -> "Machine":
        if timeout_ms is not None:
            self.polls.append(timeout_ms)
            then_s = round(self.now_s + max(timeout_ms, 1) / 1000, 6)
            self.now_s = min(then_s, self.ends_s) if self.now_s < self.ends_s else then_s  # the signal wakes it
        return self

    def register(self, fd: int, _: int) -> None:
        assert fd == self.fd

    # The signals.

    fd = 99

    @property
    def is_ended(self) -> bool:
        return self.now_s >= self.ends_s

    def clear(self) -> None:
        """Do nothing."""

    def take_question(self) -> bool:
        is_asked = bool(self.questions) and self.now_s >= self.questions[0]
        if is_asked:
            self.questions.pop(0)
        return is_asked

    # The kernel's own counters.

    def begin(self) -> None:
        """Do nothing."""

    def read(self) -> dict[int, dict[str, int]]:
        return {7: {"TcpInSegs": 100, "TcpOutSegs": 100}}

    def since_begin(self) -> dict[Counter, int]:
        return {key("IpReasmReqds"): self.reasm}

    since_last = since_begin

    def __enter__(self) -> "Machine":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class Run:
    """One run of the summary on a machine."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self.status = -1
        self._monkeypatch = monkeypatch
        self._capfd = capfd

    def __call__(
        self, machine: Machine, summing: FakeSumming, *arguments: str, program: tuple[str, ...] = ()
    ) -> tuple[str, str]:
        """Count, and give what was written to the file and to the standard error."""
        for name, stand_in in {
            "Signals": lambda: machine,
            "select": machine,
            "time": machine,
            "Host": lambda *_: machine,
            "WallClock": lambda: WallClock(machine.read_clocks),
        }.items():
            self._monkeypatch.setattr(counting, name, stand_in)
        self._monkeypatch.setattr("tcpio.cli.ending.time", machine)
        parser = argparse.ArgumentParser()
        summary.add_arguments(parser)
        words = ["-w", str(self.path), "--tz", "UTC", "--counters", COUNTERS, *arguments]
        args = parser.parse_args(words, argparse.Namespace(program=list(program)))
        self.status = run_counting(make_summary_options(args), summing)  # type: ignore[arg-type]  # a stand-in
        return self.path.read_text(), self.said()

    def said(self) -> str:
        return self._capfd.readouterr().err


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    return Run(tmp_path / "out", monkeypatch, capfd)


def sums(*rows: Row, **rest: int | dict[str, int]) -> Sums:
    return make_sums(*rows, counters=COUNTERS, **rest)  # type: ignore[arg-type]  # given by name


def closed(*rows: Row, **rest: int) -> Closed:
    return make_closed(*rows, counters=COUNTERS, **rest)


def objects(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_run_is_a_beginning_a_report_and_the_counts(run: Run) -> None:
    summing = FakeSumming(sums(HTTP))
    written, said = run(Machine(), summing)

    assert written.startswith("Indexing collected stats using tuple values\nProcessed filter #1 = ")
    assert written.count("192.0.2.8:80 <-> 192.0.2.40:51000\n") == 1
    assert "\tInSegs = 5\n" in written
    assert said == f"{READY}\ntcpio: 1 bucket\n"
    assert summing.log == ["attach", "detach", "read", "read", "close"]
    assert run.status == 0


def test_without_anything_it_says_so(run: Run) -> None:
    assert run(Machine(), FakeSumming(sums()))[0].endswith("\nNo packets were accepted by the filters.\n")


def test_a_time_ends_it_exactly_then(run: Run) -> None:
    machine = Machine(ends_at=99)
    written, _ = run(machine, FakeSumming(sums(HTTP)), "--timeout", "2.5", "-f", "jsonl")

    assert machine.now_s == pytest.approx(1002.5)
    assert objects(written)[1]["seconds"] == 2.5


def test_an_interval_shows_differences_with_their_time(run: Run) -> None:
    readings = [sums(HTTP), sums(MORE, HTTPS), sums(MORE, HTTPS), sums(MORE, HTTPS)]
    written, _ = run(Machine(ends_at=3.5), FakeSumming(*readings), "--interval", "1", "-f", "jsonl")
    found = [(one["time"], one["lport"], one["TcpInSegs"]) for one in objects(written) if one["kind"] == "bucket"]

    assert found == [
        ("1970-01-01T00:16:41.000000000+00:00", 80, 5),
        ("1970-01-01T00:16:42.000000000+00:00", 80, 4),
        ("1970-01-01T00:16:42.000000000+00:00", 443, 7),
    ]


def test_the_last_interval_may_be_shorter(run: Run) -> None:
    readings = [sums(HTTP), sums(MORE)]
    written, _ = run(Machine(ends_at=1.5), FakeSumming(*readings), "--interval", "1")

    assert [line for line in written.splitlines() if ": the last" in line] == [
        "1970-01-01T00:16:41.000000000+00:00: the last 1.000 s",
        "1970-01-01T00:16:41.500000000+00:00: the last 0.500 s",
    ]


def test_an_interval_that_ends_with_the_run_is_not_followed_by_nothing(run: Run) -> None:
    written, _ = run(Machine(ends_at=99), FakeSumming(sums(HTTP), sums(MORE)), "--interval", "1", "--timeout", "2")

    assert written.count(": the last 1.000 s\n") == 2
    assert written.count(": the last") == 2


def test_intervals_do_not_drift(run: Run) -> None:
    machine = Machine(ends_at=3.2)
    summing = FakeSumming(sums(HTTP))

    def take_long() -> None:
        machine.now_s += 0.3

    summing.on_read = take_long
    written, _ = run(machine, summing, "--interval", "1")

    assert [line.partition("+")[0] for line in written.splitlines() if ": the last" in line][:3] == [
        "1970-01-01T00:16:41.300000000",
        "1970-01-01T00:16:42.300000000",
        "1970-01-01T00:16:43.300000000",
    ]


def test_sockets_are_shown_when_they_close_and_what_is_open_is_not(run: Run) -> None:
    summing = FakeSumming(sums(HTTPS), closed=[closed(HTTP, lifetime_ns=5, ts_ns=1000 * SECOND)])
    written, said = run(Machine(), summing, "--on-close")

    assert "192.0.2.8:80 <-> " in written
    assert "\ttime = 1970-01-01T00:16:40.000000000+00:00\n" in written
    assert ":443" not in written
    assert "No packets" not in written
    assert said.endswith("tcpio: 1 socket closed, 1 still open\n")


def test_sockets_that_close_at_the_end_are_shown_too(run: Run) -> None:
    several = [closed(), closed(HTTP), closed(), closed(), closed(HTTPS)]
    machine = Machine(ends_at=0.4)
    written, said = run(machine, FakeSumming(sums(), closed=several), "--on-close")

    assert ":80 <-> " in written
    assert ":443 <-> " in written
    assert max(machine.polls) < 101
    assert said.endswith("tcpio: 2 sockets closed, 0 still open\n")


def test_what_closed_is_taken_before_the_rest_is_read(run: Run) -> None:
    summing = FakeSumming(sums())
    run(Machine(), summing, "--on-close", "--audit")

    assert summing.log[summing.log.index("detach") :][:3] == ["detach", "closed", "read"]


def test_intervals_that_passed_unseen_are_not_made_up_for(run: Run) -> None:
    machine = Machine(ends_at=10)
    summing = FakeSumming(sums(HTTP))

    def stop_the_machine() -> None:
        machine.now_s += 3.5 * (len(machine.polls) == 1)

    summing.on_read = stop_the_machine
    written, _ = run(machine, summing, "--interval", "1", "-f", "jsonl", "--zeros")
    times = [one["time"] for one in objects(written) if one["kind"] == "other"]

    assert [str(one)[17:19] for one in times] == ["44", "45", "46", "47", "48", "49", "50"]


def test_the_report_so_far_can_be_asked_for(run: Run) -> None:
    summing = FakeSumming(sums(HTTP), sums(MORE))
    written, _ = run(Machine(ends_at=2.5, questions=[1]), summing)

    assert "\n1970-01-01T00:16:41.000000000+00:00: so far, 1.000 s\n" in written
    assert [line for line in written.splitlines() if "InSegs" in line] == ["\tInSegs = 5", "\tInSegs = 9"]


def test_asking_does_not_take_from_an_interval(run: Run) -> None:
    summing = FakeSumming(sums(HTTP), sums(HTTP), sums(MORE))
    written, _ = run(Machine(ends_at=2.5, questions=[1]), summing, "--interval", "2", "-f", "csv")

    rows = list(csv.DictReader(written.splitlines()))

    assert [row["TcpInSegs"] for row in rows if row["kind"] == "bucket"] == ["5", "5", "4"]


def test_an_audit_has_what_closed_and_what_is_open(run: Run) -> None:
    summing = FakeSumming(sums(), sums(HTTPS, other={"TcpInSegs": 1}), closed=[closed(HTTP)])
    written, _ = run(Machine(), summing, "--audit", "--on-close")
    row = next(line for line in written.splitlines() if line.startswith("TcpInSegs"))

    assert row.split() == ["TcpInSegs", "12", "1", "0", "-13"]


def test_an_audit_may_follow_the_last_interval(run: Run) -> None:
    summing = FakeSumming(sums(), sums(HTTP), sums(MORE))
    written, _ = run(Machine(ends_at=1.5), summing, "--audit", "--interval", "1", "-f", "jsonl")
    last = objects(written)[-1]

    assert (last["kind"], last["TcpInSegs"]) == ("difference", -9)


def test_the_kernel_s_own_counters_are_shown(run: Run) -> None:
    machine = Machine()
    machine.reasm = 4
    written, _ = run(machine, FakeSumming(sums(HTTP)))

    assert "all network namespaces: the kernel's own counters, of all protocols\n" in written
    assert "Ip:\n\tReasmReqds = 4\n" in written


def test_many_filters_are_applied_here(run: Run) -> None:
    texts = [f"*:*-192.0.2.41:{port}" for port in range(50000, 51001)]
    written, _ = run(Machine(), FakeSumming(sums(HTTP, HTTPS)), "--by", "lport", "-f", "jsonl", *texts)

    assert [one["lport"] for one in objects(written)[1:] if one["kind"] == "bucket"] == [443]


def test_what_is_not_exact_is_said(run: Run) -> None:
    summing = FakeSumming(sums(HTTP))
    summing.doubts = {key("TcpInSegs"): "seen at the device", key("TcpInErrs"): "not to be seen here"}
    machine = Machine()
    machine.refusal = "Operation not permitted"
    written, said = run(machine, summing)

    assert "\tInSegs = ~5\n" in written
    assert written.endswith(
        "Not exact (~): seen at the device: TcpInSegs\nNot counted: not to be seen here: TcpInErrs\n"
    )
    assert said.splitlines()[0] == (
        f"{READY}; counters that are not exact: 1 (~); not counted: 1; "
        "the kernel's own counters are not read: Operation not permitted"
    )


def test_quiet_says_nothing_unless_something_is_missing(run: Run) -> None:
    assert run(Machine(), FakeSumming(sums(HTTP)), "-q")[1] == ""
    troubled = FakeSumming(sums(HTTP, overflowed=2))
    troubled.missed = {HOOK: 3}
    assert (
        run(Machine(), troubled, "-q")[1]
        == "tcpio: 1 bucket, 2 times no room for a bucket (see --max-buckets), 3 missed\n"
    )


def test_what_may_be_lacking_is_said(run: Run) -> None:
    summing = FakeSumming(sums(HTTP))
    summing.lacking = {key("TcpInSegs"): 3}

    assert run(Machine(), summing)[0].endswith("what may lack at most so many: TcpInSegs 3\n")


def test_what_the_kernel_does_not_count_is_said(run: Run) -> None:
    summing = FakeSumming(sums(HTTP))
    summing.missed = {HOOK: None}

    assert run(Machine(), summing)[1].endswith(
        "tcpio: 1 bucket; missed: not countable on this kernel for tracepoint:tcp_probe\n"
    )


def test_what_the_kernel_refuses_is_an_error(run: Run) -> None:
    summing = FakeSumming(sums())
    summing.refusal = UnsupportedKernel("the kernel does not attach it")
    with pytest.raises(UnsupportedKernel):
        run(Machine(), summing)

    assert summing.log == ["attach", "close"]
    assert run.said() == ""


def test_a_full_disk_is_an_error_and_the_counts_are_told(run: Run) -> None:
    run.path = Path("/dev/full")
    summing = FakeSumming(sums(HTTP))
    with pytest.raises(OutputError, match="No space left on device"):
        run(Machine(), summing, "--interval", "1")

    assert summing.log[-1] == "close"


def test_a_disk_that_fills_up_is_an_error_and_the_counts_are_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [b"Indexing"]

    def write(_: int, data: bytes) -> int:
        if not left:
            raise OSError(28, "No space left on device")
        left.pop()
        return len(data)

    monkeypatch.setattr("tcpio.output.sink.os.write", write)
    said: list[str] = []
    monkeypatch.setattr(counting, "say", said.append)
    with pytest.raises(OutputError, match="No space left on device"):
        run(Machine(ends_at=9), FakeSumming(sums(HTTP)), "--interval", "1")

    assert said == [READY, "tcpio: 1 bucket"]


def test_a_missing_folder_or_zone_is_an_error_before_anything_counts(run: Run, tmp_path: Path) -> None:
    summing = FakeSumming(sums())
    with pytest.raises(UsageError):
        run(Machine(), summing, "--tz", "nowhere")
    run.path = tmp_path / "missing" / "out"
    with pytest.raises(UsageError):
        run(Machine(), summing)

    assert "attach" not in summing.log


class FakeProgram:
    """A program that ends when its time has come."""

    def __init__(self, machine: Machine, ends_at: float, status: int) -> None:
        self.fd = machine.fd
        self.log: list[str] = []
        self._machine = machine
        self._ends_s = machine.now_s + ends_at
        self._status = status

    def __call__(self, command: tuple[str, ...]) -> "FakeProgram":
        self.log.append(" ".join(command))
        return self

    @property
    def has_ended(self) -> bool:
        return self._machine.now_s >= self._ends_s

    def pass_on(self, number: int) -> None:
        self.log.append(f"pass on {number}")

    def send(self, number: int) -> None:
        self.log.append(f"send {number}")

    def wait(self) -> int:
        return self._status

    def __enter__(self) -> "FakeProgram":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.log.append("exit")


def with_program(monkeypatch: pytest.MonkeyPatch, program: FakeProgram | Callable[..., None]) -> None:
    monkeypatch.setattr(counting, "Program", program)


def test_a_program_is_run_and_its_status_given(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(ends_at=99)
    program = FakeProgram(machine, 1.0, 42)
    with_program(monkeypatch, program)
    written, _ = run(machine, FakeSumming(sums(HTTP)), program=("netperf", "-H", "192.0.2.8"))

    assert program.log == ["netperf -H 192.0.2.8", "exit"]
    assert "\tInSegs = 5\n" in written
    assert run.status == 42


def test_a_signal_is_passed_on_and_the_program_ends_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(ends_at=1)
    program = FakeProgram(machine, 3.0, 130)
    with_program(monkeypatch, program)
    run(machine, FakeSumming(sums(HTTP)), "--timeout", "2", program=("x",))

    assert program.log == ["x", f"pass on {signal.SIGINT:d}", f"send {signal.SIGTERM:d}", "exit"]
    assert machine.now_s >= 1003
    assert run.status == 130


def test_what_cannot_be_run_is_an_error_and_no_report(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: tuple[str, ...]) -> None:
        raise CannotRun("cannot run 'x'")

    with_program(monkeypatch, refuse)
    with pytest.raises(CannotRun):
        run(Machine(), FakeSumming(sums(HTTP)), program=("x",))

    assert "InSegs" not in run.path.read_text()
