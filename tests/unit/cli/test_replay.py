# SPDX-License-Identifier: GPL-2.0-only
"""Recordings again: from files to lines, by the command line."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tcpio.cli.main import main
from tcpio.output.formats import FORMATS
from tcpio.schema.batch import Batch, Lost
from tcpio.schema.columns import DEFAULT, EVERY
from tests.unit.output.test_formats import WANT_PYARROW
from tests.unit.samples import any_records, make_records, make_segment
from tests.unit.stream.recordings import with_format, write

SECOND = 1_000_000_000
BEGAN_NS = 1_795_299_300 * SECOND
"""2026-11-21 22:15:00 UTC"""

LINUX_ONLY = ("pipe2", "sched_getaffinity", "eventfd", "memfd_create", "splice", "copy_file_range", "setns", "unshare")
"""Names of Python's os that macOS does not have."""


class Replay:
    """Runs ``tcpio replay``."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capfd = capfd

    def file(self, batch: Batch, name: str = "csv", columns: str = "") -> str:
        path = self.folder / f"x{len(list(self.folder.iterdir()))}.{name}"
        path.write_bytes(write(name, batch, columns=columns))
        return str(path)

    def __call__(self, *arguments: str, status: int = 0) -> tuple[list[str], str]:
        """Give the lines and what is said."""
        found = main(["replay", "--tz", "UTC", *arguments])
        out, said = self._capfd.readouterr()
        assert (found, "Traceback" in said) == (status, False), said
        return out.splitlines(), said


@pytest.fixture
def replay(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Replay:
    return Replay(tmp_path, capfd)


def make_batch(count: int = 50) -> Batch:
    records = any_records(count)
    records["ts_ns"] = BEGAN_NS + np.arange(count, dtype=np.uint64) * np.uint64(SECOND)
    records["bytes"] >>= 1
    return Batch(records, (Lost(BEGAN_NS + 3 * SECOND, 3, 137),))


@with_format
def test_a_recording_of_any_format_gives_the_same_lines(replay: Replay, name: str) -> None:
    every = ",".join(EVERY)
    expected, _ = replay(replay.file(make_batch()), "-q", "-o", every)
    found, said = replay(replay.file(make_batch(), name), "-o", every)

    assert found == expected
    assert "# 137 segments lost on CPU 3" in found[4]
    assert said == "tcpio: 50 segments printed, 137 lost; lost by CPU: 3: 137\n"


@with_format
def test_a_recording_becomes_any_format(replay: Replay, name: str) -> None:
    target = replay.folder / "target"
    replay(replay.file(make_batch(), name), "-f", name, "-w", str(target), "-q")
    again, _ = replay(str(target), "-q", "-f", "jsonl")
    expected, _ = replay(replay.file(make_batch()), "-q", "-f", "jsonl")
    held = json.loads(again[0])

    assert {key: json.loads(expected[0])[key] for key in held} == held
    assert len(again) == len(expected)


def test_filters_and_options_leave_what_they_say(replay: Replay) -> None:
    records = np.concatenate(
        [make_segment(ts_ns=BEGAN_NS + at, lport=lport, cpu=at) for at, lport in enumerate((22, 80, 443, 80))]
    )
    records["dir"][3] = 1
    records["flags"][2] = 2
    records["netns"][0] = 7
    path = replay.file(Batch(records))

    def ports(*arguments: str) -> list[str]:
        return [line.strip() for line in replay(path, "--no-header", "-o", "lport", "-q", *arguments)[0]]

    assert ports() == ["22", "80", "443", "80"]
    assert ports("*:80-*:*") == ["80", "80"]
    assert ports("!*:80-*:*") == ["22", "443"]
    assert ports("--dir", "receive") == ["80"]
    assert ports("--dir", "send") == ["22", "80", "443"]
    assert ports("--flags", "SYN") == ["443"]
    assert ports("--netns", "7") == ["22"]
    assert ports("-c", "2") == ["22", "80"]
    assert replay(path, "*:80-*:*", "-c", "1")[1] == "tcpio: 1 segment printed, 1 not printed, 2 filtered, 0 lost\n"


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (("--since", "22:15:48"), 2),
        (("--until", "2026-11-21 22:15:01.5"), 2),
        (("--since", "22:15:10", "--until", "22:15:19"), 10),
        (("--since", "2026-11-21 23:15:48+01:00"), 2),
        (("--since", "-5min"), 0),
    ],
)
def test_a_period_can_be_chosen(replay: Replay, arguments: tuple[str, ...], lines: int) -> None:
    found, _ = replay(replay.file(Batch(make_batch().records)), "--no-header", "-q", *arguments)

    assert len(found) == lines


def test_files_are_read_one_behind_the_other(replay: Replay) -> None:
    paths = [replay.file(make_batch(3)), replay.file(make_batch(4), "jsonl")]

    assert len(replay(*paths, "--no-header", "-q")[0]) == 3 + 1 + 4 + 1
    assert replay(*paths, "-c", "1")[1].startswith("tcpio: 1 segment printed, 2 not printed, ")


def test_nothing_chosen_is_a_header(replay: Replay) -> None:
    assert replay(replay.file(make_batch()), "*:0-*:0", "-f", "csv", "-o", "cpu", "--since", "23:00")[0] == ["cpu"]


def test_columns_that_a_recording_lacks_are_left_out_or_told(replay: Replay) -> None:
    path = replay.file(Batch(make_segment()), columns="cpu,lport,time")

    assert replay(path, "-q")[0] == [" CPU LPORT", "   1 22"]
    for arguments in (("-o", "cpu,seq"), ("-o", "+seq"), ("*:*-9.*.*.*:*",), ("--summary",), ("-f", "pcapng")):
        said = replay(path, *arguments, status=2)[1]
        assert f"tcpio: {path} has no column " in said
        assert said.endswith("; it has time, cpu, lport\n")


def test_times_count_from_the_first_segment(replay: Replay) -> None:
    lines, _ = replay(replay.file(Batch(make_batch(3).records)), "-t", "--time-format", "since", "-q", "-o", "time")

    assert [line.split()[0] for line in lines] == ["TIME", "0.000000000", "1.000000000", "2.000000000"]


def test_damage_is_told_and_what_is_before_is_printed(replay: Replay) -> None:
    path = replay.folder / "x"
    path.write_text("lport,cpu\n1,1\n2,2\nx,3\n4,4\n")
    lines, said = replay(str(path), "-o", "lport", status=1)

    assert lines == [" LPORT", " 1", " 2"]
    assert said == f"tcpio: 2 segments printed, 0 lost\ntcpio: {path}, line 4: lport cannot be 'x'\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("missing.csv",), "tcpio: cannot read missing.csv: No such file or directory"),
        (("*:80-*:*",), "tcpio: no recording is named"),
        (("x", "--since", "sometime"), "tcpio: --since 'sometime' is no time"),
        (("x", "--netns", "web"), "tcpio: --netns 'web' is no inode"),
        (("x", "--netns", "4294967296"), "tcpio: --netns '4294967296' is no inode"),
        (("x", "--summary", "-f", "arrow"), "tcpio: --summary is not written as arrow"),
        (("x", "--summary", "--by", "cpu"), "tcpio: cannot group by 'cpu'"),
        (("x", "*:99999-*:*"), "tcpio: filter '*:99999-*:*': port 99999 is above 65535"),
    ],
)
def test_what_makes_no_sense_is_told(replay: Replay, arguments: tuple[str, ...], said: str) -> None:
    assert replay(*arguments, status=2)[1].startswith(said)


def test_sums_are_given_by_group(replay: Replay) -> None:
    records = make_records([1, 2, 3], lport=[80, 443, 80], bytes=[5, 7, 11], segs=1, laddr="192.0.2.8", dir=[0, 0, 1])
    path = replay.file(Batch(records, (Lost(1, 0, 2),)))
    lines, _ = replay(path, "--summary", "--by", "lport", "-q")

    assert lines[0].startswith("# derived from recorded segments")
    assert lines[0].endswith("; 2 segments were lost and are missing")
    assert [line.split() for line in lines[1:]] == [
        ["LPORT", "SEGS_SENT", "SEGS_RECEIVED", "BYTES_SENT", "BYTES_RECEIVED"],
        ["80", "1", "1", "5", "11"],
        ["443", "1", "0", "7", "0"],
    ]
    rows = [json.loads(line) for line in replay(path, "--summary", "-f", "jsonl", "*:443-*:*", "-q")[0]]
    assert [(row["lport"], row["laddr"], row["bytes_sent"], row["derived"]) for row in rows] == [
        (443, "192.0.2.8", 7, True)
    ]


def test_sums_may_go_to_a_file(replay: Replay) -> None:
    target = replay.folder / "sums"
    replay(replay.file(make_batch()), "--summary", "-f", "csv", "-w", str(target))

    assert target.read_text().startswith("# derived")


def test_a_reader_that_has_gone_ends_it_quietly(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    monkeypatch.setattr("tcpio.output.sink.STDOUT", writer)
    path = replay.file(make_batch())
    _, said = replay(path, path, path)
    os.close(writer)

    assert said.startswith("tcpio: 0 segments printed, ")


def test_the_counts_so_far_can_be_asked_for(replay: Replay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tcpio.cli.signals.Signals.take_question", lambda _: True)
    said = replay(replay.file(make_batch()), "-o", "cpu")[1].splitlines()

    assert said[0] == "tcpio: 0 segments printed, 0 lost"
    assert len(said) > 2


@with_format
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damage_of_any_kind_is_told_in_one_line_whatever_is_written(
    replay: Replay, name: str, data: st.DataObject
) -> None:
    whole = bytearray(write(name, make_batch(3)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3) | st.just(b"9" * 20))
    path = replay.folder / "damaged"
    path.write_bytes(whole)
    target = data.draw(st.sampled_from([format_ for format_ in FORMATS if format_ not in WANT_PYARROW]))
    assert main(["replay", str(path), "-q", "-f", target, "-w", str(replay.folder / "target")]) in (0, 1, 2)


def test_replay_needs_nothing_of_the_kernel() -> None:
    code = """if True:
        import sys
        import tcpio.cli.replay
        assert [name for name in sys.modules if name.startswith(("tcpio.kernel", "bcc"))] == []
    """
    subprocess.run([sys.executable, "-c", code], check=True)


def test_replay_needs_no_root_no_bcc_and_nothing_of_linux(replay: Replay) -> None:
    path = replay.file(Batch(make_batch().records))
    code = f"""if True:
        import os, sys
        for name in {LINUX_ONLY}:
            vars(os).pop(name, None)
        sys.modules["bcc"] = None
        from tcpio.cli.main import main
        assert main(["replay", {path!r}, "-w", "/dev/null", "-t", "-q"]) == 0  # imports all that it needs
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
        raise SystemExit(main(["replay", "-", "-t", "-q", "--tz", "UTC"]))
    """
    unmeasured = {
        name: text for name, text in os.environ.items() if not name.startswith("COV_")
    }  # nobody may write that
    command = [sys.executable, "-c", code]
    with Path(path).open("rb") as file:
        done = subprocess.run(command, stdin=file, capture_output=True, text=True, check=False, env=unmeasured)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == replay(path, "-t", "-q")[0]


@pytest.mark.parametrize("name", ["text", "csv", "jsonl"])
def test_what_was_merged_from_two_hosts_is_read(replay: Replay, name: str) -> None:
    columns = ",".join(("time", *DEFAULT))
    one, other = (replay.file(make_batch(count), name, columns) for count in (3, 5))
    merged = replay.folder / "merged"
    assert main(["sort", f"web={one}", f"db={other}", "-w", str(merged)]) == 0
    lines, said = replay(str(merged), "-f", "csv", "-o", columns)
    rows = [line for line in lines[1:] if not line.startswith("#")]

    assert "db" in merged.read_text()
    assert [row.partition(",")[0] for row in rows] == sorted(row.partition(",")[0] for row in rows)
    assert len(rows) == 8
    assert said == "tcpio: 8 segments printed, 274 lost; lost by CPU: 3: 274\n"


class Steps:
    """What happens while replay waits for more; behind the last step someone ends it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: list[Callable[[], object]] = []
        self.waited_s: list[float] = []
        monkeypatch.setattr("tcpio.cli.replay.select", self)

    def select(self, readable: list[int], _writable: object, _other: object, timeout_s: float) -> None:
        assert len(readable) == 1
        self.waited_s.append(timeout_s)
        if self.left:
            self.left.pop(0)()
        else:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steps]:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in numbers]
    yield Steps(monkeypatch)
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def append(path: str, data: bytes) -> Callable[[], None]:
    def step() -> None:
        with Path(path).open("ab") as file:
            file.write(data)

    return step


