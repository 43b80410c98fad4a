# SPDX-License-Identifier: GPL-2.0-only
"""What a BCC script usually does: Python is called for each event, and prints a line.

The programs are tcpio's own, so that only the way of reading differs: ``tcpio --print-bpf`` to a file, and that file's
name, and the folder with tcpio's bpf/, are the arguments.
"""

import ctypes
import os
import re
import signal
import sys
from pathlib import Path
from socket import AF_INET, inet_ntop
from struct import pack
from typing import Any

READY = "bcc_callback: tracing"
"""What is said on stderr when tracing has begun."""

_FLAGS = ("FIN", "SYN", "RST", "PUSH", "ACK", "URG", "ECE", "CWR")
_FLAG_WORDS = ["|".join(word for bit, word in enumerate(_FLAGS) if bits >> bit & 1) or "null" for bits in range(256)]
_ARROWS = ("->", "<-")
_RING_PAGES = 1024
_ROUND_MS = 100
_LOST = 1  # enum tcp_outcome


def trace(source: str, folder: Path) -> str:
    """Print a line for each event until interrupted, and tell what was lost."""
    os.environ["BCC_KERNEL_SOURCE"] = str(folder)
    from bcc import BPF  # noqa: PLC0415, TID251  it reads the environment; and this is not tcpio

    # BCC attaches raw tracepoints, where the verifier does not know the types, and calls no functions of the kernel.
    source = re.sub(r"^#define TCPIO_(TYPED|RDONLY_CAST) .*\n", "", source, flags=re.MULTILINE)
    bpf: Any = BPF(text=source.encode(), cflags=[f"-I{folder}"])
    events = bpf["events"]

    def on_event(_cpu: int, data: object, _size: int) -> None:
        event = events.event(data)
        laddr = inet_ntop(AF_INET, pack("=Q", event.laddr[1])[4:])
        raddr = inet_ntop(AF_INET, pack("=Q", event.raddr[1])[4:])
        print(  # noqa: T201  as such scripts do
            f" {event.cpu:3d} {laddr:>16}:{event.lport:<5d} {_ARROWS[event.dir]} {raddr:>16}:{event.rport:<5d}"
            f" {event.bytes:6d}  ({_FLAG_WORDS[event.flags & 0xFF]})"
        )

    events.open_perf_buffer(on_event, page_cnt=_RING_PAGES, lost_cb=lambda _: None)
    for function, tracepoint in re.findall(r"^int (run_(?:tp_btf|tracepoint)_(\w+))\(", source, re.MULTILINE):
        bpf.attach_raw_tracepoint(tracepoint.encode(), function.encode())
    ended: list[int] = []  # an exception would be lost in BCC's callback
    signal.signal(signal.SIGINT, lambda number, _frame: ended.append(number))
    sys.stderr.write(f"{READY}\n")
    while not ended:
        bpf.perf_buffer_poll(timeout=_ROUND_MS)
    sys.stdout.flush()
    return f"bcc_callback: lost {sum(bpf['counts'][ctypes.c_int(_LOST)])}"


if __name__ == "__main__":
    sys.stderr.write(trace(Path(sys.argv[1]).read_text(), Path(sys.argv[2])) + "\n")
