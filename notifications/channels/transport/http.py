"""A lean HTTP transport for the channels, on an event loop: connections kept open, one deadline per request."""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
from asyncio.trsock import TransportSocket
from collections import defaultdict
from time import monotonic
from typing import cast
from urllib.parse import SplitResult, urlsplit

from notifications.channels.outcomes import Cause, SendError
from notifications.channels.transport.answer import NOT_HTTP, Answer, Incoming, post_bytes
from notifications.channels.transport.dial import CONNECT_SECONDS, dial

AGENT = "notifications"  # how our requests name who sends them
IDLE_SECONDS = 30.0  # an older connection may have been dropped on the way without a word
READ = 8_192

Pollable = socket.socket | TransportSocket
Place = tuple[asyncio.AbstractEventLoop, str]  # a loop, and where its connections go


class Http:
    """POSTs with a total timeout in seconds; follows no redirects. Each event loop has connections of its own."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._tls = ssl.create_default_context()
        self._idle: defaultdict[Place, list[_Connection]] = defaultdict(list)  # the one used last at the end

    async def post(self, url: str, body: bytes, headers: dict[str, str]) -> Answer:
        """Returns the answer, whatever its status.

        Raises SendError, which is uncertain once the whole request was handed over.
        """
        deadline = monotonic() + self._timeout
        target = urlsplit(url)
        request = post_bytes(target, body, headers)
        idle = self._idle[asyncio.get_running_loop(), target.scheme + target.netloc]
        connection = await self._hand_over(target, request, idle, deadline)
        try:
            answer = await connection.answer()
        except TimeoutError:
            raise SendError(Cause.TIMEOUT, "No answer in time.", uncertain=True) from None
        except (OSError, *NOT_HTTP) as error:
            detail = f"The connection broke before an answer came ({type(error).__name__})."
            raise SendError(Cause.OUTCOME_UNKNOWN, detail, uncertain=True) from None
        if connection.reusable:
            idle.append(connection)
        else:
            connection.drop()
        return answer

    async def close(self) -> None:
        """Closes the running loop's connections that are not in use."""
        loop = asyncio.get_running_loop()
        for place in list(self._idle):  # a copy, for other threads' loops change it
            if place[0] is loop:
                for connection in self._idle.pop(place):
                    connection.drop()
        await asyncio.sleep(0)  # the loop closes what was dropped in its next turn

    async def _hand_over(
        self, target: SplitResult, request: bytes, idle: list[_Connection], deadline: float
    ) -> _Connection:
        """Returns the connection that took the whole request. Those that the server closed while idle are passed over.

        Raises SendError.
        """
        try:
            while idle:
                connection = idle.pop()
                if connection.usable and await connection.write(request, deadline):
                    return connection
                connection.drop()  # not all of it went out, so nobody can have acted on it
            connection = await self._connected(target, deadline)
            if not await connection.write(request, deadline):
                raise ConnectionResetError
        except OSError as error:
            raise SendError(Cause.CONNECTION, f"No connection: {error.strerror or type(error).__name__}.") from None
        return connection

    async def _connected(self, target: SplitResult, deadline: float) -> _Connection:
        """Connects, in CONNECT_SECONDS for the name, the address and TLS together. Raises OSError."""
        tls, host = target.scheme == "https", target.hostname or ""
        async with asyncio.timeout(min(CONNECT_SECONDS, deadline - monotonic())):
            connected = await dial(host, target.port or (443 if tls else 80))
            connection = _Connection()
            try:
                await asyncio.get_running_loop().create_connection(
                    lambda: connection,
                    sock=connected,
                    ssl=self._tls if tls else None,
                    server_hostname=host if tls else None,
                )
            except BaseException:
                connected.close()
                raise
        return connection


class _Connection(asyncio.BufferedProtocol):
    """One connection, used for one request at a time. Its methods are those of asyncio's protocols, and then ours.

    A buffer of its own costs half of what asyncio's would, which is made anew for each read.
    """

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._read = memoryview(bytearray(READ))
        self._incoming = Incoming()
        self._is_full = False  # a part of the request is still in this process
        self._broken: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._used = monotonic()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        # Each byte that does not go out at once is to be reported; with TLS the limit counts as reached, else not.
        self._transport.set_write_buffer_limits(high=1 if transport.get_extra_info("sslcontext") else 0, low=0)

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._go_on()

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._read

    def buffer_updated(self, size: int) -> None:
        try:
            self._incoming.feed(self._read[:size])
        except (OSError, *NOT_HTTP) as error:
            self._break(error)
        if self._incoming.complete:
            self._go_on()

    def eof_received(self) -> None:
        self._break(ConnectionResetError())

    def connection_lost(self, error: Exception | None) -> None:
        self._break(error if isinstance(error, OSError) else ConnectionResetError())
        if self._timer:
            self._timer.cancel()

    @property
    def reusable(self) -> bool:
        """True after a complete answer that allows another request."""
        return self._incoming.reusable and not self._broken

    @property
    def usable(self) -> bool:
        """True where it is reusable still. The loop may not have seen yet that the server hung up."""
        fresh = monotonic() - self._used < IDLE_SECONDS
        return self.reusable and fresh and not hung_up(self._transport.get_extra_info("socket"))

    async def write(self, request: bytes, deadline: float) -> bool:
        """Hands a request over. Returns False where the connection broke before all of it was. Raises TimeoutError."""
        self._incoming = Incoming()
        self._deadline = deadline
        if self._timer is None:
            self._set_timer()
        self._transport.write(request)
        while self._is_full and not self._broken:
            await self._wait()
        if isinstance(self._broken, TimeoutError):
            raise self._broken
        return not (self._is_full or self._transport.is_closing())

    async def answer(self) -> Answer:
        """Waits for the answer to the request, and returns it. Raises OSError or NOT_HTTP where there is no status."""
        while not (self._incoming.complete or self._broken):
            await self._wait()
        self._used = monotonic()
        if self._broken and not self._incoming.status:
            raise self._broken
        return self._incoming.answer()

    def drop(self) -> None:
        """Closes the connection at once, if it is not closed yet."""
        self._broken = self._broken or ConnectionAbortedError()
        self._transport.abort()

    async def _wait(self) -> None:
        """Waits until something has happened. A request that is given up takes its connection with it."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        except asyncio.CancelledError:
            self.drop()
            raise
        finally:
            self._waiter = None

    def _go_on(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _break(self, error: Exception) -> None:
        if not self._broken:
            self._broken = error
            self._transport.abort()
        self._go_on()

    def _set_timer(self) -> None:
        """Sets the one timer of the connection. It outlives many requests, which costs less than one for each."""
        self._timer = asyncio.get_running_loop().call_at(self._deadline, self._look_at_time)

    def _look_at_time(self) -> None:
        self._timer = None
        if not self._waiter:
            return  # no request is under way
        if monotonic() < self._deadline:
            self._set_timer()
        else:
            self._break(TimeoutError("out of time"))


def hung_up(connected: Pollable) -> bool:
    """Returns whether an idle connection has something to read: its end, or words that nobody asked for."""
    poll = select.poll()
    try:
        poll.register(connected, select.POLLIN)
    except ValueError:  # closed by us
        return True
    return bool(poll.poll(0))
