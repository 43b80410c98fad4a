# SPDX-License-Identifier: GPL-2.0-only
"""Make recordings: ``python3 -m tests.live.record FOLDER --attach RUNG [--for-vms] [NAME...]``."""

import argparse
import json
import sys
import time
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from tests.live.recorder import FACTS, record
from tests.live.recordings import BY_NAME, RECORDINGS, Recording
from tests.live.termination import ending_by
from tests.live.topologies import NoSuchDevice

FAILURE, LACKING = "failure.txt", "lacking.txt"
"""In the folder of a recording that could not be made: why; or what the kernel lacks for it."""


def record_all(recordings: Iterable[Recording], rung: str, folder: Path) -> bool:
    """Make recordings, one after the other, and say how long each took; tell whether all could be made."""
    is_complete = True
    for recording in recordings:
        began = time.monotonic()
        try:
            facts = json.loads((record(recording, rung, folder) / FACTS).read_text())
            outcome = ", ".join(f"{phase} {seconds:.1f} s" for phase, seconds in facts["seconds"].items())
        except NoSuchDevice as error:
            _note(folder / recording.name / LACKING, str(error))
            outcome = str(error)
        except Exception:  # noqa: BLE001  the others are still wanted
            _note(folder / recording.name / FAILURE, traceback.format_exc())
            outcome, is_complete = "failed", False
        sys.stderr.write(f"{rung} {recording.name}: {outcome}, {time.monotonic() - began:.1f} s\n")
    return is_complete


def _note(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def main() -> int:
    """Make the recordings that are asked for."""
    parser = argparse.ArgumentParser(prog="tests.live.record", description="Record traffic in namespaces of its own.")
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where to put the recordings")
    parser.add_argument("--attach", required=True, metavar="RUNG", help="tcpio's way to attach")
    parser.add_argument("--for-vms", action="store_true", help="only those that are made under emulation too")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these of {', '.join(BY_NAME)}")
    args = parser.parse_intermixed_args()
    chosen = [BY_NAME[name] for name in args.names] or RECORDINGS
    wanted = [recording for recording in chosen if recording.is_for_vms or not args.for_vms]
    with ending_by(_end):
        return 0 if record_all(wanted, args.attach, args.folder) else 1


def _end() -> NoReturn:
    raise SystemExit(143)


if __name__ == "__main__":
    raise SystemExit(main())
