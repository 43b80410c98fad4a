# SPDX-License-Identifier: GPL-2.0-only
"""The running trace on a made-up machine: what is written, what is said, what is counted."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

import pytest

from tcpio.cli import live, overload, trace
from tcpio.cli.live import run_live
from tcpio.cli.options import TraceOptions, make_options
from tcpio.errors import OutputError, UnsupportedKernel, UsageError
from tcpio.filter.to_c import MAX_COMPARISONS
from tcpio.kernel.clock import Reading, WallClock
from tcpio.kernel.hooks import SITES, Choice, Hook
from tcpio.kernel.plan import Plan
from tcpio.output.sink import Sink
from tcpio.schema.batch import Batch, Lost, join
from tcpio.schema.record import LOST, OUTCOMES, UNREADABLE, Records, no_records
from tcpio.schema.tally import Tally
from tests.unit.kernel.btf_blob import Kernel
from tests.unit.samples import make_records

RECEIVER = SITES[4]
PLAN = Plan(Kernel().btf(), (Choice(RECEIVER, RECEIVER.ways[2], ()),))
HOOK = RECEIVER.ways[2].hooks[0]
CPUS = 2
SECOND = 1_000_000_000
READY = "tcpio: tracing by tracepoint on 2 CPUs, all network namespaces\n"


class Machine:
    """The programs, their rings, the signals and the time of a made-up machine.

    Args:
        rounds: For each wait, what the rings hold after it. The last one also sends a signal to end.
    """

    def __init__(self, *rounds: Batch) -> None:
        self.now_s = 1000.0
        self.rounds = list(rounds)
        self.log: list[str] = []
        self.counts = [[0] * CPUS for _ in range(OUTCOMES)]
        self.missed: dict[Hook, int | None] = {HOOK: 0}
        self.refusal: UnsupportedKernel | None = None
        self.left = Batch(no_records())  # in the rings when the programs have ended
        self.left_by_cpus = Batch(no_records())
        self.is_ended = False
        self.questions_at: set[int] = set()
        self.waits: list[float] = []
        self.offset_ns = 0
        self._ready: list[Batch] = []

    # The programs.

    def attach(self) -> None:
        self.log.append("attach")
        if self.refusal:
            raise self.refusal

    def detach(self) -> None:
        self.log.append("detach")

    def set_ring(self, _cpu: int, _fd: int) -> None:
        raise NotImplementedError

    def read_counts(self) -> list[list[int]]:
        return self.counts

    def read_missed(self) -> Mapping[Hook, int | None]:
        return self.missed

    # The rings.

    cpus = tuple(range(CPUS))

    def wait_also_for(self, fd: int) -> None:
        assert fd == self.fd

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now_s += max(seconds, 0)
        if self.rounds:
            self._ready = [self.rounds.pop(0)]
        self.is_ended = not self.rounds

    def drain(self) -> Batch:
        if "detach" in self.log:
            self.log.append("drain")
            return join([*self._ready, *self.rounds, self.left])
        return self._ready.pop() if self._ready else Batch(no_records())

    def follow_cpus(self) -> Batch:
        self.log.append("follow")
        left, self.left_by_cpus = self.left_by_cpus, Batch(no_records())
        return left

    # The signals.

    fd = 99

    def clear(self) -> None:
        """Do nothing."""

    def take_question(self) -> bool:
        return len(self.waits) in self.questions_at

    # The time.

    def monotonic(self) -> float:
        return self.now_s

    def monotonic_ns(self) -> int:
        return int(self.now_s * SECOND)

    def read_clocks(self) -> Reading:
        return Reading(self.monotonic_ns(), self.offset_ns)

    def __enter__(self) -> "Machine":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.log.append("exit")


class Run:
    """One run of the trace on a machine."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self._monkeypatch = monkeypatch
        self._capfd = capfd

    def __call__(self, machine: Machine, *arguments: str) -> tuple[str, str]:
        """Trace, and give what was written to the file and to the standard error."""
        error = self.start(machine, *arguments)
        if error:
            raise error
        return self.path.read_text(), self.said()

    def said(self) -> str:
        return self._capfd.readouterr().err

    def start(self, machine: Machine, *arguments: str, is_to_file: bool = True) -> Exception | None:
        for name, stand_in in {
            "Rings": lambda *_: machine,
            "Signals": lambda: machine,
            "time": machine,
            "WallClock": lambda: WallClock(machine.read_clocks),
        }.items():
            self._monkeypatch.setattr(live, name, stand_in)
        self._monkeypatch.delenv("SSH_CONNECTION", raising=False)
        parser = argparse.ArgumentParser()
        trace.add_arguments(parser)
        options = make_options(parser.parse_args(["-o", "lport", *["-w", str(self.path)] * is_to_file, *arguments]))
        try:
            assert run_live(options, PLAN, machine) == 0  # type: ignore[arg-type]  # a stand-in
        except (OutputError, UsageError, UnsupportedKernel) as error:
            return error
        return None


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    return Run(tmp_path / "out", monkeypatch, capfd)


