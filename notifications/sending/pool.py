"""Sending threads, ordered per receiver and never idle while anything is ready.

A receiver's rows form a lane, sent one after the other; lanes that may go stand in a ready queue, one for each
priority. Transactional lanes go first; bulk never has more than three quarters of the threads, for the day
its sends hang.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from notifications.ledger.rows import Claimed

logger = logging.getLogger(__name__)

TRANSACTIONAL: Final = "transactional"
BULK: Final = "bulk"
PRIORITIES = (TRANSACTIONAL, BULK)
BULK_SHARE = 0.75

LaneKey = tuple[str, str]  # (priority, receiver hash)


class Pool:
    """`send` is called with each row, by `threads` threads; it must not raise."""

    def __init__(
        self, threads: int, send: Callable[[Claimed], None], *, name: str, on_exit: Callable[[], None]
    ) -> None:
        self.threads = threads
        self._send = send
        self._on_exit = on_exit
        self._lanes: dict[LaneKey, deque[Claimed]] = {}
        self._ready: dict[str, deque[LaneKey]] = {priority: deque() for priority in PRIORITIES}
        self._sending: set[LaneKey] = set()
        self._waiting = dict.fromkeys(PRIORITIES, 0)  # rows in ready lanes
        self._busy = dict.fromkeys(PRIORITIES, 0)  # threads sending
        self._bulk_threads = max(1, int(threads * BULK_SHARE))
        self._few = dict.fromkeys(PRIORITIES, -1)  # a consumer sleeps until no more rows wait; -1: none sleeps
        self._idle = 0
        self._stopped = False
        lock = threading.Lock()
        self._work = threading.Condition(lock)
        self._taken = threading.Condition(lock)
        self._threads = [
            threading.Thread(target=self._run, name=f"{name}-{number}", daemon=True) for number in range(threads)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def add(self, rows: Iterable[Claimed]) -> list[Claimed]:
        """Queue rows, each behind what is there of its receiver; those not taken, which after `stop` is all."""
        with self._work:
            if self._stopped:
                return list(rows)
            for row in rows:
                key = (row.priority, row.receiver_hash)
                lane = self._lanes.get(key)
                if lane is None:
                    self._lanes[key] = deque((row,))
                    self._ready[row.priority].append(key)
                else:
                    lane.append(row)
                self._waiting[row.priority] += key not in self._sending
            self._work.notify(min(self._idle, sum(map(len, self._ready.values()))))
            return []

    def withdraw(self, receiver_hash: str) -> list[Claimed]:
        """Take out the rows of that receiver which no thread has taken, in order for each priority."""
        rows: list[Claimed] = []
        with self._work:
            for priority in PRIORITIES:
                key = (priority, receiver_hash)
                if key in self._sending:
                    under_way, *behind = self._lanes[key]
                    self._lanes[key] = deque((under_way,))
                    rows += behind
                elif key in self._lanes:
                    lane = self._lanes.pop(key)
                    self._ready[priority].remove(key)
                    self._waiting[priority] -= len(lane)
                    rows += lane
            self._taken.notify_all()
        return rows

    def lane_length(self, priority: str, receiver_hash: str) -> int:
        """Rows of that receiver in memory, the one being sent included."""
        lane = self._lanes.get((priority, receiver_hash))
        return len(lane) if lane is not None else 0

    def waiting(self, priority: str) -> int:
        """Rows that wait for a thread. One behind a send to its receiver does not: no free thread could take it."""
        return self._waiting[priority]

    def in_flight(self) -> int:
        return sum(self._busy.values())

    def wait_until_few(self, priority: str, at_most: int, timeout: float) -> None:
        """Waits until no more than `at_most` rows of that priority wait, or for `timeout` seconds."""
        with self._taken:
            self._few[priority] = at_most
            self._taken.wait_for(lambda: self._waiting[priority] <= at_most or self._stopped, timeout)
            self._few[priority] = -1

    def stop(self) -> list[Claimed]:
        """Stops taking rows. Returns those that no thread had taken."""
        with self._work:
            self._stopped = True
            unsent = [row for key, lane in self._lanes.items() for row in list(lane)[key in self._sending :]]
            for priority in PRIORITIES:
                self._waiting[priority] = 0
            self._work.notify_all()
            self._taken.notify_all()
        return unsent

    def join(self, deadline: float) -> bool:
        """Wait until the monotonic `deadline` for the sends under way; whether all ended."""
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        key: LaneKey | None = None
        while (key := self._next(key)) is not None:
            try:
                self._send(self._lanes[key][0])
            except Exception:
                logger.exception("a send raised; its row stays leased until this process ends")
        self._on_exit()

    def _next(self, done: LaneKey | None) -> LaneKey | None:
        """Put the lane just sent back, if more waits in it, and take the next; None when stopped."""
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

    def _finish(self, key: LaneKey) -> None:
        lane = self._lanes[key]
        lane.popleft()
        self._sending.discard(key)
        self._busy[key[0]] -= 1
        if not lane:
            del self._lanes[key]
        elif not self._stopped:
            self._ready[key[0]].append(key)
            self._waiting[key[0]] += len(lane)

    def _take(self) -> LaneKey | None:
        if self._ready[TRANSACTIONAL]:
            priority = TRANSACTIONAL
        elif self._ready[BULK] and self._busy[BULK] < self._bulk_threads:
            priority = BULK
        else:
            return None
        key = self._ready[priority].popleft()
        self._sending.add(key)
        self._busy[priority] += 1
        self._waiting[priority] -= len(self._lanes[key])
        if self._waiting[priority] <= self._few[priority]:
            self._taken.notify_all()
        return key
