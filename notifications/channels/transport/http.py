"""A lean HTTP transport for the channels, on an event loop: connections kept open, one deadline per request."""

from __future__ import annotations

import asyncio
import select
import ssl
from collections import defaultdict
from collections.abc import Coroutine
from functools import lru_cache
from time import monotonic
from typing import Any
from urllib.parse import SplitResult, urlsplit

from notifications.channels.outcomes import Cause, SendError
from notifications.channels.transport.answer import NOT_HTTP, Answer, Incoming, head_bytes
from notifications.channels.transport.connection import Connection

AGENT = "notifications"  # how our requests name who sends them
IDLE_SECONDS = 30.0  # an older connection may have been dropped on the way without a word

Place = tuple[asyncio.AbstractEventLoop, str]  # a loop, and where its connections go
Asking = Coroutine[Any, Any, Answer]


class Http:
    """Asks with a total timeout in seconds; follows no redirects. Each event loop has connections of its own."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._tls = ssl.create_default_context()
        self._idle: defaultdict[Place, list[_Exchange]] = defaultdict(list)  # the one used last at the end

    def post(self, url: str, body: bytes, headers: dict[str, str], traceparent: str = "") -> Asking:
        """Returns a coroutine that gives the answer, whatever its status.

        It raises SendError, which is uncertain once the whole request was handed over.
        """
        return self._ask("POST", url, body, headers, traceparent)

    def get(self, url: str, headers: dict[str, str]) -> Asking:
        """Returns a coroutine that gives the answer, whatever its status. It raises SendError."""
        return self._ask("GET", url, b"", headers)

    async def _ask(self, method: str, url: str, body: bytes, headers: dict[str, str], traceparent: str = "") -> Answer:
        deadline = monotonic() + self._timeout
        origin, path = _split(url)
        target = _origin(origin)
        request = head_bytes(f"{method} {path}", target.netloc, len(body), headers, traceparent) + body
        idle = self._idle[asyncio.get_running_loop(), origin]
        connection = await self._hand_over(target, request, idle, deadline)
        try:
            answer = await connection.answer()
        except TimeoutError:
            raise SendError(Cause.TIMEOUT, "No answer in time.", uncertain=True) from None
        except OSError as error:
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
        self, target: SplitResult, request: bytes, idle: list[_Exchange], deadline: float
    ) -> _Exchange:
        """Returns the connection that took the whole request. Those that the server closed while idle are passed over.

        Raises SendError.
        """
        while idle:
            connection = idle.pop()
            if connection.usable:
                try:
                    await connection.begin(request, deadline)
                except OSError:  # not all of it went out, so nobody can have acted on it
                    if monotonic() >= deadline:
                        raise SendError(Cause.TIMEOUT, "The request did not go out in time.") from None
                    continue
                return connection
            connection.drop()
        try:
            tls = self._tls if target.scheme == "https" else None
            port = target.port or (443 if tls else 80)
            connection = await _Exchange.open(target.hostname or "", port, deadline, tls)
            await connection.begin(request, deadline)
        except OSError as error:
            raise SendError(Cause.CONNECTION, f"No connection: {error.strerror or type(error).__name__}.") from None
        return connection


def _split(url: str) -> tuple[str, str]:
    """Returns where a URL leads to, and what is asked for there: its path and query."""
    begin = url.find("/", url.find("//") + 2)
    return (url, "/") if begin < 0 else (url[:begin], url[begin:].partition("#")[0])


@lru_cache(maxsize=1024)  # of webhooks each has a path of its own, and few have another host
def _origin(origin: str) -> SplitResult:
    return urlsplit(origin)


class NotHttp(ConnectionError):
    """What the server says is no answer of HTTP."""


class _Exchange(Connection):
    """A connection with the answer that it carries, or carried last."""

    def __init__(self) -> None:
        super().__init__()
        self._incoming = Incoming()
        self._all_out = True
        self._used = monotonic()
        self._poll = select.poll()

    @property
    def answered(self) -> bool:
        """True once there is nothing more to wait for. A server may answer before it has read all of a request."""
        return self._incoming.complete or bool(self.broken and self._incoming.status)

    @property
    def reusable(self) -> bool:
        """True after a complete answer that allows another request, to a request that went out completely."""
        return self._incoming.reusable and self._all_out and not self.broken

    @property
    def usable(self) -> bool:
        """True where it is reusable still. The loop may not have seen yet that the server hung up."""
        return self.reusable and monotonic() - self._used < IDLE_SECONDS and not self._hung_up()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._poll.register(transport.get_extra_info("socket"), select.POLLIN)

    async def begin(self, request: bytes, deadline: float) -> None:
        """Hands a request over. Raises OSError where not all of it went out before an answer, and is of no use then."""
        self._incoming = Incoming()
        self.deadline = deadline
        try:
            self._all_out = await self.write(request)
        except OSError:
            self.drop()
            raise

    async def answer(self) -> Answer:
        """Waits for the answer to the request, and returns it. Raises OSError where there is no status."""
        while not (self.answered or self.broken):
            await self.wait()
        self._used = monotonic()
        if not self.answered:
            raise self.failure()
        return self._incoming.answer()

    def received(self, data: memoryview) -> None:
        try:
            self._incoming.feed(data)
        except ConnectionError as error:
            self.break_off(error)
        except NOT_HTTP:
            self.break_off(NotHttp())
        if self._incoming.complete:
            self.go_on()

    def _hung_up(self) -> bool:
        """Returns whether an idle connection has something to read: its end, or words that nobody asked for."""
        return bool(self._poll.poll(0))
