# SPDX-License-Identifier: GPL-2.0-only
"""Freed memory is kept, where the C library can be told so."""

import platform
import subprocess
import sys

import pytest


def count_faults(*, keeps: bool) -> int:
    """Count the page faults of memory that is used and freed, in a process of its own."""
    code = f"""if True:
        import resource
        from tcpio.cli.memory import keep_freed_memory
        if {keeps}:
            keep_freed_memory()
        def use():
            return [bytearray(300_000) for _ in range(20)]
        use()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(5):
            use()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    """
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_memory_that_is_kept_is_not_faulted_in_again() -> None:
    assert count_faults(keeps=True) * 100 < count_faults(keeps=False)
