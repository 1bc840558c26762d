"""Coroutines for callers that block: each thread runs them on an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class OwnLoop:
    """An event loop for each thread that asks, made when it first does. It runs only while its thread waits for it."""

    def __init__(self) -> None:
        self._mine = threading.local()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Waits for the coroutine. Returns what it returns and raises what it raises."""
        return self._runner().run(work)

    def close(self) -> None:
        """Ends the calling thread's loop. The thread may run something again afterwards, on a new one."""
        self._runner().close()
        del self._mine.runner

    def _runner(self) -> asyncio.Runner:
        if not hasattr(self._mine, "runner"):
            self._mine.runner = asyncio.Runner()
        found: asyncio.Runner = self._mine.runner
        return found
