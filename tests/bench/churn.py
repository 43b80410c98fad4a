# SPDX-License-Identifier: GPL-2.0-only
"""``python3 -m tests.bench.churn CONNECTIONS``: connect and close over loopback, one connection after the other.

Prints how many there were in a second. The server is a process of its own.
"""

import os
import socket
import sys
import time

from tests.bench.pairs import CLIENT_CPU, SERVER_CPU, stay_on


def _serve(listener: socket.socket) -> None:
    stay_on(SERVER_CPU)
    while True:
        sock, _ = listener.accept()
        sock.recv(1)
        sock.close()


def main() -> None:
    """Measure once."""
    connections = int(sys.argv[1])
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    server = os.fork()
    if server == 0:
        _serve(listener)
    stay_on(CLIENT_CPU)
    address = listener.getsockname()
    began_s = time.monotonic()
    for _ in range(connections):
        with socket.create_connection(address) as sock:
            sock.shutdown(socket.SHUT_WR)
            sock.recv(1)  # the server has closed: or its queue would overflow
    print(connections / (time.monotonic() - began_s))  # noqa: T201  for tests/bench/matrix.py
    os.kill(server, 9)
    os.waitpid(server, 0)


if __name__ == "__main__":
    main()
