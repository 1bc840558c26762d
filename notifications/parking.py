"""Hot receivers: how many claimed rows of one receiver are in memory, and when the others come back.

Without a cap a single slow receiver fills the claim-ahead and idles the threads. Rows over the cap, and those
behind them, wait in the ledger (`parked`), due one after the other at the pace at which their receiver is
served, so that the order in which they were accepted holds.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable

from notifications.causes import Reason
from notifications.ledger import Claimed

CAP = 8  # rows of one receiver in memory
CAP_OF_RETURNED = 128  # they come back a scheduler's batch at a time, at their own pace
GRACE = 2.0  # seconds; parked rows are under way for so long after they were due
LONGEST = 300.0  # seconds ahead; a receiver that hangs must not push its rows into tomorrow
UNKNOWN_PACE = 0.05  # seconds a row, until one was measured
FORGET_OVER = 10_000  # receivers

LaneKey = tuple[str, str]


class Parking:
    """Of one channel. `split` is called by its consumers, `observe` by its sending threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last_due: dict[LaneKey, float] = {}
        self._pace: dict[str, float] = {}
        self._lock = threading.Lock()  # a channel's two consumers park at once

    def observe(self, receiver_hash: str, seconds: float) -> None:
        """How long a send to a receiver with a queue took."""
        if len(self._pace) > FORGET_OVER:
            self._pace.clear()
        known = self._pace.get(receiver_hash, seconds)
        self._pace[receiver_hash] = 0.7 * known + 0.3 * seconds

    def split(
        self, rows: Iterable[Claimed], in_memory: Callable[[str, str], int]
    ) -> tuple[list[Claimed], list[tuple[Claimed, float]]]:
        """(rows to send, [(row to park, seconds until it is due)]), each in order."""
        with self._lock:
            return self._split(rows, in_memory)

    def _split(
        self, rows: Iterable[Claimed], in_memory: Callable[[str, str], int]
    ) -> tuple[list[Claimed], list[tuple[Claimed, float]]]:
        now = self._clock()
        self._forget(now)
        added: Counter[LaneKey] = Counter()
        send: list[Claimed] = []
        park: list[tuple[Claimed, float]] = []
        for row in rows:
            lane = (row.priority, row.receiver_hash)
            returned = row.reason == Reason.PARKED
            behind = lane in self._last_due and not returned
            cap = CAP_OF_RETURNED if returned else CAP
            if behind or added[lane] + in_memory(*lane) >= cap:
                park.append((row, self._next_due(lane, now) - now))
            else:
                added[lane] += 1
                send.append(row)
        return send, park

    def _next_due(self, lane: LaneKey, now: float) -> float:
        pace = self._pace.get(lane[1], UNKNOWN_PACE)
        last = self._last_due.get(lane, now + (CAP - 1) * pace)
        due = min(max(last, now) + pace, now + LONGEST)
        self._last_due[lane] = due
        return due

    def _forget(self, now: float) -> None:
        for lane in [lane for lane, due in self._last_due.items() if due + GRACE < now]:
            del self._last_due[lane]
