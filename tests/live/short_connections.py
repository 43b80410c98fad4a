# SPDX-License-Identifier: GPL-2.0-only
"""Many connections over loopback, one after the other: each carries a few bytes and ends by FINs."""

import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence

from tests.live.namespaces import Namespace, wait_until
from tests.live.programs import CHECKOUT

SIZE = 7
"""Bytes that each carries, in one direction."""

_MOST_IN_TIME_WAIT = 20_000


def make_in(namespace: Namespace, steps: Sequence[int]) -> Iterator[int]:
    """Make connections in a process of their own, and give how many have come and gone after each step."""
    namespace.set("ipv4/tcp_max_tw_buckets", _MOST_IN_TIME_WAIT)
    command = [sys.executable, "-m", "tests.live.short_connections", *map(str, steps)]
    with namespace.entered():
        process = subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdin
            assert process.stdout
            for _ in steps:
                made = int(process.stdout.readline())
                wait_until(namespace.has_quiet_tcp, "all sockets closed")
                yield made
                process.stdin.write("\n")
                process.stdin.flush()
        finally:
            process.kill()


def _connect(listener: socket.socket, number: int) -> None:
    # Each from an address of its own: a connection with the ends of one that closed just before is another matter.
    source = f"127.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
    with (
        socket.create_connection(listener.getsockname(), source_address=(source, 0)) as client,
        listener.accept()[0] as server,
    ):
        client.send(bytes(SIZE))
        client.shutdown(socket.SHUT_WR)
        while server.recv(SIZE):
            pass


def _main() -> None:
    # Each argument is how many there are to be before the next line is written, and one is read.
    made = 0
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for wanted in map(int, sys.argv[1:]):
            for _ in range(wanted):
                _connect(listener, made)
                made += 1
            print(made, flush=True)  # noqa: T201  for make_in()
            sys.stdin.readline()


if __name__ == "__main__":
    _main()