def segments(*ts_ns: int) -> Records:
    """Records whose local port is their time, so that it shows."""
    return make_records(ts_ns, lport=ts_ns)


def batch(*ts_ns: int, marks: tuple[Lost, ...] = ()) -> Batch:
    return Batch(segments(*ts_ns), marks)


def test_a_run_is_a_header_the_lines_and_the_counts(run: Run) -> None:
    written, said = run(Machine(batch(1, 2), batch(3)))

    assert written == " LPORT\n 1\n 2\n 3\n"
    assert said == f"{READY}tcpio: 3 segments printed, 0 lost\n"


def test_programs_are_detached_before_the_rest_is_read(run: Run) -> None:
    machine = Machine(batch(1))
    machine.left = batch(2, 3)
    written, _ = run(machine, "--no-header")

    assert machine.log[:3] == ["attach", "detach", "drain"]
    assert written == " 1\n 2\n 3\n"


def test_lines_are_in_order_across_rounds(run: Run) -> None:
    written, said = run(Machine(batch(5, 3), batch(4, 6), batch(9)), "--no-header")

    assert written == " 3\n 4\n 5\n 6\n 9\n"
    assert "late" not in said


def test_late_segments_are_counted(run: Run) -> None:
    written, said = run(Machine(batch(5), batch(6), batch(7), batch(1)), "--no-header")

    assert written == " 5\n 6\n 1\n 7\n"
    assert said.endswith("tcpio: 4 segments printed, 0 lost, 1 late\n")


def test_without_order_lines_come_as_they_are_read(run: Run) -> None:
    written, _ = run(Machine(batch(5, 3), batch(4)), "--no-header", "--no-order")

    assert written == " 5\n 3\n 4\n"


def test_a_count_is_printed_exactly_and_the_rest_is_told(run: Run) -> None:
    machine = Machine(batch(1, 2), batch(3, 4), batch(5), batch(6))
    machine.left = batch(7)
    written, said = run(machine, "--no-header", "-c", "3")

    assert written == " 1\n 2\n 3\n"
    assert said.endswith("tcpio: 3 segments printed, 4 not printed, 0 lost\n")
    assert len(machine.rounds) == 1


def test_what_was_lost_is_marked_at_its_place_and_at_the_end(run: Run) -> None:
    machine = Machine(batch(1, 2, marks=(Lost(2, 1, 5),)), batch(3))
    machine.counts[LOST] = [4, 7]
    written, said = run(machine, "--no-header")

    assert written == (
        " 1\n# 5 segments lost on CPU 1\n 2\n 3\n# 4 segments lost on CPU 0\n# 2 segments lost on CPU 1\n"
    )
    assert said.endswith("tcpio: 3 segments printed, 11 lost; lost by CPU: 0: 4, 1: 7\n")


def test_what_was_missed_and_unreadable_is_told(run: Run) -> None:
    machine = Machine(batch(1))
    machine.missed = {HOOK: 6, SITES[0].ways[1].hooks[0]: None}
    machine.counts[UNREADABLE] = [1, 2]
    _, said = run(machine)

    assert said.endswith(
        "tcpio: 1 segment printed, 0 lost, 6 missed, 3 unreadable; "
        "missed: not countable on this kernel for kprobe:ip_queue_xmit\n"
    )


