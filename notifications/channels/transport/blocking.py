"""Our HTTP for callers that wait in a thread, such as mail providers' libraries."""

from __future__ import annotations

from notifications.channels.own_loop import OwnLoop
from notifications.channels.transport.answer import Answer
from notifications.channels.transport.http import Http


class BlockingHttp:
    """`Http`, with connections for each thread. Its methods wait, and raise, as those of `Http` do."""

    def __init__(self, timeout: float) -> None:
        self._http = Http(timeout)
        self._own_loop = OwnLoop()

    def post(self, url: str, body: bytes, headers: dict[str, str], traceparent: str = "") -> Answer:
        return self._own_loop.run(self._http.post(url, body, headers, traceparent))

    def get(self, url: str, headers: dict[str, str]) -> Answer:
        return self._own_loop.run(self._http.get(url, headers))

    def close(self) -> None:
        """Closes the calling thread's connections."""
        self._own_loop.run(self._http.close())
        self._own_loop.close()
