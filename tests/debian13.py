# SPDX-License-Identifier: GPL-2.0-only
"""The live tests with Debian 13's BCC and Python: ``python3 -m tests.debian13 [ARGUMENT...]``, as root.

They run on this machine's kernel, in a root of their own that is made once and kept with all that tests fetch. What is
mounted there is in a mount namespace of its own, and goes with it.
"""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.kernels.apt import KEYRING, NotObtainable, cache_folder, find_mirror
from tests.live.programs import CHECKOUT

_SUITE = "trixie"
_PACKAGES = (
    *("python3-bpfcc", "python3-numpy", "python3-colorama", "python3-dateutil", "python3-pytest"),
    *("iproute2", "nftables", "ethtool", "tcpdump", "tshark", "iperf3", "bpftool", "procps", "kmod", "util-linux"),
)

_CHECKOUT = "/checkout"
_LIVE = "tests/live"
_ENTER = """
set -e
mount --rbind {root} {root}
cd {root}
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs tmpfs tmp
mount -t tmpfs tmpfs run
mkdir -p .{inside}
mount --bind -o ro {checkout} .{inside}
exec chroot . env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 sh -c {command}
"""


def _in_own_mounts(command: Sequence[str]) -> int:
    return subprocess.run(["unshare", "--mount", *command], check=False).returncode


def make_root() -> Path:
    """Give the folder with Debian 13, made if need be.

    Raises:
        NotObtainable: It cannot be fetched.
    """
    root = cache_folder() / "debian13"
    if root.exists():
        return root
    scratch = root.with_name(".debian13")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.parent.mkdir(parents=True, exist_ok=True)
    options = ["--variant=minbase", f"--keyring={KEYRING}", f"--include={','.join(_PACKAGES)}"]
    if _in_own_mounts(["debootstrap", *options, _SUITE, str(scratch), find_mirror(_SUITE)]):
        raise NotObtainable(f"debootstrap cannot make a root with {_SUITE}: see {scratch}/debootstrap")
    return scratch.rename(root)


def main() -> int:
    """Run pytest there with the arguments given; all live tests if they name none."""
    arguments = sys.argv[1:] if any(_LIVE in argument for argument in sys.argv) else [*sys.argv[1:], _LIVE]
    run = f"cd {_CHECKOUT} && exec python3 -m pytest -p no:cacheprovider {shlex.join(arguments)}"
    try:
        root = make_root()
    except NotObtainable as error:
        sys.stderr.write(f"{error}\n")
        return 1
    script = _ENTER.format(
        root=shlex.quote(str(root)),
        inside=_CHECKOUT,
        checkout=shlex.quote(str(CHECKOUT)),
        command=shlex.quote(run),
    )
    return _in_own_mounts(["sh", "-c", script])


if __name__ == "__main__":
    raise SystemExit(main())
