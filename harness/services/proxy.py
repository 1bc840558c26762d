"""A TCP proxy that fails like networks do: connections refused, dropped or hanging, and answers lost."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Self

CHUNK = 65_536


class Proxy:
    """Listens on a free port of 127.0.0.1 and forwards to `target` there, until a test changes that."""

    def __init__(self, target: int) -> None:
        self.answers_lost = 0
        self._target = target
        self._requests, self._answers = threading.Event(), threading.Event()
        self._losing: bytes | None = None
        self._mark = b""
        self._connections: set[_Connection] = set()
        self._lock = threading.Lock()
        self._listener = socket.socket()
        self.port = 0  # any free one, at first
        self.refuse()
        self.resume()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def drop(self) -> None:
        """Cuts all connections. New ones are accepted."""
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.close()

    def refuse(self) -> None:
        """Cuts all connections and refuses new ones, until `resume`."""
        _close(self._listener)
        self.drop()

    def hang(self) -> None:
        """Accepts connections and forwards nothing, until `resume` delivers what came meanwhile."""
        self._requests.clear()
        self._answers.clear()

    def hold_answers(self) -> None:
        """Lets requests arrive and keeps answers back until `resume`. `drop` loses them."""
        self._answers.clear()

    def lose_answer_to(self, request: bytes, *, after: bytes = b"") -> None:
        """Lets what contains `request` arrive, and cuts the connection when its answer comes; once (`answers_lost`).

        With `after`, only on a connection that has sent this since, such as the statement before a COMMIT.
        """
        with self._lock:
            for connection in self._connections:
                connection.is_marked = False
        self._mark = after
        self._losing = request

    def resume(self) -> None:
        """Forwards everything again, and listens where connections were refused."""
        self._requests.set()
        self._answers.set()
        self._losing = None
        if self._listener.fileno() < 0:
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
            self.port = int(self._listener.getsockname()[1])
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        self.refuse()
        self._requests.set()
        self._answers.set()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._target), timeout=5)
        except OSError:
            _close(client)
            return
        server.settimeout(None)
        connection = _Connection(client, server)
        with self._lock:
            self._connections.add(connection)
        for pump in (self._forward_requests, self._forward_answers):
            threading.Thread(target=pump, args=(connection,), daemon=True).start()

    def _forward_requests(self, connection: _Connection) -> None:
        with self._ending(connection):
            while data := connection.client.recv(CHUNK):
                self._requests.wait()
                connection.is_marked = connection.is_marked or self._mark in data
                if self._losing and connection.is_marked and self._losing in data:
                    self._losing = None
                    connection.loses_answer = True
                connection.server.sendall(data)

    def _forward_answers(self, connection: _Connection) -> None:
        with self._ending(connection):
            while data := connection.server.recv(CHUNK):
                self._answers.wait()
                if connection.loses_answer:
                    self.answers_lost += 1
                    return
                connection.client.sendall(data)

    @contextlib.contextmanager
    def _ending(self, connection: _Connection) -> Iterator[None]:
        try:
            with contextlib.suppress(OSError):
                yield
        finally:
            connection.close()
            with self._lock:
                self._connections.discard(connection)


class _Connection:
    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.loses_answer = False
        self.is_marked = False

    def close(self) -> None:
        _close(self.client)
        _close(self.server)


def _close(connection: socket.socket) -> None:
    """Closes a socket, and wakes the thread that reads or accepts on it."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
