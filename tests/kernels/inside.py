# SPDX-License-Identifier: GPL-2.0-only
"""What runs inside a VM: ``python3 -m tests.kernels.inside FOLDER RUNG...``."""

import json
import os
import sys
from pathlib import Path

from tests.live.harness import unheld_programs
from tests.live.record import record_all
from tests.live.recordings import RECORDINGS

SUMMARY = "summary.json"
"""What the machine was, and what was left in it."""


def main() -> int:
    """Make the recordings for VMs by each rung; those that fail leave word in their folders."""
    folder, rungs = Path(sys.argv[1]), sys.argv[2:]
    for rung in rungs:
        record_all([recording for recording in RECORDINGS if recording.is_for_vms], rung, folder / rung)
    summary = {"kernel": os.uname().release, "programs left": sorted(unheld_programs())}
    (folder / SUMMARY).write_text(json.dumps(summary))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
