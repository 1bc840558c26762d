"""A server that says what a test writes down for it, byte by byte."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager


class Dialogue:
    """One connection, seen from the server."""

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(10)
        self._socket = connected
        self._read = b""

    def encrypt(self, context: ssl.SSLContext) -> None:
        self._socket = context.wrap_socket(self._socket, server_side=True)

    def greet(self, *extensions: bytes) -> None:
        """The first words of an SMTP server, up to the answer to EHLO."""
        self.write(b"220 raw\r\n")
        self.read_until(b"\r\n")
        *first, last = (b"raw", *extensions)
        self.write(b"".join(b"250-%s\r\n" % word for word in first) + b"250 %s\r\n" % last)

    def read_until(self, mark: bytes) -> bytes:
        """What the client says up to `mark`, or up to its end."""
        while mark not in self._read:
            data = self._socket.recv(65_536)
            if not data:
                break
            self._read += data
        place = self._read.find(mark)
        end = place + len(mark) if place >= 0 else len(self._read)
        words, self._read = self._read[:end], self._read[end:]
        return words

    def write(self, data: bytes) -> None:
        self._socket.sendall(data)

    def drip(self, data: bytes, seconds: float) -> bool:
        """A byte every so many seconds; False as soon as the client has gone."""
        for number in range(len(data)):
            time.sleep(seconds)
            try:
                self._socket.sendall(data[number : number + 1])
            except OSError:
                return False
        return True


@contextmanager
def dialogue(serve: Callable[[Dialogue], None], *, host: str = "127.0.0.1") -> Iterator[int]:
    """Serves one connection; the port. What `serve` raises is raised here at the end."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.create_server((host, 0), family=family)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            connected, _ = listening.accept()
            with connected:
                serve(Dialogue(connected))
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        thread.join(10)
        listening.close()
    if failures:
        raise failures[0]


@contextmanager
def unanswered() -> Iterator[tuple[str, int]]:
    """An address that answers no connection: its queue is full, so the system drops the next ones."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as queue:
        address: tuple[str, int] = full.getsockname()[:2]
        for _ in range(4):
            waiting = queue.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(address)
        yield address
