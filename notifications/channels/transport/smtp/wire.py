"""A connection to a mail server on an event loop: lines in, lines out, all of it bounded."""

from __future__ import annotations

import socket
import ssl

from notifications.channels.transport.connection import Connection

MAX_LINE = 8_192  # bytes; RFC 5321 4.5.3.1.5 asks for 512
MAX_REPLY = 65_536
MOST_UNREAD = 4 * MAX_REPLY  # replies to an envelope that was sent at once


class Wire(Connection):
    """One connection. Every failure is an OSError; `deadline` is in seconds of the monotonic clock."""

    def __init__(self) -> None:
        super().__init__()
        self._unread = b""

    @property
    def has_unread(self) -> bool:
        """True where the server says more than it was asked, once all replies were read."""
        return bool(self._unread)

    @property
    def local_address(self) -> tuple[socket.AddressFamily, str]:
        connected = self._transport.get_extra_info("socket")
        return connected.family, str(connected.getsockname()[0])

    def received(self, data: memoryview) -> None:
        self._unread += data
        if len(self._unread) > MOST_UNREAD:
            self.break_off(ConnectionError("The server says more than it was asked"))
        self.go_on()

    async def encrypt(self, context: ssl.SSLContext, host: str) -> None:
        """Makes the TLS handshake. What came in clear text behind the server's last reply is not trusted afterwards."""
        self._unread = b""
        await super().encrypt(context, host)

    async def reply(self) -> tuple[int, bytes]:
        """Reads one reply (RFC 5321 4.2). Returns its code and its lines."""
        lines: list[bytes] = []
        size = 0
        while True:
            line = await self._line()
            size += len(line) + 2
            if size > MAX_REPLY or not line[:3].isdigit() or line[3:4] not in (b" ", b"-", b""):
                raise ConnectionError("What the server says is not SMTP")
            lines.append(line[4:])
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(lines)

    async def _line(self) -> bytes:
        """Reads one line. What came in before the connection broke is read still."""
        while (end := self._unread.find(b"\n")) < 0:
            if len(self._unread) > MAX_LINE:
                raise ConnectionError("The server's line does not end")
            if self.broken:
                raise self.failure()
            await self.wait()
        line, self._unread = self._unread[:end], self._unread[end + 1 :]
        return line.rstrip(b"\r")
