# SPDX-License-Identifier: GPL-2.0-only
"""The flags of the TCP header, in tcpio.d's words and order."""

from tcpio.errors import UsageError

FLAGS = ("FIN", "SYN", "RST", "PUSH", "ACK", "URG", "ECE", "CWR")
"""Bit 0 first (RFC 9293, 3.1). AE (RFC 9768) is bit 8 of a record's flags; tcpio.d has no word for it."""

NO_FLAGS = "null"
"""What tcpio.d prints where none is set."""

_ALIASES = {"PSH": "PUSH"}


def flags_text(bits: int) -> str:
    """Give tcpio.d's text of the flags set in the low eight bits, such as ``PUSH|ACK``."""
    return "|".join(name for bit, name in enumerate(FLAGS) if bits >> bit & 1) or NO_FLAGS


def parse_flags(text: str) -> int:
    """Read a list of flags, ``SYN,fin,RST``, as bits.

    Raises:
        UsageError: A word is no flag.
    """
    bits = 0
    for word in text.upper().replace("|", ",").split(","):
        name = _ALIASES.get(word.strip(), word.strip())
        if name not in FLAGS:
            raise UsageError(f"no TCP flag is called {word!r}", hint=f"the flags are {', '.join(FLAGS)}")
        bits |= 1 << FLAGS.index(name)
    return bits
