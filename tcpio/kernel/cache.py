# SPDX-License-Identifier: GPL-2.0-only
"""Compiled programs, kept for the next time: to compile is most of the time that a start takes.

What is kept depends on nothing but its key, which is a digest of all that went into it: tcpio, its C with the kernel's
offsets and the filter in it, and the machine. The folder must be this user's own and no one else's to write, since what
lies in it is loaded into the kernel; if it is not, or cannot be made, nothing is kept. The kernel verifies what it is
given in any case.
"""

import base64
import contextlib
import hashlib
import json
import os
import platform
import stat
from collections.abc import Callable
from pathlib import Path

import tcpio
from tcpio.kernel.compile import Compiled, compile_source
from tcpio.kernel.cpus import POSSIBLE
from tcpio.kernel.source import Source
from tcpio.kernel.syscall import MapSpec
from tcpio.schema.c_header import BPF_DIR

FOLDER = Path("/var/cache/tcpio")
VARIABLE = "TCPIO_CACHE"
"""Names another folder in the environment; empty keeps nothing."""

_MOST_FILES = 64


def get_compiled(source: Source) -> Compiled:
    """Give the programs of a source: those that were kept, or compiled now and kept.

    Raises:
        UnsupportedKernel: BCC is missing, or cannot compile them.
    """
    folder = _find_folder()
    if folder is None:
        return compile_source(source)
    path = folder / f"{make_key(source)}.json"
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # not there, or damaged
        return _read(path)
    compiled = compile_source(source)
    with contextlib.suppress(OSError):  # a full disk is no reason not to trace
        _write(path, compiled)
    return compiled


def make_key(source: Source) -> str:
    """Give the digest of all that the instructions depend on."""
    digest = hashlib.sha256()
    parts = [tcpio.__version__, platform.machine(), POSSIBLE.read_text(), source.text]
    parts += [path.read_text() for path in sorted(BPF_DIR.rglob("*.h"))]
    for part in parts:
        digest.update(f"{len(part)}\0{part}".encode())
    return digest.hexdigest()


def _find_folder() -> Path | None:
    named = os.environ.get(VARIABLE)
    if named == "":
        return None
    folder = Path(named) if named else FOLDER
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder if _is_ours(folder.lstat(), stat.S_ISDIR) else None
    except OSError:
        return None


def _is_ours(status: os.stat_result, is_kind: Callable[[int], bool]) -> bool:
    others_may_write = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return is_kind(status.st_mode) and status.st_uid == os.geteuid() and not others_may_write


def _read(path: Path) -> Compiled:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    with os.fdopen(fd) as file:
        if not _is_ours(os.fstat(fd), stat.S_ISREG):
            raise PermissionError(path)
        kept = json.load(file)
    return Compiled(
        tuple(MapSpec(*spec) for spec in kept["maps"]),
        {name: base64.b64decode(code) for name, code in kept["programs"].items()},
    )


def _write(path: Path, compiled: Compiled) -> None:
    kept = {
        "maps": [list(spec) for spec in compiled.maps],
        "programs": {name: base64.b64encode(code).decode() for name, code in compiled.programs.items()},
    }
    # Whole or not at all: another tcpio may be reading.
    unfinished = path.with_suffix(f".{os.getpid()}")
    fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w") as file:
        json.dump(kept, file)
    unfinished.rename(path)
    oldest_first = sorted(path.parent.glob("*.json"), key=lambda kept: kept.stat().st_mtime)
    for old in oldest_first[:-_MOST_FILES]:
        old.unlink(missing_ok=True)
