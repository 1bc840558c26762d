"""The bare loop without threads: connections over asyncio that make the same provider calls, and nothing else.

`python -m benchmarks.with_django event_loop SMS 8000 --url http://127.0.0.1:5000 --in-flight 256`. A connection goes
on as soon as it has an answer: no task, no future, no timeout, no TLS. It is what asyncio has to give.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from benchmarks.calls import CONVERSATIONS, Conversation, Exchange, arguments, items, taken_from


class Talk(asyncio.Protocol):
    """A connection; `done` is called at the end of its conversation."""

    def __init__(self, conversation: Conversation, done: Callable[[], None]) -> None:
        self._conversation = conversation
        self._done = done
        self._exchange: Exchange
        self._answer = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._go_on()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if self._exchange.is_whole(self._answer):
            self._answer = b""
            self._go_on()

    def _go_on(self) -> None:
        exchange = next(self._conversation, None)
        if exchange is None:
            self._done()
            return
        self._exchange = exchange
        if exchange.data:
            self._transport.write(exchange.data)


async def run(given: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    waiting, port = items(given.channel, given.count, given.url), urlsplit(given.url).port
    left = given.in_flight
    finished = asyncio.Event()

    def done() -> None:
        nonlocal left
        left -= 1
        if not left:
            finished.set()

    for _ in range(given.in_flight):
        talk = partial(Talk, CONVERSATIONS[given.channel](taken_from(waiting)), done)
        await loop.create_connection(talk, "127.0.0.1", port)
    await finished.wait()


def main() -> None:
    asyncio.run(run(arguments(__doc__)))
