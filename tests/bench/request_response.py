# SPDX-License-Identifier: GPL-2.0-only
"""``python3 -m tests.bench.request_response CONNECTIONS EXCHANGES``: one byte there and one back, over loopback.

Prints how many exchanges there were in a second. The server is a process of its own; each end has all its sockets in
one thread, and every connection always has one byte on its way.
"""

import contextlib
import os
import select
import socket
import sys
import time

from tests.bench.pairs import CLIENT_CPU, SERVER_CPU, stay_on


def _serve(listener: socket.socket, connections: int) -> None:
    stay_on(SERVER_CPU)
    poll = select.epoll()
    sockets = {}
    for _ in range(connections):
        sock, _ = listener.accept()
        sockets[sock.fileno()] = sock
        poll.register(sock, select.EPOLLIN)
    while sockets:
        for fd, _ in poll.poll():
            if data := sockets[fd].recv(1):
                sockets[fd].send(data)
            else:
                poll.unregister(fd)
                sockets.pop(fd).close()


def _exchange(address: tuple[str, int], connections: int, exchanges: int) -> float:
    poll = select.epoll()
    sockets = {}
    for _ in range(connections):
        sock = socket.create_connection(address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sockets[sock.fileno()] = sock
        poll.register(sock, select.EPOLLIN)
    began_s = time.monotonic()
    for sock in sockets.values():
        sock.send(b"x")
    left = exchanges
    while left > 0:
        for fd, _ in poll.poll():
            sockets[fd].recv(1)
            sockets[fd].send(b"x")
            left -= 1
    return exchanges / (time.monotonic() - began_s)


def main() -> None:
    """Measure once."""
    connections, exchanges = map(int, sys.argv[1:])
    listener = socket.create_server(("127.0.0.1", 0), backlog=connections)
    server = os.fork()
    if server == 0:
        with contextlib.suppress(ConnectionResetError):  # the client has ended, with bytes on their way
            _serve(listener, connections)
        os._exit(0)
    stay_on(CLIENT_CPU)
    address = listener.getsockname()
    listener.close()
    print(_exchange(address, connections, exchanges))  # noqa: T201  for tests/bench/summaries.py
    os.kill(server, 9)
    os.waitpid(server, 0)


if __name__ == "__main__":
    main()
