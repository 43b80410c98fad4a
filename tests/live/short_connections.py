# SPDX-License-Identifier: GPL-2.0-only
"""Many connections over loopback, one after the other: each carries a few bytes and ends by FINs."""

import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence

from tests.live.namespaces import Namespace
from tests.live.programs import CHECKOUT

SIZE = 7
"""Bytes that each carries, in one direction."""

_MOST_IN_TIME_WAIT = 20_000
_ADDRESSES = 250  # of the server: each has all ports of the client for itself


def make_in(namespace: Namespace, steps: Sequence[int]) -> Iterator[int]:
    """Make connections in a process of their own, and give how many there have been after each step."""
    namespace.set("ipv4/tcp_max_tw_buckets", _MOST_IN_TIME_WAIT)
    command = [sys.executable, "-m", "tests.live.short_connections", *map(str, steps)]
    with namespace.entered():
        process = subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdin
            assert process.stdout
            for _ in steps:
                yield int(process.stdout.readline())
                process.stdin.write("\n")
                process.stdin.flush()
        finally:
            process.kill()


def _connect(listener: socket.socket, number: int) -> None:
    address = (f"127.0.0.{1 + number % _ADDRESSES}", listener.getsockname()[1])
    with socket.create_connection(address) as client, listener.accept()[0] as server:
        client.send(bytes(SIZE))
        client.shutdown(socket.SHUT_WR)
        while server.recv(SIZE):
            pass


def _main() -> None:
    # Each argument is how many there are to be before the next line is written, and one is read.
    made = 0
    with socket.create_server(("0.0.0.0", 0)) as listener:  # noqa: S104  of a namespace of its own
        for wanted in map(int, sys.argv[1:]):
            for _ in range(wanted):
                _connect(listener, made)
                made += 1
            print(made, flush=True)  # noqa: T201  for make_in()
            sys.stdin.readline()


if __name__ == "__main__":
    _main()
