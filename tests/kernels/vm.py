# SPDX-License-Identifier: GPL-2.0-only
"""Boot a kernel under emulation, with this machine's own files, and run a command in it."""

import os
import platform
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from compileall import compile_dir
from pathlib import Path

from tests.kernels.apt import Suites, cache_folder
from tests.live.programs import CHECKOUT

OUTPUT = Path("/mnt")
"""Where a command finds the folder it may write to. Of all else the machine has a view that nothing can be written
through."""

_TAIL = 40
_PATIENCE = 5  # times as long as tests wait elsewhere

# A stock kernel does not start under every host's KVM, so it is emulated; with cx16 some images crash in QEMU 7.2.
_QEMU = "-cpu max,-cx16"
# Nobody attacks an emulated processor, whose guest would spend a quarter of its time on being safe from it.
_BOOT = "mitigations=off"

# The small kernels know only virtiofs, and virtme-ng only the daemon of that name that is written in Rust. Debian 12
# has none, so it is Debian 13's, with the libraries that it was built for.
_DAEMON = ("virtiofsd", "libc6", "libcap-ng0", "libgcc-s1", "libseccomp2")
_DAEMON_SUITE = "trixie"
_RUN_DAEMON = """#!/bin/sh
exec {root}/usr/lib64/ld-linux-x86-64.so.2 --library-path {root}/usr/lib/x86_64-linux-gnu \\
	{root}/usr/libexec/virtiofsd "$@"
"""


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
    if platform.machine() != "x86_64":
        return f"the kernels that are fetched are for x86-64, and this is {platform.machine()}"
    if not shutil.which("qemu-system-x86_64"):
        return "no QEMU: apt-get install qemu-system-x86"
    if not shutil.which("busybox"):
        return "no busybox, which virtme-ng boots with: apt-get install busybox-static"
    if not find_vng():
        return "no virtme-ng: pip install virtme-ng, and name its vng in TCPIO_VNG if it is not on PATH"
    return ""


def find_daemon() -> Path:
    """Give the folder with the program ``virtiofsd``, fetched if need be.

    Raises:
        NotObtainable: It cannot be fetched.
    """
    root = cache_folder() / "virtiofsd"
    if not root.exists():
        Suites(_DAEMON_SUITE).unpack(list(_DAEMON), root)
    program = root / "bin" / "virtiofsd"
    program.parent.mkdir(exist_ok=True)
    program.write_text(_RUN_DAEMON.format(root=shlex.quote(str(root))))
    program.chmod(0o755)
    return program.parent


def _inside(command: Sequence[str]) -> str:
    # The command line for the machine's shell.
    steps = [f"cd {shlex.quote(str(CHECKOUT))}", f"export TCPIO_TEST_PATIENCE={_PATIENCE}", shlex.join(command)]
    return " && ".join(steps)


def run_in_vm(image: Path, command: Sequence[str], folder: Path, *, minutes: int) -> None:
    """Boot a kernel, run a command in the checkout, and keep what the machine prints.

    Args:
        image: The kernel.
        command: What to run; it finds the folder at OUTPUT.
        folder: Where the machine may write; what it prints is in vm.log.
        minutes: After so many it is ended.

    Raises:
        NotObtainable: What a VM needs beside the kernel cannot be fetched.
        VmFailed: It did not come up, or the command's status is not 0.
    """
    vng = find_vng()
    if vng is None:
        raise VmFailed(find_lacking())
    compile_dir(CHECKOUT / "tcpio", quiet=1)  # once, and not by each process in there
    compile_dir(CHECKOUT / "tests", quiet=1)
    path = f"{vng.parent}:{find_daemon()}:{os.environ['PATH']}"  # where virtme-ng finds its other programs
    options = ["--disable-kvm", "--cpus", "2", "--memory", "2G", f"--rwdir={OUTPUT}={folder}", "-a", _BOOT]
    line = [str(vng), "-r", str(image), *options, f"--qemu-opts={_QEMU}", "--", _inside(command)]
    log = folder / "vm.log"
    with (
        tempfile.TemporaryDirectory(prefix="tcpio-") as scratch,  # virtme-ng's own: it may have to be killed
        log.open("wb") as said,
        subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": path, "TMPDIR": scratch},
            start_new_session=True,
        ) as machine,
    ):
        try:
            machine.wait(60 * minutes)
        except subprocess.TimeoutExpired:
            pass
        finally:
            if machine.poll() is None:
                os.killpg(machine.pid, signal.SIGKILL)
    if machine.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL:])
        raise VmFailed(f"{image.name}: status {machine.returncode}; the end of {log}:\n{tail}")
