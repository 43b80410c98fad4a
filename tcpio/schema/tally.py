# SPDX-License-Identifier: GPL-2.0-only
"""What is counted of segments that are not printed: their number, bytes and flags."""

import re
from typing import NamedTuple

from tcpio.schema.flags import FLAGS

_NUMBER = r"\d{1,18}"
_TALLY = re.compile(rf"bytes=({_NUMBER})" + "".join(rf"(?: {flag}=({_NUMBER}))?" for flag in FLAGS))

PATTERN = rf"({_NUMBER}) %s with ([^,]{{1,400}})"
"""Of a number of segments and of what str() gives, when %s is the word between."""


class Tally(NamedTuple):
    """Segments of one direction.

    Args:
        segments: How many.
        bytes: Of payload, in all of them.
        flags: How many have each of FLAGS.
    """

    segments: int = 0
    bytes: int = 0
    flags: tuple[int, ...] = (0,) * len(FLAGS)

    def __sub__(self, earlier: "Tally") -> "Tally":
        flags = tuple(now - before for now, before in zip(self.flags, earlier.flags, strict=True))
        return Tally(self.segments - earlier.segments, self.bytes - earlier.bytes, flags)

    def __str__(self) -> str:
        flags = (f"{flag}={count}" for flag, count in zip(FLAGS, self.flags, strict=True) if count)
        return " ".join((f"bytes={self.bytes}", *flags))


def parse_tally(segments: str, text: str) -> Tally | None:
    """Read a number of segments, and what ``str`` gives of the rest; None if it is none."""
    match = _TALLY.fullmatch(text)
    if not match:
        return None
    size, *flags = (int(number or 0) for number in match.groups())
    return Tally(int(segments), size, tuple(flags))
