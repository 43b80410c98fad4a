# SPDX-License-Identifier: GPL-2.0-only
"""Files of a limited size or time: each, when it is closed, is renamed to when it began."""

import re
import time
from pathlib import Path
from typing import NamedTuple

from tcpio.errors import OutputError

_SECOND_NS = 1_000_000_000
_STAMP = r"(\d{8}T\d{6}\.\d{9}Z)(?:-(\d{1,9}))?"


class Rotation(NamedTuple):
    """When to begin another file, and how many to keep.

    Args:
        size: Bytes of a file, about; None is no limit.
        time_ns: Between a file's first segment and the next file's; None is no limit.
        keep: How many closed files are kept; None is all.
    """

    size: int | None = None
    time_ns: int | None = None
    keep: int | None = None


def close_as(path: Path, began_ns: int) -> Path:
    """Give a file that was written its lasting name: trace.csv becomes trace-20261121T221618.731166779Z.csv.

    Args:
        path: The file.
        began_ns: Wall time of what is first in it.

    Raises:
        OutputError: It cannot be renamed.
    """
    seconds, ns = divmod(began_ns, _SECOND_NS)
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(seconds)) + f".{ns:09}Z"
    target = path.with_name(f"{path.stem}-{stamp}{path.suffix}")
    number = 0
    while target.exists():
        number += 1
        target = path.with_name(f"{path.stem}-{stamp}-{number}{path.suffix}")
    try:
        path.rename(target)
    except OSError as error:
        raise OutputError(f"cannot rename {path} to {target}: {error.strerror}") from error
    return target


def find_closed(path: Path) -> list[Path]:
    """Find the files that were closed and have their lasting names, oldest first."""
    name = re.compile(re.escape(f"{path.stem}-") + _STAMP + re.escape(path.suffix))
    found = [(match, file) for file in path.parent.iterdir() if (match := name.fullmatch(file.name))]
    return [file for match, file in sorted(found, key=lambda pair: (pair[0][1], int(pair[0][2] or 0)))]


def remove_old(path: Path, keep: int) -> None:
    """Remove all closed files but the last ones.

    Raises:
        OutputError: One cannot be removed.
    """
    for file in find_closed(path)[:-keep]:
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"cannot remove {file}: {error.strerror}") from error
