# SPDX-License-Identifier: GPL-2.0-only
"""The words that tcpipstat.stp took in front of its filters: ``index=lport timeout=60 nozeros=1 onclose=1``."""

import argparse
from collections.abc import Callable, Sequence

from tcpio.errors import UsageError

_INDEXES = ("laddr", "raddr", "lport", "rport", "tuple")


def _index(args: argparse.Namespace, value: str) -> None:
    if value not in _INDEXES:
        raise UsageError(f"index={value} is none of {', '.join(_INDEXES)}", hint="lists and prefixes: --by LIST")
    args.by = value


def _timeout(args: argparse.Namespace, value: str) -> None:
    args.timeout = value


def _nozeros(args: argparse.Namespace, value: str) -> None:
    args.zeros = not _to_bool("nozeros", value)


def _onclose(args: argparse.Namespace, value: str) -> None:
    args.on_close = _to_bool("onclose", value)


def _to_bool(name: str, value: str) -> bool:
    if value not in ("0", "1"):
        raise UsageError(f"{name}={value} is neither 0 nor 1")
    return value == "1"


_WORDS: dict[str, Callable[[argparse.Namespace, str], None]] = {
    "index": _index,
    "timeout": _timeout,
    "nozeros": _nozeros,
    "onclose": _onclose,
}


def take_words(args: argparse.Namespace, texts: Sequence[str]) -> list[str]:
    """Set the options that tcpipstat's words stand for, and give the filters behind them.

    Raises:
        UsageError: There is no such word, or it does not take this value, or it stands behind a filter.
    """
    filters: list[str] = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            filters.append(text)
        elif name not in _WORDS or filters:
            reason = f"stands behind the filter {filters[0]!r}" if filters else "is no option"
            raise UsageError(f"{text!r} {reason}", hint=f"in front of filters: {', '.join(f'{w}=' for w in _WORDS)}")
        else:
            _WORDS[name](args, value)
    return filters
