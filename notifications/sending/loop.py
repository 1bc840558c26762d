"""An event loop that sends, on one thread: for providers whose sends are coroutines.

As many workers as sends may be under way share the thread; each does what a sending thread does. Rows come in
batches from the consumers' threads: a batch wakes the loop once, and the loop its workers.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable

from notifications.ledger.rows import Claimed
from notifications.sending.pool import LaneKey, Pool

logger = logging.getLogger(__name__)

TICK = 1.0  # seconds


class Loop(Pool):
    """`send` is awaited with each row, `at_once` of them at a time; it must not raise. It ends with `on_exit`.

    `on_death` is called with a sentence where the loop ends without `stop`.
    """

    def __init__(
        self,
        at_once: int,
        send: Callable[[Claimed], Awaitable[None]],
        *,
        name: str,
        on_exit: Callable[[], Awaitable[None]],
        on_death: Callable[[str], None],
    ) -> None:
        super().__init__(at_once)
        self._send = send
        self._on_exit = on_exit
        self._on_death = on_death
        self._loop: asyncio.AbstractEventLoop | None = None  # while it runs
        self._is_called = False  # the loop has been asked to look for work, and has not looked yet
        self._asleep: list[asyncio.Future[None]] = []  # workers; touched by the loop's thread alone
        self._ticked_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"{name}-loop", daemon=True)

    def start(self) -> None:
        self._ticked_at = time.monotonic()
        self._thread.start()

    def join(self, deadline: float) -> bool:
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()

    def is_stuck(self, seconds: float) -> bool:
        return self._thread.is_alive() and time.monotonic() - self._ticked_at > seconds

    def _wake(self, ready: int) -> None:
        if self._loop and ready and not self._is_called:
            self._is_called = True
            self._loop.call_soon_threadsafe(self._wake_workers)

    def _wake_workers(self) -> None:
        with self._lock:
            self._is_called = False
            ready = self.at_once if self._stopped else self._ready_lanes()
        while ready and self._asleep:
            waiter = self._asleep.pop()
            if not waiter.done():  # its worker was not cancelled
                waiter.set_result(None)
                ready -= 1

    def _run(self) -> None:
        failed = False
        try:
            asyncio.run(self._serve())
        except BaseException:
            logger.exception("the loop of %s failed", self._thread.name)
            failed = True
        if failed or not self._stopped:  # workers that were all cancelled end without an error
            self._on_death(f"The {self._thread.name} failed.")

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        ticking = loop.create_task(self._tick())
        with self._lock:
            self._loop = loop
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(self.at_once):
                    workers.create_task(self._work())
        finally:
            with self._lock:
                self._loop = None  # from here on nobody calls it
            ticking.cancel()
        await self._on_exit()

    async def _work(self) -> None:
        key: LaneKey | None = None
        while (key := await self._next(key)) is not None:
            try:
                await self._send(self._lanes[key][0])
            except Exception:
                logger.exception("a send raised; its row stays leased until this process ends")

    async def _next(self, done: LaneKey | None) -> LaneKey | None:
        """Puts the lane just sent back and takes the next. Returns None when stopped."""
        with self._lock:
            if done is not None:
                self._finish(done)
            key = self._take()
        while key is None and not self._stopped:
            await self._sleep()
            with self._lock:
                key = self._take()
        return key

    async def _sleep(self) -> None:
        """Waits until there is work. Whatever came since this worker last looked calls the loop, which comes later."""
        waiter = asyncio.get_running_loop().create_future()
        self._asleep.append(waiter)
        await waiter

    async def _tick(self) -> None:
        """Shows that no send keeps the thread from the others."""
        while True:
            self._ticked_at = time.monotonic()
            await asyncio.sleep(TICK)
