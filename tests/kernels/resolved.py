# SPDX-License-Identifier: GPL-2.0-only
"""What tcpio chose to attach on each kernel, as VMs found it: README shows it.

``python3 -m tests.kernels.resolved`` writes it anew from what the last run of the tests left in pytest's cache.
"""

import json
from pathlib import Path
from typing import Any

from tests.kernels.inside import SUMMARY
from tests.kernels.kernels import KERNELS
from tests.live.programs import CHECKOUT

PATH = Path(__file__).with_suffix(".json")

HOW = "tests/run tests/kernels --kernels all; python3 -m tests.kernels.resolved"

_CACHE = CHECKOUT / ".pytest_cache" / "d" / "kernels"


def read() -> dict[str, Any]:
    """Give by kernel: its release, and the hooks of each site by way to attach."""
    found: dict[str, Any] = json.loads(PATH.read_text())
    return found


def collect(folder: Path) -> dict[str, Any]:
    """Take from the VMs' summaries what is kept of them; of kernels that were not booted what was known stays."""
    found = read() if PATH.exists() else {}
    for kernel in KERNELS:
        path = folder / kernel.name / SUMMARY
        if path.exists():
            summary = json.loads(path.read_text())
            found[kernel.name] = {key: summary[key] for key in ("kernel", "hooks")}
    return {kernel.name: found[kernel.name] for kernel in KERNELS if kernel.name in found}


if __name__ == "__main__":
    PATH.write_text(json.dumps(collect(_CACHE), indent=1) + "\n")
