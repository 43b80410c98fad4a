# SPDX-License-Identifier: GPL-2.0-only
"""Files that appear when they are finished: nobody finds half of one under its name."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tcpio.errors import OutputError
from tcpio.output.sink import Sink


@contextmanager
def whole_file(path: Path) -> Iterator[Sink]:
    """Give a sink for a file that takes its name, and the place of what had it, at the end, unless an error ends it.

    Until then it is called FILE.part.

    What is no file of its own, such as a device or a pipe, is written to in place.

    Raises:
        UsageError: The file cannot be made.
        OutputError: It cannot be given its name.
    """
    if path.exists() and not path.is_file():
        with Sink(path) as sink:
            yield sink
        return
    target = Path(os.path.realpath(path))
    part = target.with_name(f"{target.name}.part")
    try:
        with Sink(part) as sink:
            yield sink
        if target.exists():
            part.chmod(target.stat().st_mode)
        part.replace(target)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
