# SPDX-License-Identifier: GPL-2.0-only
"""Tracing where the kernel does not tell its types: /sys/kernel/btf is hidden in a mount namespace of its own."""

import shutil
from pathlib import Path

from tcpio.kernel.btf import KERNEL_BTF
from tests.live.harness import make_segments, run, tracing
from tests.live.programs import read_counts
from tests.live.topologies import Network

# A mount namespace of unshare's is private: nothing of it is seen outside, and it goes with the last process in it.
_HIDDEN = ("unshare", "--mount", "sh", "-c", f'mount -t tmpfs none {KERNEL_BTF.parent} && exec "$@"', "sh")


def see_that_it_is_refused() -> None:
    """See that tcpio ends with one line that says what to do, and with its status for what a kernel lacks."""
    done = run("trace", "--timeout", "5", wrapper=_HIDDEN)

    assert done.returncode == 3
    assert done.stdout == ""
    assert [all(word in line for word in (str(KERNEL_BTF), "--btf FILE")) for line in done.stderr.splitlines()] == [
        True
    ]


def see_that_a_file_helps(network: Network, folder: Path, rung: str, *, is_option: bool = True) -> None:
    """See that every segment is traced with a copy of the kernel's types, by an option or by TCPIO_BTF."""
    copy = folder / "types"
    shutil.copyfile(KERNEL_BTF, copy)
    options = ("--btf", str(copy)) if is_option else ()
    environment = {} if is_option else {"TCPIO_BTF": str(copy)}
    by_rung = ("--attach", rung, *options)

    with tracing(network, folder, *by_rung, environment=environment, wrapper=_HIDDEN) as program:
        count = make_segments(network)
        assert program.stop() == 0

    counts = read_counts(program.said)
    assert f"tracing by {rung} " in program.said, program.said
    assert counts["printed"] + counts["missed"] == count, f"{count} segments: {program.said}"
