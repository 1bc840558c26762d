"""A connection to a mail server. All of it has one deadline and bounds.

A socket's own timeout is for each call, so a server that sends one byte a second would be waited for without end.
Here the time left is set anew before every call.
"""

from __future__ import annotations

import socket
import ssl
from time import monotonic

from notifications.channels.transport.dial_blocking import CONNECT_SECONDS, dial, left

MAX_LINE = 8_192  # bytes; RFC 5321 4.5.3.1.5 asks for 512
MAX_REPLY = 65_536
READ = 4_096
WRITE = 65_536


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
        """Makes the TLS handshake. What came in clear text behind the server's last reply is not trusted afterwards."""
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
        """Reads one reply (RFC 5321 4.2). Returns its code and its lines."""
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
    """Connects to whichever of the host's addresses answers first, within CONNECT_SECONDS. Raises OSError."""
    connected = dial(host, port, min(monotonic() + CONNECT_SECONDS, deadline))
    return Wire(connected, deadline)
