# SPDX-License-Identifier: GPL-2.0-only
"""What runs inside a VM: ``python3 -m tests.kernels.inside FOLDER RUNG:RECORDING...``."""

import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from tcpio.kernel.compile import import_bcc
from tcpio.kernel.hooks import Direction, Rung
from tcpio.kernel.plan import make_plan
from tests.kernels import preloaded
from tests.live.harness import unheld_programs
from tests.live.programs import Program
from tests.live.record import record_all
from tests.live.recordings import BY_NAME
from tests.live.topologies import loopback
from tests.live.without_btf import see_that_a_file_helps, see_that_it_is_refused

SUMMARY = "summary.json"
"""What the machine was, which hooks tcpio chose in it, how it did without BTF, and what was left in it."""

FILE_HELPS = "with a file"
NO_FILE = "without a file"
"""In the summary, below "without BTF"."""


def read_hooks() -> dict[str, dict[str, list[str]]]:
    """Ask tcpio what it attaches on this kernel: by rung, for each site."""
    plans = {rung: make_plan(None, rung=rung, directions=tuple(Direction)) for rung in Rung}
    return {
        rung.value: {
            choice.site.name: [str(hook) for hook in choice.way.hooks] if choice.way else [] for choice in plan.choices
        }
        for rung, plan in plans.items()
    }


def _see(that: Callable[[], None]) -> str:
    try:
        that()
    except Exception:  # noqa: BLE001  it is read outside
        return traceback.format_exc()
    return ""


def _see_that_a_file_helps(rung: str) -> None:
    with tempfile.TemporaryDirectory() as scratch, loopback(has_super_segments=False) as network:
        see_that_a_file_helps(network, Path(scratch), rung)


def main() -> int:
    """Make the recordings that are asked for; those that fail leave word in their folders."""
    folder = Path(sys.argv[1])
    wanted = [argument.split(":") for argument in sys.argv[2:]]
    import_bcc()  # and LLVM, once, and not by each compilation
    Program.start = staticmethod(preloaded.start)
    for rung, pairs in groupby(wanted, lambda pair: pair[0]):
        record_all([BY_NAME[name] for _, name in pairs], rung, folder / rung)
    Program.start = subprocess.Popen
    without_btf = {
        NO_FILE: _see(see_that_it_is_refused),
        FILE_HELPS: _see(lambda: _see_that_a_file_helps(wanted[0][0])),
    }
    summary = {
        "kernel": os.uname().release,
        "hooks": read_hooks(),
        "without BTF": without_btf,
        "programs left": sorted(unheld_programs()),
    }
    (folder / SUMMARY).write_text(json.dumps(summary))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
