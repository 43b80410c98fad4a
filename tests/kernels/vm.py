# SPDX-License-Identifier: GPL-2.0-only
"""Boot a kernel under emulation, with this machine's own files, and run a command in it."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.live.programs import CHECKOUT

OUTPUT = Path("/mnt")
"""Where a command finds the folder it may write to: outside of what is mounted anew."""

_MINUTES = 25
_TAIL = 40

# A stock kernel does not start under every host's KVM, so it is emulated; with cx16 some images crash in QEMU 7.2.
_QEMU = "-cpu max,-cx16 -virtfs local,path=/,mount_tag=cached,security_model=none,readonly=on,multidevs=remap"

# The machine's root is this one's, and each read of it goes to the host. A second mount of it that may cache, since
# nothing can be written through it, makes Python start in a second instead of eight.
_CACHED = "/run/cached"
_PATIENCE = 5  # times as long as tests wait elsewhere
_MOUNT = f"mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro cached {_CACHED}"


class VmFailed(Exception):
    """The machine did not come up, or what it ran failed."""


def find_vng() -> Path | None:
    """Find virtme-ng: TCPIO_VNG, else on PATH, else beside the Python that runs the tests."""
    given = os.environ.get("TCPIO_VNG")
    if given:
        return Path(given)
    beside = Path(sys.executable).with_name("vng")
    found = shutil.which("vng") or (beside if beside.exists() else None)
    return Path(found) if found else None


def find_lacking() -> str:
    """Tell what this machine lacks to run a VM, and what would provide it; empty if nothing."""
    if not shutil.which("qemu-system-x86_64"):
        return "no QEMU: apt-get install qemu-system-x86"
    if not shutil.which("busybox"):
        return "no busybox, which virtme-ng boots with: apt-get install busybox-static"
    if not find_vng():
        return "no virtme-ng: pip install virtme-ng, and name its vng in TCPIO_VNG if it is not on PATH"
    return ""


def _inside(command: Sequence[str]) -> str:
    # The command line for the machine's shell.
    steps = [f"mkdir {_CACHED}", _MOUNT]
    steps += [f"mount --bind {_CACHED}{path} {path}" for path in ("/usr", shlex.quote(str(CHECKOUT)))]
    steps += [f"cd {shlex.quote(str(CHECKOUT))}", f"export TCPIO_TEST_PATIENCE={_PATIENCE}", shlex.join(command)]
    return " && ".join(steps)


def run_in_vm(image: Path, command: Sequence[str], folder: Path) -> None:
    """Boot a kernel, run a command in the checkout, and keep what the machine prints.

    Args:
        image: The kernel.
        command: What to run; it finds the folder at OUTPUT.
        folder: Where the machine may write; what it prints is in vm.log.

    Raises:
        VmFailed: It did not come up, or the command's status is not 0.
    """
    vng = find_vng()
    if vng is None:
        raise VmFailed(find_lacking())
    options = ["--disable-kvm", "--cpus", "2", "--memory", "2G", "--rw", f"--rwdir={OUTPUT}={folder}"]
    line = [str(vng), "-r", str(image), *options, f"--qemu-opts={_QEMU}", "--", _inside(command)]
    log = folder / "vm.log"
    with (
        log.open("wb") as said,
        subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": f"{vng.parent}:{os.environ['PATH']}"},  # where it finds its other programs
            start_new_session=True,
        ) as machine,
    ):
        try:
            machine.wait(60 * _MINUTES)
        except subprocess.TimeoutExpired:
            pass
        finally:
            if machine.poll() is None:
                os.killpg(machine.pid, signal.SIGKILL)
    if machine.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL:])
        raise VmFailed(f"{image.name}: status {machine.returncode}; the end of {log}:\n{tail}")
