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

from tests.live.harness import TRIES  # noqa: E402
from tests.live.programs import CHECKOUT  # noqa: E402
from tests.live.record import FAILURE, LACKING  # noqa: E402
from tests.live.recorded import EndRecorded, Recorded  # noqa: E402
from tests.live.recordings import Recording  # noqa: E402
from tests.live.segments import RECEIVE, SEND  # noqa: E402
from tests.live.selection import Place, parametrize, read_recording, selected  # noqa: E402
from tests.live.termination import ending_by  # noqa: E402
from tests.live.topologies import Network, loopback  # noqa: E402

PLACES = (Place("", "tracepoint", lambda _: True),)
"""Raw tracepoints are what every kernel has that tcpio runs on, so this never may be skipped."""

recorded, single, big, on_loopback, with_middle = (selected() for _ in range(5))
losing_output, watching_all, counted, of_kinds = (selected() for _ in range(4))


_UNMADE = (FAILURE, LACKING)


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
            for _ in range(TRIES):
                _run([sys.executable, "-m", "tests.live.record", str(folder), "--attach", place.rung, recording.name])
                if not _is_passed_by(folder / recording.name, recording):
                    break
            self._made.add(folder / recording.name)
        return read_recording(folder / recording.name)


def _is_passed_by(folder: Path, recording: Recording) -> bool:
    # Whether less was printed than there was, though nothing was lost or missed. There is a kernel that now and then
    # runs no program at a tracepoint (README). What tcpio itself leaves out is so each time.
    if recording.is_counted_only or any((folder / name).exists() for name in _UNMADE):
        return False
    recorded = Recorded(folder)
    if not recorded.is_device_view:
        return False
    ends = [end for end in recorded.ends if not end.counts["lost"] + end.counts["missed"]]
    if not recording.has_super_segments and any(len(end.traced) < len(end.captured) for end in ends):
        return True
    if recording.has_super_segments or recording.loses_before_device:
        return any(_falls_short(end, recorded.known("dropped").total()) for end in ends)
    return False


def _falls_short(end: EndRecorded, dropped: int) -> bool:
    # Of what the kernel counted, but for so many that the device never saw.
    sent = sum(int(s.extra["segs"]) for s in end.traced if s.key.dir == SEND)
    received = sum(s.key.dir == RECEIVE for s in end.traced)
    counted = end.counted("TcpOutSegs") + end.counted("TcpRetransSegs")
    return sent < counted - dropped or received < end.counted("TcpInSegs")


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
