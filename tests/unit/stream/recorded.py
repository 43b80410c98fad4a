# SPDX-License-Identifier: GPL-2.0-only
"""Lines of recordings, made up for tests."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

import numpy as np
from hypothesis import strategies as st

from tcpio.stream.lines import Lines, Text

SECOND = 1_000_000_000
MOMENT_NS = 1_795_299_378_731_166_779  # 2026-11-21T22:16:18.731166779+00:00


def make_lines(*rows: tuple[int, bytes]) -> Lines:
    """Give lines with these keys."""
    text = b"".join(line for _, line in rows)
    keys, lengths = [key for key, _ in rows], [len(line) for _, line in rows]
    return Lines(np.array(keys, np.int64), np.array(lengths, np.int64), np.frombuffer(text, np.uint8))


def texts(lines: Lines) -> list[bytes]:
    """Give the lines one by one."""
    ends = np.cumsum(lines.lengths).tolist()
    assert (ends[-1] if ends else 0) == len(lines.text)
    return [lines.text[start:end].tobytes() for start, end in itertools.pairwise([0, *ends])]


def rows(lines: Iterable[Lines]) -> list[tuple[int, bytes]]:
    """Give the keys and the lines one by one."""
    return [row for part in lines for row in zip(part.keys.tolist(), texts(part), strict=True)]


def split(parts: Iterable[Text]) -> list[bytes]:
    """Give the lines of pieces of text."""
    return b"".join(part.tobytes() for part in parts).splitlines(keepends=True)


def iso(moment_ns: int, offset_minutes: int = 0) -> str:
    """Write a time as --time-format iso does."""
    second, ns = divmod(moment_ns, SECOND)
    moment = datetime.fromtimestamp(second, timezone(timedelta(minutes=offset_minutes))).isoformat()
    return f"{moment[:19]}.{ns:09d}{moment[19:]}"


def epoch(moment_ns: int) -> str:
    """Write a time as --time-format epoch does."""
    second, ns = divmod(moment_ns, SECOND)
    return f"{second:010d}.{ns:09d}"


@dataclass(frozen=True)
class Way:
    """A way in which lines are written: a row of the table of what can be sorted.

    Args:
        name: For the test's name.
        header: Line above the others, or empty.
        line: Of a time as iso and as a number, and something to tell lines apart.
    """

    name: str
    header: str
    line: str


WAYS = (
    Way("text", f"{'TIME':<35} CPU  FLAGS\n", "{iso} {tag:3d}  (ACK)\n"),
    Way("text without a header", "", "{iso} {tag:3d}  (ACK)\n"),
    Way("text by epoch", f"{'TIME':<20} CPU  FLAGS\n", "{epoch} {tag:3d}  (ACK)\n"),
    Way("text, the time behind", " CPU           LADDR TIME\n", " {tag} 192.0.2.8 {iso}\n"),
    Way("text, the epoch behind", " CPU           LADDR TIME\n", " {tag} 2001:db8::{tag} {epoch}\n"),
    Way("JSON Lines", "", '{{"time":"{iso}","ts_ns":{ns},"cpu":{tag}}}\n'),
    Way("JSON Lines without ts_ns", "", '{{"cpu":{tag},"time":"{iso}"}}\n'),
    Way("JSON Lines with nothing but ts_ns", "", '{{"cpu":{tag},"ts_ns":{ns}}}\n'),
    Way("CSV", "time,ts_ns,cpu\n", "{iso},{ns},{tag}\n"),
    Way("CSV, the time behind", "cpu,time\n", "{tag},{iso}\n"),
    Way("CSV, ts_ns behind", "cpu,ts_ns\n", "{tag},{ns}\n"),
)


def write(way: Way, moments: Sequence[tuple[int, int]], first_tag: int = 0) -> list[str]:
    """Write lines: of each the time in ns since 1970 and the zone's offset in minutes."""
    return [
        way.line.format(iso=iso(ns, offset), epoch=epoch(ns), ns=ns, tag=tag)
        for tag, (ns, offset) in enumerate(moments, first_tag)
    ]


def moments(around_ns: int = MOMENT_NS, within_ns: int = 10 * SECOND) -> st.SearchStrategy[tuple[int, int]]:
    """Times, some of them equal, and offsets of zones."""
    near = st.integers(around_ns, around_ns + within_ns) | st.integers(around_ns, around_ns + 3)
    return st.tuples(near, st.sampled_from([0, 0, 60, -210, 765]))
