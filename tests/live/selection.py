# SPDX-License-Identifier: GPL-2.0-only
"""Which recordings a claim is held against: it names them by the argument it takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.live.kinds import KINDS
from tests.live.record import FAILURE, LACKING
from tests.live.recorded import Recorded
from tests.live.recordings import RECORDINGS, Recording
from tests.live.topologies import loopback, macvlan, routed, switched


def _is_whole(recording: Recording) -> bool:
    # Whether each segment is there that the kernel counts.
    return not (recording.is_counted_only or recording.loses_before_device or recording.is_overloaded)


SELECTIONS: dict[str, Callable[[Recording], bool]] = {
    "recorded": _is_whole,
    "single": lambda recording: _is_whole(recording) and not recording.has_super_segments,
    "big": lambda recording: recording.has_super_segments,
    "on_loopback": lambda recording: _is_whole(recording) and recording.topology is loopback,
    "with_middle": lambda recording: recording.topology in (routed, switched, macvlan),
    "losing_output": lambda recording: recording.loses_before_device,
    "watching_all": lambda recording: recording.watches_all,
    "counted": lambda recording: recording.is_counted_only,
    "overloaded": lambda recording: recording.is_overloaded,
    "of_kinds": lambda recording: {kind.scenario for kind in KINDS} <= set(recording.scenarios),
}
"""Arguments of claims: recordings that most claims are about; those of which a line is a packet; with super-segments;
with both directions at one end; with a namespace between the ends; with losses before the device; of all namespaces
too; that are only counted; of a tcpio whose rings were full; with all kinds of segments."""


@dataclass(frozen=True)
class Place:
    """Where recordings are made.

    Args:
        name: The kernel, or nothing for the machine's own.
        rung: tcpio's way to attach.
        takes: Which recordings are made there.
    """

    name: str
    rung: str
    takes: Callable[[Recording], bool]


@cache
def read_recording(folder: Path) -> Recorded:
    """Read a recording; fail if it could not be made, and skip if the kernel lacks what it wants."""
    if (folder / FAILURE).exists():
        pytest.fail((folder / FAILURE).read_text())
    if (folder / LACKING).exists():
        pytest.skip((folder / LACKING).read_text())
    return Recorded(folder)


class Library(Protocol):
    """Has recordings, and makes those it does not have yet."""

    def get(self, place: Place, recording: Recording) -> Recorded:
        """Give a recording."""


def parametrize(metafunc: pytest.Metafunc, places: Sequence[Place]) -> None:
    """Call a test once for each recording that its argument selects."""
    for argument in SELECTIONS.keys() & set(metafunc.fixturenames):
        chosen = [
            pytest.param((place, recording), id="-".join(filter(None, (place.name, place.rung, recording.name))))
            for place in places
            for recording in RECORDINGS
            if place.takes(recording) and SELECTIONS[argument](recording)
        ]
        metafunc.parametrize(argument, chosen, indirect=True)


def selected() -> Any:  # noqa: ANN401  pytest gives no public type for a fixture
    """Make the fixture behind an argument of SELECTIONS; it wants one called ``library``."""

    @pytest.fixture
    def take(request: pytest.FixtureRequest, library: Library) -> Recorded:
        place, recording = request.param
        return library.get(place, recording)

    return take