@with_format
def test_what_is_appended_is_printed(
    replay: Replay, steps: Steps, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    path = replay.file(make_batch(), name)
    data = Path(path).read_bytes()
    if name == "parquet":
        said = replay("--follow", path, status=2)[1]
        assert said.startswith(f"tcpio: {path} is Parquet, which is read when it is finished and not followed")
        return
    expected, _ = replay(path, "-q")
    Path(path).write_bytes(data[:30])
    printed: list[str] = []

    def look() -> None:
        printed.extend(capfd.readouterr().out.splitlines())

    steps.left = [append(path, data[30:-5]), look, append(path, data[-5:]), look]
    found, said = replay("--follow", path)

    assert printed + found == expected
    assert said == "tcpio: 50 segments printed, 137 lost; lost by CPU: 3: 137\n"
    assert max(steps.waited_s) <= 0.1
    if name != "arrow":  # which has one block here
        assert len(printed) >= len(expected) - 1


@pytest.mark.parametrize("name", ["text", "jsonl", "csv", "pcapng", "arrow"])
def test_what_is_half_written_at_the_end_is_no_damage(replay: Replay, steps: Steps, name: str) -> None:
    path = replay.file(Batch(make_batch().records), name)
    data = Path(path).read_bytes()
    steps.left = [append(path, data[: len(data) // 2])] if name == "pcapng" else []
    if name != "pcapng":
        Path(path).write_bytes(data[:-10])
    found, said = replay("--follow", path, "-o", "cpu")

    assert said.startswith(f"tcpio: {len(found[1:])} segments printed, 0 lost")


def test_damage_ends_following(replay: Replay, steps: Steps) -> None:
    path = replay.file(Batch(make_segment()), columns="cpu,lport")
    steps.left = [append(path, b"x,1\n1,1\n")]
    found, said = replay("--follow", path, "-o", "cpu", status=1)

    assert found == [" CPU", "   1"]
    assert said.endswith(f"tcpio: {path}, line 3: cpu cannot be 'x'\n")


def test_a_file_that_is_replaced_is_followed_by_its_name(replay: Replay, steps: Steps) -> None:
    path = Path(replay.file(make_batch(3)))
    path.write_bytes(path.read_bytes() + b"half")
    new = replay.file(make_batch(4), "jsonl")
    steps.left = [lambda: Path(new).replace(path), lambda: path.write_text("cpu,lport\n7,7\n")]
    found, said = replay("--follow", str(path), "-o", "cpu", "--no-header")

    assert len(found) == 3 + 1 + 4 + 1 + 1
    assert said.splitlines() == [
        f"tcpio: {path} ends in the middle of a line, at byte {path_end(3)}",
        f"tcpio: {path} was replaced; the new file is read",
        f"tcpio: {path} was truncated; it is read from its begin",
        "tcpio: 8 segments printed, 274 lost; lost by CPU: 3: 274",
    ]


def path_end(count: int) -> int:
    return len(write("csv", make_batch(count)))


@pytest.mark.parametrize("arguments", [("-c", "2"), ("--until", "22:15:01"), ("--timeout", "0.000000001")])
def test_following_ends_by_itself(replay: Replay, steps: Steps, arguments: tuple[str, ...]) -> None:
    path = replay.file(Batch(make_batch().records))
    found, said = replay("--follow", path, "-o", "cpu", "--no-header", *arguments)

    assert steps.waited_s == []
    assert len(found) == (0 if "--timeout" in arguments else 2)
    assert said.startswith(f"tcpio: {len(found)} segments printed, ")


def test_following_ends_when_the_time_has_come_though_nothing_does(
    replay: Replay, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter(range(100))
    monkeypatch.setattr("tcpio.cli.replay.time.time_ns", lambda: BEGAN_NS + next(seconds) * SECOND)
    path = replay.file(Batch(make_batch(0).records))
    steps.left = [lambda: None] * 50
    found, said = replay("--follow", path, "--until", "22:15:05")

    assert len(steps.waited_s) == 9  # to 22:15:08: what passed until then may be written later
    assert (found, said) == ([" CPU           LADDR:LPORT                RADDR:RPORT  BYTES  FLAGS"], NOTHING)


NOTHING = "tcpio: 0 segments printed, 0 lost\n"


def test_what_is_followed_in_vain_has_counts_too(replay: Replay, steps: Steps) -> None:
    path = replay.folder / "x"
    path.touch()

    assert replay("--follow", str(path)) == ([], NOTHING)
    assert replay("--follow", str(path), "-q") == ([], "")
    assert len(steps.waited_s) == 2


def test_what_is_followed_may_become_another_format_at_once(replay: Replay, steps: Steps) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not there; tests/run installs it")
    path, target = replay.file(make_batch()), replay.folder / "target"
    now_s = [100.0]
    sizes: list[int] = []

    def pass_time() -> None:
        now_s[0] += 2
        sizes.append(target.stat().st_size)

    steps.left = [pass_time, lambda: None, pass_time]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tcpio.output.as_arrow.time.monotonic", lambda: now_s[0])
        replay("--follow", path, "-f", "arrow", "-w", str(target), "-q")

    assert sizes[0] < sizes[1]
    assert len(replay(str(target), "--no-header", "-q")[0]) == 51


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--follow", "-"), "tcpio: --follow follows one file by its name"),
        (("--follow", "a", "b"), "tcpio: --follow follows one file by its name"),
        (("--follow", "missing"), "tcpio: there is no missing to be followed; begin to record first"),
        (("--follow", "/"), "tcpio: / is no regular file, so it cannot be followed"),
        (("x", "--timeout", "1"), "tcpio: --timeout is for --follow"),
        (("--follow", "/proc/self/status", "--timeout", "0"), "tcpio: --timeout '0' is no positive number"),
    ],
)
def test_what_cannot_be_followed_is_told(replay: Replay, arguments: tuple[str, ...], said: str) -> None:
    assert replay(*arguments, status=2)[1].startswith(said)


def test_a_mark_may_come_before_all_segments(replay: Replay) -> None:
    records = make_batch(2).records
    path = replay.file(Batch(records, (Lost(int(records["ts_ns"][0]), 1, 5),)), "jsonl")

    assert replay(path, "-q", "-o", "cpu")[0][1] == "# 5 segments lost on CPU 1"


class Screen:
    """A terminal on the standard error; each look at the clock is two seconds later."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        self._now_s = 0.0
        patch.setattr("tcpio.cli.progress._STDERR", self._writer)
        patch.setattr("tcpio.cli.progress.os.isatty", lambda fd: fd == self._writer)
        patch.setattr("tcpio.cli.progress.time", self)

    def monotonic(self) -> float:
        self._now_s += 2
        return self._now_s

    def shown(self) -> list[str]:
        """Give what has been shown, one after the other."""
        try:
            return os.read(self._reader, 1 << 16).decode().split("\r\x1b[K")
        except BlockingIOError:
            return []

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    made = Screen(monkeypatch)
    yield made
    made.close()


@with_format
def test_a_file_that_vanishes_while_it_is_read_is_read_to_its_end(
    replay: Replay, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = replay.file(make_batch(), name)
    monkeypatch.setattr("tcpio.cli.replay._require", lambda *_: Path(path).unlink())

    assert len(replay(path, "-q")[0]) >= 51


@with_format
def test_how_far_it_is_is_shown_on_a_terminal(
    replay: Replay, screen: Screen, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("tcpio.cli.replay._PIECE", 10)
    paths = [replay.file(Batch(make_batch(count).records), name) for count in (30, 50)]
    replay(*paths, "-w", str(replay.folder / "target"))
    shown = screen.shown()

    assert len([text for text in shown if "million records read, 0 MB/s, " in text]) >= 3 + 5
    assert shown[-2].endswith("100% done, 0 s left")
    assert (shown[0], shown[-1]) == ("", "")


def test_how_far_it_is_is_not_shown_among_the_lines(
    replay: Replay, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tcpio.cli.replay.os.isatty", lambda _fd: True)
    replay(replay.file(make_batch()))

    assert screen.shown() == []


@pytest.mark.usefixtures("steps")
def test_what_has_no_end_is_not_said_to_be_near_it(replay: Replay, screen: Screen) -> None:
    replay("--follow", replay.file(make_batch()))
    assert screen.shown() == []
    fifo = replay.folder / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(write("csv", make_batch()),))
    writer.start()
    replay(str(fifo))
    writer.join()

    assert set(screen.shown()) == {"", "tcpio: 0.0 million records read, 0 MB/s"}


def test_the_counts_are_said_on_a_line_of_their_own(
    replay: Replay, screen: Screen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tcpio.cli.signals.Signals.take_question", lambda _: True)
    replay(replay.file(Batch(make_batch().records)))

    assert screen.shown()[-2:] == ["", ""]


def test_the_counts_are_said_though_the_end_cannot_be_written(replay: Replay) -> None:
    said = replay(replay.file(Batch(make_batch(0).records)), "-w", "/dev/full", status=1)[1]

    assert said == f"{NOTHING}tcpio: cannot write /dev/full: No space left on device\n"