def test_many_filters_are_applied_here_and_counted(run: Run) -> None:
    ports = [f"*:{port}-*:*" for port in range(2, MAX_COMPARISONS * 4, 2)]
    written, said = run(Machine(batch(1, 2, 3), batch(4, 5)), "--no-header", *ports)

    assert written == " 2\n 4\n"
    assert said.endswith("tcpio: 2 segments printed, 3 filtered, 0 lost\n")


@pytest.mark.parametrize(
    "arguments", [(), ("-c", "3"), ("--no-order",), tuple(f"*:{port}-*:*" for port in range(1, 999, 2))]
)
def test_all_that_was_submitted_is_accounted_for(run: Run, arguments: tuple[str, ...]) -> None:
    machine = Machine(batch(1, 2, 3, marks=(Lost(3, 0, 2),)), batch(9, 8), batch(5), batch())
    machine.left = batch(11, 12)
    machine.counts[LOST] = [2, 6]
    _, said = run(machine, *arguments)
    told = {name: int(count) for count, name in _counts(said.splitlines()[-1])}

    assert 16 == sum(told.get(name, 0) for name in ("printed", "not printed", "filtered", "lost"))
    assert told["lost"] == 8


def _counts(line: str) -> list[tuple[str, str]]:
    parts = line.removeprefix("tcpio: ").partition(";")[0].replace(" segments", "").replace(" segment", "").split(", ")
    return [(count, name) for count, _, name in (part.partition(" ") for part in parts)]


def test_quiet_says_nothing(run: Run) -> None:
    assert run(Machine(batch(1)), "-q") == (" LPORT\n 1\n", "")


def test_quiet_says_what_was_lost(run: Run) -> None:
    machine = Machine(batch(1))
    machine.counts[LOST] = [1, 0]

    assert run(machine, "-q")[1] == "tcpio: 1 segment printed, 1 lost; lost by CPU: 0: 1\n"


def test_the_counts_can_be_asked_for(run: Run) -> None:
    machine = Machine(batch(1), batch(2), batch())
    machine.questions_at = {2}
    _, said = run(machine)

    assert said.count("segments printed") + said.count("segment printed") == 2


def test_the_namespace_is_told(run: Run) -> None:
    _, said = run(Machine(batch()), "--netns", "4026531840")

    assert said.startswith("tcpio: tracing by tracepoint on 2 CPUs, network namespace 4026531840\n")


@pytest.mark.parametrize(
    ("options", "rounds"), [((), 4), (("-w", "/dev/null"), 10), (("--delay", "500"), 2), (("--delay", "100"), 10)]
)
def test_a_timeout_ends_after_rounds_that_are_longer_for_a_file(
    run: Run, options: tuple[str, ...], rounds: int
) -> None:
    machine = Machine(*[batch(moment) for moment in range(1, 50)])
    assert run.start(machine, "--timeout", "1", *options) is None

    assert len(machine.waits) == rounds
    assert machine.now_s == pytest.approx(1001)


def test_a_full_disk_is_an_error_and_the_counts_are_told(run: Run) -> None:
    machine = Machine(batch(1), batch(2), batch(3))
    error = run.start(machine, "--no-header", "-w", "/dev/full")

    assert str(error) == "cannot write /dev/full: No space left on device"
    assert run.said() == f"{READY}tcpio: 0 segments printed, 3 not printed, 0 lost\n"
    assert machine.log[:2] == ["attach", "detach"]


def test_a_missing_folder_is_an_error_before_anything_runs(run: Run, tmp_path: Path) -> None:
    machine = Machine(batch(1))
    error = run.start(machine, "-w", str(tmp_path / "missing" / "out"))

    assert isinstance(error, UsageError)
    assert "attach" not in machine.log


def test_an_unknown_zone_is_an_error_before_anything_runs(run: Run) -> None:
    machine = Machine(batch(1))
    error = run.start(machine, "-t", "--tz", "nowhere")

    assert str(error) == "there is no time zone 'nowhere'"
    assert "attach" not in machine.log


def test_what_the_kernel_refuses_is_an_error(run: Run) -> None:
    machine = Machine(batch(1))
    machine.refusal = UnsupportedKernel("the kernel does not attach it")

    assert run.start(machine) is machine.refusal
    assert "tracing by" not in run.said()


