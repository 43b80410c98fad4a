# SPDX-License-Identifier: GPL-2.0-only
"""The columns: one row each, read by help, output and README. A name is the same everywhere."""

from enum import Enum, auto
from typing import NamedTuple

from tcpio.errors import UsageError
from tcpio.schema.flags import FLAGS, flags_text
from tcpio.schema.states import STATES


class Kind(Enum):
    """What a column's values are, which decides how they are written."""

    TIME = auto()
    STAMP = auto()
    NUMBER = auto()
    ADDRESS = auto()
    PORT = auto()
    WORD = auto()


class Column(NamedTuple):
    """One column.

    Args:
        name: Its name: of the record's member, the JSON key, the CSV header; upper case in text.
        help: What it holds.
        kind: What its values are.
        width: Characters in text, at least.
        member: The record's member, where it is not called as the column is.
        words: For WORD: the text of each value.
        text_words: The same for text output, where it differs.
        is_left: Whether text is aligned to the left.
        is_send_only: Whether there is nothing to show for what was received.
        is_own: Whether hardly a segment has the same as another one.
        joins: The column after which a colon stands in front of this one instead of a blank.
        lead: What else stands in front of it in text.
        has_head: Whether it has a header in text.
        head_extra: How many characters wider than the values the header is.
    """

    name: str
    help: str
    kind: Kind
    width: int
    member: str = ""
    words: tuple[str, ...] = ()
    text_words: tuple[str, ...] = ()
    is_left: bool = False
    is_send_only: bool = False
    is_own: bool = False
    joins: str = ""
    lead: str = " "
    has_head: bool = True
    head_extra: int = 0

    @property
    def is_shared(self) -> bool:
        """Whether it is the same for all segments of a connection in one direction."""
        return self.source in ("laddr", "raddr", "lport", "rport", "dir", "netns")

    @property
    def source(self) -> str:
        """The member of the record that it is taken from."""
        return self.member or self.name

    @property
    def members(self) -> tuple[str, ...]:
        """All members of the record that its text depends on."""
        return (self.source, "dir") if self.is_send_only else (self.source,)


_FLAG_WORDS = tuple(flags_text(bits) for bits in range(1 << len(FLAGS)))

COLUMNS = (
    Column("time", "when the segment passed; see --time-format and --tz", Kind.TIME, 0, "ts_ns", is_left=True, lead=""),
    Column("ts_ns", "the same in nanoseconds since 1970, UTC", Kind.STAMP, 19),
    Column("cpu", "CPU on which it passed", Kind.NUMBER, 3),
    # In tcpio.d's header the local ends stand one character further left than in its lines.
    Column("laddr", "local address", Kind.ADDRESS, 16, head_extra=-1),
    Column("lport", "local port", Kind.PORT, 5, is_left=True, joins="laddr"),
    Column(
        "dir",
        "send or receive; -> or <- in text",
        Kind.WORD,
        2,
        words=("send", "receive"),
        text_words=("->", "<-"),
        is_left=True,
        has_head=False,
        head_extra=1,
    ),
    Column("raddr", "remote address", Kind.ADDRESS, 16),
    Column("rport", "remote port", Kind.PORT, 5, is_left=True, joins="raddr"),
    Column("bytes", "bytes of payload", Kind.NUMBER, 6),
    Column(
        "flags",
        f"flags of the TCP header: {' '.join(FLAGS)}, or null",
        Kind.WORD,
        16,
        words=_FLAG_WORDS,
        text_words=tuple(f"({word})" for word in _FLAG_WORDS),
        is_left=True,
        lead="  ",
    ),
    Column("segs", "segments in a super-segment (GSO or GRO), else 1", Kind.NUMBER, 4),
    Column("seq", "sequence number", Kind.NUMBER, 10, is_own=True),
    Column("ack", "acknowledgment number", Kind.NUMBER, 10, is_own=True),
    Column("win", "window as in the header, not scaled", Kind.NUMBER, 5),
    Column(
        "rtx",
        "1 if the kernel does not count the segment in OutSegs: a retransmission",
        Kind.WORD,
        3,
        words=("0", "1"),
        is_send_only=True,
    ),
    Column("state", "state of the sending socket", Kind.WORD, 12, words=STATES, is_left=True, is_send_only=True),
    Column("netns", "inode of the network namespace", Kind.NUMBER, 10),
    Column("thlen", "bytes of the TCP header, with options", Kind.NUMBER, 5),
)

DEFAULT = ("cpu", "laddr", "lport", "dir", "raddr", "rport", "bytes", "flags")
"""What tcpio.d prints."""

EVERY = tuple(column.name for column in COLUMNS)
"""All that there is, which is what a recording has."""

_BY_NAME = {column.name: column for column in COLUMNS}


def find_columns(text: str, *, with_time: bool, default: tuple[str, ...] = DEFAULT) -> tuple[Column, ...]:
    """Read a list of columns, ``laddr,rport`` or ``+seq,ack``, which adds to the default.

    Args:
        text: The list; empty is the default.
        with_time: Whether ``time`` comes first, if the list does not place it.
        default: The columns without a list.

    Raises:
        UsageError: There is no column of a name.
    """
    names = [name.strip().lower() for name in text.removeprefix("+").split(",")] if text else []
    for name in names:
        if name not in _BY_NAME:
            raise UsageError(f"there is no column {name!r}", hint=f"the columns are {', '.join(_BY_NAME)}")
    chosen = [*default, *names] if text.startswith("+") or not text else names
    if with_time and "time" not in chosen:
        chosen = ["time", *chosen]
    return tuple(_BY_NAME[name] for name in dict.fromkeys(chosen))
