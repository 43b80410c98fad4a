# SPDX-License-Identifier: GPL-2.0-only
"""The kernels that the live layer also runs on, each in a virtual machine."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.kernels.apt import Suites, cache_folder
from tests.live.recordings import RECORDINGS

RUNGS = ("fentry", "kprobe", "tracepoint")
"""Ways to attach: stock kernels have all of them, so none may be skipped."""

_IMAGE, _FLAVOUR = "linux-image-", "-cloud-amd64"  # the smallest, which boot fastest


@dataclass(frozen=True)
class Kernel:
    """A kernel of Debian's; which version of the series that is, is asked of its suites.

    Args:
        name: What tests and README call it.
        series: What its version begins with, up to the last dot.
        suites: Where it is looked for.
        share: What is made by default: the recordings by rung. All recordings for VMs by all rungs: ``--kernels all``.
    """

    name: str
    series: str
    suites: tuple[str, ...]
    share: tuple[tuple[str, str], ...] = ()

    def find_image(self) -> Path:
        """Give the image of the newest version, fetched if need be; its modules are where virtme-ng finds them.

        Raises:
            NotObtainable: It cannot be fetched.
        """
        suites = Suites(*self.suites)
        package = suites.newest(f"{_IMAGE}{self.series}.", _FLAVOUR)
        release = package.removeprefix(_IMAGE)
        parts = [name for name in suites.depends(package) if name.endswith(release)]  # since 7.2 there are several
        folder = cache_folder() / "kernels" / self.name
        root = suites.unpack([package, *parts], folder / release)
        for other in folder.iterdir():
            if other != root and not other.name.startswith("."):
                shutil.rmtree(other)
        return next(path for path in root.rglob("vmlinuz*") if path.is_file())


def series_of(release: str) -> str:
    """Give the first two numbers of a kernel's release."""
    return ".".join(re.findall(r"\d+", release)[:2])


_ROUTED = tuple((rung, "routed") for rung in RUNGS)

KERNELS = (
    Kernel("5.10", "5.10", ("bullseye", "bullseye-security"), (*_ROUTED, ("kprobe", "overload"))),
    Kernel("6.1", "6.1", ("bookworm", "bookworm-security"), (*_ROUTED, ("tracepoint", "overload"))),
    Kernel("6.12", "6.12", ("trixie", "trixie-security")),
    Kernel("6.18", "6.18", ("trixie-backports",)),
    Kernel("7.x", "7", ("trixie-backports", "sid"), (*_ROUTED, ("fentry", "loopback-super"), ("fentry", "overload"))),
)
"""Oldest first; the last one is the newest that Debian has."""

BY_NAME = {kernel.name: kernel for kernel in KERNELS}


def chosen_kernels(option: str) -> list[Kernel]:
    """Give the kernels that ``--kernels`` asks for: those with a share if it says nothing.

    Raises:
        ValueError: There is none of such a name.
    """
    if option == "all":
        return list(KERNELS)
    names = option.split(",") if option else [kernel.name for kernel in KERNELS if kernel.share]
    if unknown := set(names) - BY_NAME.keys():
        raise ValueError(f"--kernels: {', '.join(sorted(unknown))} is none of {', '.join(BY_NAME)} and all")
    return [BY_NAME[name] for name in names]


def to_record(kernel: Kernel, option: str) -> tuple[tuple[str, str], ...]:
    """Give the ways to attach and recordings to make on a kernel: its share, or all if ``--kernels`` asks for it."""
    names = [recording.name for recording in RECORDINGS if recording.is_for_vms]
    return tuple((rung, name) for rung in RUNGS for name in names) if option else kernel.share
