# SPDX-License-Identifier: GPL-2.0-only
"""The kernels that the live layer also runs on, each in a virtual machine."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

BOOT = Path("/boot")


@dataclass(frozen=True)
class Kernel:
    """A kernel that a package of the distribution provides.

    Args:
        name: What tests call it.
        package: A package that depends on the kernel's own, whose name has its version.
        rungs: tcpio's ways to attach that it has: none of them may be skipped.
    """

    name: str
    package: str
    rungs: tuple[str, ...]

    def find_image(self) -> Path | None:
        """Find the image of the newest installed version; None if the package is not installed."""
        command = ["dpkg-query", "-W", "-f", "${Depends}", self.package]
        try:
            depends = subprocess.run(command, capture_output=True, text=True, check=False).stdout
        except FileNotFoundError:
            return None
        version = re.search(r"linux-image-(\d\S*)", depends)
        image = BOOT / f"vmlinuz-{version[1]}" if version else None
        return image if image and image.exists() else None


KERNELS = (Kernel("debian", "linux-image-amd64", ("fentry", "kprobe")),)
