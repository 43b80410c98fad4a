# SPDX-License-Identifier: GPL-2.0-only
"""What the C library does with memory that is freed."""

import ctypes

# malloc.h of the GNU C library: mallopt(3); the second's limit is HEAP_MAX_SIZE / 2
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_MOST_MMAP_THRESHOLD = 32 << 20
_KEPT_MEMORY = 64 << 20


def keep_freed_memory() -> None:
    """Let the C library keep up to 64 MB of what is freed, instead of giving it back to the kernel at once.

    What is made of a round's segments is freed when they are written. The next round's would be mapped, zeroed and
    faulted in anew, page by page, which is a fifth of all that a line costs.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # of another C library: it has rules of its own
    if mallopt:
        mallopt(_M_MMAP_THRESHOLD, _MOST_MMAP_THRESHOLD)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_MEMORY)
