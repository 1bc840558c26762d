"""A connection to a mail server: connected, encrypted, written and read against one deadline, and never without bounds.

A socket's own timeout is for each call, so a server that says one byte a second would be waited for without end.
Here the time left is set anew before every call.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import ssl
import threading
from collections import deque
from concurrent.futures import Future
from time import monotonic
from typing import Any

from notifications.channels.dial import CONNECT_SECONDS

NEXT_ADDRESS = 0.25  # seconds until the next address is tried beside those under way (RFC 8305)
MAX_LINE = 8_192  # bytes; RFC 5321 4.5.3.1.5 asks for 512
MAX_REPLY = 65_536
READ = 4_096
WRITE = 65_536

Address = tuple[Any, ...]  # an entry of getaddrinfo


class Wire:
    """One connection. Every failure is an OSError; `deadline` is in seconds of the monotonic clock."""

    def __init__(self, connected: socket.socket, deadline: float) -> None:
        self._socket = connected
        self._read = b""
        self.deadline = deadline

    @property
    def local_address(self) -> tuple[socket.AddressFamily, str]:
        return self._socket.family, str(self._socket.getsockname()[0])

    def encrypt(self, context: ssl.SSLContext, host: str) -> None:
        """The TLS handshake. What the server said in clear text behind its last reply is not trusted afterwards."""
        self._read = b""
        self._socket.settimeout(left(self.deadline))
        self._socket = context.wrap_socket(self._socket, server_hostname=host, do_handshake_on_connect=False)
        self._socket.do_handshake()

    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._socket.settimeout(left(self.deadline))
            rest = rest[self._socket.send(rest[:WRITE]) :]

    def reply(self) -> tuple[int, bytes]:
        """The code and the lines of one reply (RFC 5321 4.2)."""
        lines: list[bytes] = []
        size = 0
        while True:
            line = self._line()
            size += len(line) + 2
            if size > MAX_REPLY or not line[:3].isdigit() or line[3:4] not in (b" ", b"-", b""):
                raise ConnectionError("What the server says is not SMTP")
            lines.append(line[4:])
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(lines)

    def close(self) -> None:
        self._socket.close()

    def _line(self) -> bytes:
        while (end := self._read.find(b"\n")) < 0:
            if len(self._read) > MAX_LINE:
                raise ConnectionError("The server's line does not end")
            self._socket.settimeout(left(self.deadline))
            data = self._socket.recv(READ)
            if not data:
                raise ConnectionResetError("The server closed the connection")
            self._read += data
        line, self._read = self._read[:end], self._read[end + 1 :]
        return line.rstrip(b"\r")


def connect(host: str, port: int, deadline: float) -> Wire:
    """A connection to whichever of the host's addresses answers first, within CONNECT_SECONDS in all."""
    until = min(monotonic() + CONNECT_SECONDS, deadline)
    connected = _first_connected(deque(_addresses(host, port, until)), until)
    connected.setblocking(True)
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Wire(connected, deadline)


def left(deadline: float) -> float:
    """Seconds until the deadline. Raises TimeoutError once it has passed."""
    seconds = deadline - monotonic()
    if seconds <= 0:
        raise TimeoutError("out of time")
    return seconds


def _addresses(host: str, port: int, until: float) -> list[Address]:
    """The addresses of a name. The system's look-up takes no timeout, so another thread waits for it."""
    found: Future[list[Address]] = Future()

    def look_up() -> None:
        try:
            found.set_result(list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        except OSError as error:
            found.set_exception(error)
        except UnicodeError:
            found.set_exception(ConnectionError("The name cannot be one of a host"))

    threading.Thread(target=look_up, name=f"look-up of {host}", daemon=True).start()
    return found.result(left(until))


def _first_connected(addresses: deque[Address], until: float) -> socket.socket:
    """Tries the next address whenever one fails or takes long; the slow ones stay in the race."""
    failure: OSError = ConnectionError("The name has no address")
    with selectors.DefaultSelector() as race:
        try:
            while addresses or race.get_map():
                if addresses:
                    failure = _begin(addresses.popleft(), race) or failure
                wait = left(until)
                for key, _ in race.select(min(wait, NEXT_ADDRESS) if addresses else wait):
                    candidate: socket.socket = key.data
                    race.unregister(candidate)
                    code = candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if not code:
                        return candidate
                    candidate.close()
                    failure = OSError(code, os.strerror(code))
        finally:
            for key in race.get_map().values():
                key.data.close()
    raise failure


def _begin(address: Address, race: selectors.BaseSelector) -> OSError | None:
    """Begin to connect; the failure, if there is one already."""
    family, kind, protocol, _, where = address
    try:
        candidate = socket.socket(family, kind, protocol)
    except OSError as error:  # a family that this machine lacks
        return error
    candidate.setblocking(False)
    code = candidate.connect_ex(where)
    if code and code != errno.EINPROGRESS:
        candidate.close()
        return OSError(code, os.strerror(code))
    race.register(candidate, selectors.EVENT_WRITE, candidate)
    return None
