# SPDX-License-Identifier: GPL-2.0-only
"""What is kept for the next time, above all compiled programs: to compile is most of the time that a start takes.

What is kept depends on nothing but its key, which is a digest of all that went into it: of programs tcpio, its C with
the kernel's offsets and the filter in it, and the machine. The folder must be this user's own and no one else's to
write, since what lies in it is loaded into the kernel; if it is not, or cannot be made, nothing is kept. The kernel
verifies what it is given in any case.
"""

import contextlib
import hashlib
import os
import platform
import stat
from collections.abc import Callable
from pathlib import Path

import tcpio
from tcpio.kernel.compile import Compilation, Compiled
from tcpio.kernel.cpus import POSSIBLE
from tcpio.kernel.source import Source
from tcpio.schema.c_header import BPF_DIR

FOLDER = Path("/var/cache/tcpio")
VARIABLE = "TCPIO_CACHE"
"""Names another folder in the environment; empty keeps nothing."""

_MOST_FILES = 64


def start_compiling(source: Source) -> Callable[[], Compiled]:
    """Begin to make the programs of a source: take those that were kept, or compile them in the background.

    Returns:
        Waits for them, and keeps them; to be called once. It raises UnsupportedKernel if BCC is missing, or cannot
        compile them.
    """
    key = make_key(tcpio.__version__, platform.machine(), POSSIBLE.read_text(), source.text, *_headers())
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # not there, or damaged
        kept = Compiled.from_json(recall(key))
        return lambda: kept
    compilation = Compilation(source)

    def result() -> Compiled:
        compiled = compilation.result()
        keep(key, compiled.to_json())
        return compiled

    return result


def _headers() -> list[str]:
    return [path.read_text() for path in sorted(BPF_DIR.rglob("*.h"))]


def make_key(*parts: str) -> str:
    """Give the digest of all that something depends on."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}\0{part}".encode())
    return digest.hexdigest()


def recall(key: str) -> str:
    """Give what was kept.

    Raises:
        OSError: There is nothing, or it is not to be trusted.
        ValueError: It is no text.
    """
    folder = _find_folder()
    if folder is None:
        raise FileNotFoundError(key)
    return _read(folder / f"{key}.json")


def keep(key: str, text: str) -> None:
    """Keep JSON, if it can be kept: a full disk is no reason not to trace."""
    folder = _find_folder()
    if folder:
        with contextlib.suppress(OSError):
            _write(folder / f"{key}.json", text)


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


def _read(path: Path) -> str:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    with os.fdopen(fd) as file:
        if not _is_ours(os.fstat(fd), stat.S_ISREG):
            raise PermissionError(path)
        return file.read()


def _write(path: Path, text: str) -> None:
    # Whole or not at all: another tcpio may be reading.
    unfinished = path.with_suffix(f".{os.getpid()}")
    fd = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)
    unfinished.rename(path)
    oldest_first = sorted(path.parent.glob("*.json"), key=lambda kept: kept.stat().st_mtime)
    for old in oldest_first[:-_MOST_FILES]:
        old.unlink(missing_ok=True)
