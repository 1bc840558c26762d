"""Clients that are coroutines, for tests that wait: HTTP on a loop in a thread of its own, and SMTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from notifications.channels.own_loop import OwnLoop
from notifications.channels.transport.answer import Answer
from notifications.channels.transport.blocking import BlockingHttp
from notifications.channels.transport.http import Http
from notifications.channels.transport.smtp.client import Smtp

T = TypeVar("T")


class OnLoop:
    """HTTP as a sender has it. Called from any thread; `http` is for coroutines that run on the loop."""

    def __init__(self, timeout: float) -> None:
        self.http = Http(timeout)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def post(self, url: str, body: bytes, headers: dict[str, str], traceparent: str = "") -> Answer:
        return self.run(self.http.post(url, body, headers, traceparent))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def close(self) -> None:
        self.run(self.http.close())

    def end(self) -> None:
        self.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


class WaitingSmtp:
    """An SMTP client whose caller waits."""

    def __init__(self, client: Smtp) -> None:
        self._client = client
        self._own_loop = OwnLoop()

    def send(self, sender: str, receiver: str, mail: bytes) -> str:
        return self._own_loop.run(self._client.send(sender, receiver, mail))


Posts = BlockingHttp | OnLoop
Opened = Callable[[float], Posts]
