"""Rows that wait to be sent, in order for each receiver, and which of them goes next.

A receiver's rows form a lane, sent one after the other; lanes that may go stand in a ready queue, one for each
priority. Transactional lanes go first; bulk never has more than three quarters of the sends, for the day
its sends hang. Who sends is another matter: threads (`threads.py`) or an event loop (`loop.py`).
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from notifications.ledger.rows import Claimed

TRANSACTIONAL: Final = "transactional"
BULK: Final = "bulk"
PRIORITIES = (TRANSACTIONAL, BULK)
BULK_SHARE = 0.75

LaneKey = tuple[str, str]  # (priority, receiver hash)


class Pool(ABC):
    """At most `at_once` rows are being sent. Thread-safe."""

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self._lanes: dict[LaneKey, deque[Claimed]] = {}
        self._ready: dict[str, deque[LaneKey]] = {priority: deque() for priority in PRIORITIES}
        self._sending: set[LaneKey] = set()
        self._waiting = dict.fromkeys(PRIORITIES, 0)  # rows in ready lanes
        self._busy = dict.fromkeys(PRIORITIES, 0)  # rows being sent
        self._bulk_at_once = max(1, int(at_once * BULK_SHARE))
        self._few = dict.fromkeys(PRIORITIES, -1)  # a consumer sleeps until no more rows wait; -1: none sleeps
        self._stopped = False
        self._lock = threading.Lock()
        self._taken = threading.Condition(self._lock)

    @abstractmethod
    def start(self) -> None:
        """Begins to send."""

    @abstractmethod
    def join(self, deadline: float) -> bool:
        """Waits until the monotonic `deadline` for the sends under way. Returns whether all ended."""

    @abstractmethod
    def is_stuck(self, seconds: float) -> bool:
        """Returns whether all sends of the channel have stood still for so long because of one of them."""

    @abstractmethod
    def _wake(self, ready: int) -> None:
        """Wakes who sleeps, for so many ready lanes. Called under the lock."""

    def add(self, rows: Iterable[Claimed]) -> list[Claimed]:
        """Queues rows, each behind what is there of its receiver. Returns those not taken: after `stop`, all."""
        with self._lock:
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
            self._wake(self._ready_lanes())
            return []

    def withdraw(self, receiver_hash: str) -> list[Claimed]:
        """Takes out the rows of that receiver which are not being sent. Returns them, in order for each priority."""
        rows: list[Claimed] = []
        with self._lock:
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

    def take_out(self, is_wanted: Callable[[Claimed], bool]) -> list[Claimed]:
        """Takes out the rows of all receivers of which this is true and which are not being sent.

        Returns them, in order for each receiver and priority.
        """
        rows: list[Claimed] = []
        with self._lock:
            for key, lane in list(self._lanes.items()):
                under_way = int(key in self._sending)
                behind = list(lane)[under_way:]
                taken = [row for row in behind if is_wanted(row)]
                if not taken:
                    continue
                left = deque([*list(lane)[:under_way], *(row for row in behind if not is_wanted(row))])
                self._lanes[key] = left
                if not left:
                    del self._lanes[key]
                if not under_way:
                    self._waiting[key[0]] -= len(taken)
                rows += taken
            for priority, ready in self._ready.items():
                self._ready[priority] = deque(key for key in ready if key in self._lanes)
            self._taken.notify_all()
        return rows

    def lane_length(self, priority: str, receiver_hash: str) -> int:
        """Returns the number of rows of that receiver in memory, the one being sent included."""
        lane = self._lanes.get((priority, receiver_hash))
        return len(lane) if lane is not None else 0

    def waiting(self, priority: str) -> int:
        """Returns the number of rows that could be sent now if more were sent at once.

        A row behind a send to its receiver could not.
        """
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
        """Stops taking rows. Returns those that are not being sent."""
        with self._lock:
            self._stopped = True
            unsent = [row for key, lane in self._lanes.items() for row in list(lane)[key in self._sending :]]
            for priority in PRIORITIES:
                self._waiting[priority] = 0
            self._wake(self.at_once)
            self._taken.notify_all()
        return unsent

    def _ready_lanes(self) -> int:
        return sum(map(len, self._ready.values()))

    def _finish(self, key: LaneKey) -> None:
        """Puts the lane just sent back, if more waits in it. Called under the lock."""
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
        """Returns the lane whose first row goes next, or None where none may go. Called under the lock."""
        if self._stopped:
            return None
        if self._ready[TRANSACTIONAL]:
            priority = TRANSACTIONAL
        elif self._ready[BULK] and self._busy[BULK] < self._bulk_at_once:
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
