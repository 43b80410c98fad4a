# SPDX-License-Identifier: GPL-2.0-only
"""Recordings by the way to attach that this machine has; and a namespace with its own loopback, to make traffic in."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.live.claims")

from tests.live.programs import CHECKOUT  # noqa: E402
from tests.live.record import FAILURE, LACKING  # noqa: E402
from tests.live.recorded import PASSED_BY, Recorded  # noqa: E402
from tests.live.recordings import Recording  # noqa: E402
from tests.live.selection import SELECTIONS, Place, parametrize, read_recording, selected  # noqa: E402
from tests.live.termination import ending_by  # noqa: E402
from tests.live.topologies import Network, loopback, macvlan  # noqa: E402
from tests.live.witness import make_again, make_witnessed  # noqa: E402

PLACES = (Place("", "tracepoint", lambda _: True),)
"""Raw tracepoints are what every kernel has that tcpio runs on, so this never may be skipped."""

recorded, single, big, on_loopback, with_middle = (selected() for _ in range(5))
losing_output, watching_all, counted, overloaded, of_kinds = (selected() for _ in range(5))


class LocalLibrary:
    """Makes each recording when it is first wanted.

    Args:
        folder: Where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: set[Path] = set()

    def get(self, place: Place, recording: Recording) -> Recorded:
        """Give a recording."""
        folder = self._folder / place.rung
        if folder / recording.name not in self._made:
            command = [sys.executable, "-m", "tests.live.record", str(folder), "--attach", place.rung, recording.name]
            self._make(command, folder / recording.name, recording)
            self._made.add(folder / recording.name)
        return read_recording(folder / recording.name)

    def _make(self, command: list[str], folder: Path, recording: Recording) -> None:
        def lacks(_: object) -> bool:
            return _lacks_some(folder, recording)

        if recording.topology is macvlan:  # of which the witness cannot tell
            make_again(lambda: _run(command), lacks)
        else:
            _, passed_by = make_witnessed(lambda: _run(command), lacks)
            (folder / PASSED_BY).write_text(str(passed_by))


def _lacks_some(folder: Path, recording: Recording) -> bool:
    # Of packets that tcpdump saw, where each has a line, or of segments that the kernel counted.
    if (folder / FAILURE).exists() or (folder / LACKING).exists():
        return False
    ends = Recorded(folder).ends
    if SELECTIONS["counted"](recording):
        return any(end.seen < end.segments for end in ends)
    if SELECTIONS["recorded"](recording) and any(end.has_fewer_lines_than_segments for end in ends):
        return True
    is_comparable = SELECTIONS["single"](recording) or SELECTIONS["losing_output"](recording)
    return is_comparable and any(len(end.traced) < len(end.captured) for end in ends)


def _run(command: list[str]) -> None:
    # To the end, also if this is told to end before: it has things to remove.
    with subprocess.Popen(command, cwd=CHECKOUT) as process:
        try:
            process.wait()
        except BaseException:
            process.terminate()
            raise


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Hold each claim against each recording it is about."""
    parametrize(metafunc, PLACES)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what nothing here can provide."""
    if os.geteuid() != 0:
        reason = "not root: namespaces, captures and eBPF programs want it; run the tests with sudo"
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session", autouse=True)
def _is_terminated_gently() -> Iterator[None]:
    with ending_by(lambda: pytest.exit("terminated", returncode=143)):
        yield


@pytest.fixture(autouse=True)
def _hears_of_a_hangup() -> Iterator[None]:
    # What nohup(1) ignores is ignored by all that is started; some tests want to see tcpio end by it.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture(scope="session", autouse=True)
def _keeps_its_own_programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    # Not among those of the machine's user.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TCPIO_CACHE", str(tmp_path_factory.mktemp("programs")))
        yield


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> LocalLibrary:
    """The recordings of this run."""
    return LocalLibrary(tmp_path_factory.mktemp("recordings"))


@pytest.fixture
def network() -> Iterator[Network]:
    """A namespace whose loopback carries one segment in a packet, so that the kernel's counts are lines."""
    with loopback(has_super_segments=False) as made:
        yield made
