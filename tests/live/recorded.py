# SPDX-License-Identifier: GPL-2.0-only
"""Recordings read again, and what is compared between them."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from tests.live.peers import Facts
from tests.live.programs import read_counts
from tests.live.recorder import EXTRA_COLUMNS, FACTS
from tests.live.recordings import BY_NAME, Recording
from tests.live.scenarios import made_at, scenario_at
from tests.live.segments import RECEIVE, SEND, Key, Output, Segment, read_capture, read_output

PASSED_BY = "passed_by.txt"
"""In the folder of a recording: for how many packets the kernel ran no program, if that was watched."""

_SHOWN = 20

_UNCOUNTABLE = "missed: not countable"
_BESIDE_FENTRY = "tracing by fentry"
_MISSED_BY_KPROBES = 0.01
"""Part of all segments: seen were 19 of 4692 under emulation, where an interrupt in a probe is likelier."""

Item = TypeVar("Item")


@dataclass
class EndRecorded:
    """What was seen at one end.

    Args:
        folder: Where the recording is.
        side: What this end's files are called.
        facts: What the recorder wrote of it.
    """

    folder: Path
    side: str
    facts: dict[str, Any]

    @cached_property
    def output(self) -> Output:
        """What tcpio printed."""
        return read_output((self.folder / f"{self.side}.txt").read_text(), EXTRA_COLUMNS)

    @cached_property
    def captured(self) -> list[Segment]:
        """What tcpdump saw."""
        return read_capture(
            self.folder / f"{self.side}.pcap", self.facts["addresses"], is_loopback=self.facts["is_loopback"]
        )

    @property
    def traced(self) -> list[Segment]:
        """The segments that tcpio printed."""
        return self.output.segments

    @property
    def said(self) -> str:
        """What tcpio said on stderr."""
        return (self.folder / f"{self.side}.stderr").read_text()

    @property
    def counts(self) -> dict[str, int]:
        """What tcpio counted in the end."""
        return read_counts(self.said)

    @property
    def is_countable(self) -> bool:
        """Whether tcpio knows how many segments it missed.

        It says when it cannot know that for kprobes. They are skipped while another one runs on the same CPU, so one
        that stands beside fentry, where softirqs alone come by, is not.
        """
        return _UNCOUNTABLE not in self.said or _BESIDE_FENTRY in self.said

    @property
    def may_miss(self) -> int:
        """How many segments may be missing, by tcpio's own words."""
        counts = self.counts
        seen = counts["printed"] + counts["counted"] + counts["lost"]
        return counts["missed"] + (0 if self.is_countable else math.ceil(_MISSED_BY_KPROBES * seen))

    @property
    def seen(self) -> int:
        """How many segments tcpio knows of."""
        return sum(self.counts[name] for name in ("printed", "lost", "missed"))

    @property
    def segments(self) -> int:
        """How many segments the kernel counted."""
        return sum(map(self.counted, ("TcpInSegs", "TcpOutSegs", "TcpRetransSegs")))

    @property
    def has_fewer_lines_than_segments(self) -> bool:
        """Whether some of what the kernel counted was not printed."""
        new = sum(int(one.extra["segs"]) for one in self.traced if one.key.dir == SEND and one.extra["rtx"] == "0")
        received = sum(one.key.dir == RECEIVE for one in self.traced)
        return new < self.counted("TcpOutSegs") or received < self.counted("TcpInSegs")

    def counted(self, name: str) -> int:
        """How often the kernel counted, by nstat's name."""
        return int(self.facts["counted"].get(name, 0))


@dataclass
class Recorded:
    """A recording, read from its folder."""

    folder: Path
    facts: dict[str, Any] = field(init=False)
    ends: list[EndRecorded] = field(init=False)

    def __post_init__(self) -> None:
        self.facts = json.loads((self.folder / FACTS).read_text())
        self.ends = [EndRecorded(self.folder, side, facts) for side, facts in self.facts["ends"].items()]

    @property
    def recording(self) -> Recording:
        """How it was made."""
        return BY_NAME[self.folder.name]

    @property
    def is_device_view(self) -> bool:
        """Whether tcpio saw what a device sees: before the input's netfilter, as tcpdump does."""
        return bool(self.facts["rung"] == "tracepoint")

    @property
    def passed_by(self) -> int:
        """For how many packets the kernel ran no program without a word: see tests/live/witness.py."""
        path = self.folder / PASSED_BY
        return int(path.read_text()) if path.exists() else 0

    @property
    def may_miss(self) -> int:
        """How many segments may be missing at all ends together."""
        return sum(end.may_miss for end in self.ends)

    @property
    def connections(self) -> list[tuple[str, Facts]]:
        """What the program knows of each connection, behind the name of its scenario."""
        return [(made["scenario"], Facts(**facts)) for made in self.facts["made"] for facts in made["connections"]]

    def end(self, side: str) -> EndRecorded:
        """Give an end; there is one on loopback, whatever it is called."""
        return next((end for end in self.ends if end.side == side), self.ends[0])

    def beside(self, side: str) -> EndRecorded:
        """Give what was shown of what is no end: MIDDLE or ALL. Nothing else saw it."""
        return EndRecorded(self.folder, side, {})

    def made(self, scenario: str, family: str) -> dict[str, Any]:
        """Give what the recorder wrote of a scenario."""
        made: dict[str, Any] = next(
            made for made in self.facts["made"] if (made["scenario"], made["family"]) == (scenario, family)
        )
        return made

    def known(self, name: str) -> Counter[str]:
        """What else the program counted under this name, by scenario."""
        counted: Counter[str] = Counter()
        for made in self.facts["made"]:
            counted[made["scenario"]] += made["counts"].get(name, 0)
        return counted


def scenario_of(key: Key) -> str:
    """Give the name of the scenario that made a segment."""
    return scenario_at(key.lport, key.rport)


def made_by(segments: Iterable[Segment], scenario: str, family: str, direction: str) -> list[Segment]:
    """Give those segments that a scenario made by a family of sockets, in one direction."""
    by = (scenario, family)
    return [s for s in segments if s.key.dir == direction and made_at(s.key.lport, s.key.rport) == by]


def differences(got: Iterable[Item], expected: Iterable[Item], may_miss: int = 0, may_exceed: int = 0) -> list[str]:
    """Tell what one multiset has and the other has not, but for so many that may be missing, or be too many."""
    extra, missing = Counter(got), Counter(expected)
    extra, missing = extra - missing, missing - extra
    if extra.total() <= may_exceed and missing.total() <= may_miss:
        return []
    lines = [f"missing {count} x {item}" for item, count in missing.items()]
    lines += [f"extra {count} x {item}" for item, count in extra.items()]
    return [*lines[:_SHOWN], *([f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else [])]


def by_flow(segments: Iterable[Segment]) -> dict[tuple[str, str, int, str, int], list[Segment]]:
    """Put the segments of each connection and direction together, in their order."""
    flows: dict[tuple[str, str, int, str, int], list[Segment]] = defaultdict(list)
    for segment in segments:
        flows[segment.key.flow].append(segment)
    return dict(flows)