def test_a_step_of_the_clock_is_marked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(*[batch(moment) for moment in range(1, 15)])
    set_clock(machine, monkeypatch, after=5)
    written, _ = run(machine, "--no-header")

    assert "# the clock was set forward by 3600.000000 s\n" in written


def set_clock(machine: Machine, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    wait: Callable[[float], None] = machine.wait

    def wait_and_set(seconds: float) -> None:
        wait(seconds)
        machine.offset_ns = 3600 * SECOND if len(machine.waits) > after else 0

    monkeypatch.setattr(machine, "wait", wait_and_set)


def test_cpus_are_followed_and_what_they_left_is_printed(run: Run) -> None:
    machine = Machine(*[batch(moment) for moment in range(1, 15)])
    machine.left_by_cpus = batch(100)
    written, said = run(machine, "--no-header")

    assert "follow" in machine.log
    assert " 100\n" in written
    assert "15 segments printed" in said


def test_an_ssh_session_is_warned_of_itself(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "find_own_session", lambda *_: "192.0.2.8:22-192.0.2.40:60337")
    monkeypatch.setattr("tcpio.output.sink.Sink", lambda *_, **__: Sink(run.path))
    run.start(Machine(batch()), is_to_file=False)

    assert (
        "\ntcpio: this SSH session's own segments are traced too; "
        "to leave them out: tcpio '!192.0.2.8:22-192.0.2.40:60337'\n"
    ) in run.said()


def test_what_goes_to_a_file_does_not_go_to_the_ssh_session(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "find_own_session", lambda *_: "192.0.2.8:22-192.0.2.40:60337")

    assert "SSH" not in run(Machine(batch()))[1]


def test_counters_are_shown_beside_the_lines_when_asked_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(batch(1))

    class FakeBeside:
        """Counts beside."""

        def __init__(self, options: TraceOptions) -> None:
            assert options.has_summary

        def attach(self) -> None:
            machine.log.append("count")

        def show(self) -> None:
            machine.log.append("show")

        def __enter__(self) -> "FakeBeside":
            return self

        def __exit__(self, *_: object) -> None:
            machine.log.append("counted")

    monkeypatch.setattr("tcpio.cli.beside.Beside", FakeBeside)
    run(machine, "--summary")

    assert [entry for entry in machine.log if entry != "drain"] == [
        *("count", "attach", "detach", "show", "counted"),
        *["exit"] * 3,
    ]


class FakeMaps:
    """Programs that count from the beginning on, until they are told to end it."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._since_ns = 3
        self._left = (Tally(4, 400), Tally(3))

    def read_since(self) -> int:
        return self._since_ns

    def end(self) -> tuple[Tally, Tally]:
        self._since_ns = 0
        self._machine.log.append("lines again")
        told, self._left = self._left, (Tally(), Tally())
        return told

    def read_counted(self) -> int:
        return 7


def test_what_was_counted_instead_is_marked_and_nothing_is_lost(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tcpio.kernel.overload.OverloadMaps", FakeMaps)
    later = Batch(make_records([2000 * SECOND], lport=9))
    machine = Machine(batch(1, 2, marks=(Lost(2, 1, 5),)), *[batch()] * 15, later)
    monkeypatch.setattr(overload, "time", machine)
    written, said = run(machine, "--no-header", "--on-overload", "summary")

    assert written == (
        " 1\n 2\n# overload, from here on segments are counted, not printed\n"
        "# 7 segments counted, not printed: 4 sent with bytes=400, 3 received with bytes=0\n 9\n"
    )
    assert said.endswith("tcpio: 3 segments printed, 7 counted, 0 lost\n")
    assert "lines again" in machine.log


def test_an_overload_is_not_over_while_segments_are_read(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tcpio.kernel.overload.OverloadMaps", FakeMaps)
    machine = Machine(*[batch(moment) for moment in range(1, 30)])
    _, said = run(machine, "--on-overload", "summary")

    assert machine.log.index("detach") < machine.log.index("lines again")
    assert "tcpio: overload until the end: 7 segments counted" in said
