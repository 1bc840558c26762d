"""Sending threads, never idle while anything is ready: for providers that bring a client which blocks."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from notifications.ledger.rows import Claimed
from notifications.sending.pool import LaneKey, Pool

logger = logging.getLogger(__name__)


class Threads(Pool):
    """`send` is called with each row, by `at_once` threads; it must not raise. Each thread ends with `on_exit`."""

    def __init__(
        self, at_once: int, send: Callable[[Claimed], None], *, name: str, on_exit: Callable[[], None]
    ) -> None:
        super().__init__(at_once)
        self._send = send
        self._on_exit = on_exit
        self._idle = 0
        self._work = threading.Condition(self._lock)
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True) for number in range(at_once)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self, deadline: float) -> bool:
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def is_stuck(self, seconds: float) -> bool:
        return False  # a send that hangs keeps its own thread and no other

    def _wake(self, ready: int) -> None:
        self._work.notify(min(self._idle, ready))

    def _run(self) -> None:
        key: LaneKey | None = None
        while (key := self._next(key)) is not None:
            try:
                self._send(self._lanes[key][0])
            except Exception:
                logger.exception("a send raised; its row stays leased until this process ends")
        self._on_exit()

    def _next(self, done: LaneKey | None) -> LaneKey | None:
        """Puts the lane just sent back and takes the next. Returns None when stopped."""
        with self._work:
            if done is not None:
                self._finish(done)
            while not self._stopped:
                if (key := self._take()) is not None:
                    return key
                self._idle += 1
                self._work.wait()
                self._idle -= 1
            return None
