"""One connection on an event loop, for one request at a time: bytes out and in before a deadline, and how it breaks."""

from __future__ import annotations

import asyncio
import ssl
from abc import abstractmethod
from time import monotonic
from typing import Self, cast

from notifications.channels.transport.dial import CONNECT_SECONDS, dial

READ = 8_192
PIECE = 65_536  # bytes that are written at once


class Connection(asyncio.BufferedProtocol):
    """What HTTP and SMTP share. A buffer of its own costs half of asyncio's, which is made anew for each read."""

    def __init__(self) -> None:
        self.deadline = 0.0  # monotonic, of what is waited for
        self.broken: OSError | None = None  # why nothing more will come
        self._transport: asyncio.Transport
        self._beneath: asyncio.Transport  # the encryption; it alone knows at once that a write failed
        self._read = memoryview(bytearray(READ))
        self._is_full = False  # a part of what was written is still in this process
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @abstractmethod
    def received(self, data: memoryview) -> None:
        """Takes what came in. It calls `go_on` where that is what `wait` waits for, and `break_off` at nonsense."""

    @classmethod
    async def open(cls, host: str, port: int, deadline: float, tls: ssl.SSLContext | None = None) -> Self:
        """Connects, in CONNECT_SECONDS for the name, the addresses and TLS together. Raises OSError."""
        connection = cls()
        connection.deadline = min(deadline, monotonic() + CONNECT_SECONDS)
        async with asyncio.timeout(connection.deadline - monotonic()):
            connected = await dial(host, port)
            try:
                await asyncio.get_running_loop().create_connection(lambda: connection, sock=connected)
                if tls:
                    await connection.encrypt(tls, host)
            except BaseException:
                connected.close()
                raise
        connection.deadline = deadline
        return connection

    async def encrypt(self, context: ssl.SSLContext, host: str) -> None:
        """Makes the TLS handshake, before the deadline. Raises OSError, and no certificate is taken unseen."""
        try:
            async with asyncio.timeout(self.deadline - monotonic()):
                loop = asyncio.get_running_loop()
                encrypted = await loop.start_tls(self._transport, self, context, server_hostname=host)
        except BaseException:
            self.drop()
            raise
        if encrypted is None:
            raise self.failure()
        self._transport = encrypted
        self._transport.set_write_buffer_limits(high=1, low=0)  # with TLS a limit that is reached counts

    @property
    def answered(self) -> bool:
        """True where what is written does not matter any more, for its answer is there already."""
        return False

    async def write(self, data: bytes) -> bool:
        """Hands the bytes over. Returns whether all of them went out, which they need not once it is answered.

        Raises OSError where a part of them did not leave this process. Over TLS the last PIECE may still be on its
        way: asyncio passes on all that it is given, and tells of what waits in front of the encryption alone.
        """
        for begin in range(0, len(data), PIECE):
            if self.broken:
                raise self.failure()
            self._transport.write(data[begin : begin + PIECE])
            while self._is_full and not (self.broken or self.answered):
                await self.wait()
            if self.answered:
                return False
            if self._is_full or self._beneath.is_closing():
                raise self.failure()
        return True

    def failure(self) -> OSError:
        """Returns why the connection broke, as a new error each time.

        One that was raised knows the frames that it came through, and they know the text to be sent: as long as the
        connection kept it, all of that would wait for the collector.
        """
        return type(self.broken)(*self.broken.args) if self.broken else ConnectionResetError()

    async def wait(self) -> None:
        """Waits until `go_on` or `break_off`. What is given up meanwhile takes the connection with it."""
        self._waiter = asyncio.get_running_loop().create_future()
        self._see_to_timer()
        try:
            await self._waiter
        except asyncio.CancelledError:
            self.drop()
            raise
        finally:
            self._waiter = None

    def go_on(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def break_off(self, error: OSError) -> None:
        """Closes the connection at once, because of `error` where it is not broken yet."""
        if not self.broken:
            self.broken = error
            self._transport.abort()
        self.go_on()

    def drop(self) -> None:
        """Closes the connection at once."""
        self.break_off(ConnectionAbortedError())

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = self._beneath = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=0)  # each byte that does not go out at once is to be reported

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self.go_on()

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._read

    def buffer_updated(self, size: int) -> None:
        self.received(self._read[:size])

    def eof_received(self) -> None:
        self.break_off(ConnectionResetError())

    def connection_lost(self, error: Exception | None) -> None:
        self.break_off(error if isinstance(error, OSError) else ConnectionResetError())
        if self._timer:
            self._timer.cancel()

    def _see_to_timer(self) -> None:
        """Sets the one timer of the connection. It outlives many requests, which costs less than one for each."""
        if self._timer:
            if self._timer.when() <= self.deadline:
                return  # it looks again when it is time
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(self.deadline, self._look_at_time)

    def _look_at_time(self) -> None:
        self._timer = None
        if self._is_waiting() and monotonic() >= self.deadline:
            self._timer = asyncio.get_running_loop().call_later(0, self._end_of_time)
        elif self._is_waiting():
            self._see_to_timer()

    def _end_of_time(self) -> None:
        """Comes after the loop has read once more: a process that was stopped finds its answers late, but there.

        What waits by then may be the next request, which has time left.
        """
        self._timer = None
        if self._is_waiting() and monotonic() >= self.deadline:
            self.break_off(TimeoutError("out of time"))
        elif self._is_waiting():
            self._see_to_timer()

    def _is_waiting(self) -> bool:
        """Returns whether something is under way. What came has ended it, though its task has not run since."""
        return self._waiter is not None and not self._waiter.done()
