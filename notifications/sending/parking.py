"""Receivers whose rows must wait in the ledger for each other: hot ones, and those that asked us to slow down.

Hot: without a cap a single slow receiver fills the claim-ahead and idles the threads. Rows over the cap, and
those behind them, are parked, due one after the other at the pace at which their receiver is served.
Throttled: one row was told to wait, and so do all others of its receiver, unsent. They come back behind it,
spread at a rate that halves with every such answer. Either way they go out in the order accepted.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from notifications.ledger.rows import Claimed
from notifications.messages.words import PRIORITIES, Reason

CAP = 8  # rows of one receiver in memory
CAP_OF_RETURNED = 128  # they come back a scheduler's batch at a time, at their own pace
GRACE = 2.0  # seconds; parked rows are under way for so long after they were due
LONGEST = 300.0  # seconds ahead; a receiver that hangs must not push its rows into tomorrow
UNKNOWN_PACE = 0.05  # seconds a row, until one was measured
THROTTLED_PACE = 1.0  # seconds a row, after the first answer that asked us to slow down
EASE = 0.98  # of that pace, after each send that was not throttled
FORGET_OVER = 10_000  # receivers
NO_ID = UUID(int=0)

LaneKey = tuple[str, str]
Parked = list[tuple[Claimed, float]]


@dataclass(slots=True)
class _Lane:
    """What waits in the ledger of one receiver and priority. Times are the clock's."""

    tail: float  # the last row is due then; whatever is new goes behind it
    opens: float = 0.0  # the receiver asked us to wait until then
    pace: float = 0.0  # seconds a row, at least, since it asked
    # The rows that were put back once more: up to this id, until this time. Others that were parked before them
    # are due earlier, and must not overtake them.
    again_id: UUID = NO_ID
    again_due: float = 0.0

    def is_shut_for(self, row: Claimed, now: float) -> bool:
        if not row.reason:
            return True
        return now < self.opens or (row.id > self.again_id and now < self.again_due)


class Parking:
    """Of one channel. `split` is called by its consumers, the others by its sending threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lanes: dict[LaneKey, _Lane] = {}
        self._pace: dict[str, float] = {}
        self._forget_at = 0.0
        self._lock = threading.Lock()  # a channel's two consumers park at once

    def observe(self, receiver_hash: str, seconds: float) -> None:
        """How long a send to a receiver with a queue took."""
        if len(self._pace) > FORGET_OVER:
            self._pace.clear()
        known = self._pace.get(receiver_hash, seconds)
        self._pace[receiver_hash] = 0.7 * known + 0.3 * seconds
        for priority in PRIORITIES:
            if (lane := self._lanes.get((priority, receiver_hash))) is not None:
                lane.pace *= EASE

    def split(self, rows: Iterable[Claimed], in_memory: Callable[[str, str], int]) -> tuple[list[Claimed], Parked]:
        """(rows to send, [(row to park, seconds until it is due)]), each in order."""
        added: Counter[LaneKey] = Counter()
        send: list[Claimed] = []
        park: Parked = []
        with self._lock:
            now = self._clock()
            self._forget(now)
            for row in rows:
                key = (row.priority, row.receiver_hash)
                lane = self._lane(key, now)
                before = added[key] + in_memory(*key)
                if (lane and lane.is_shut_for(row, now)) or before >= (CAP_OF_RETURNED if row.reason else CAP):
                    park.append((row, self._park(row, now, before) - now))
                else:
                    added[key] += 1
                    send.append(row)
        return send, park

    def throttle(self, row: Claimed, seconds: float, behind: Sequence[Claimed]) -> Parked:
        """The receiver of `row` asked for a rest of `seconds`; the rows `behind` it in memory, and when each is due."""
        with self._lock:
            now = self._clock()
            for priority in PRIORITIES:
                lane = self._lane_of((priority, row.receiver_hash), now)
                lane.opens = max(lane.opens, now + seconds)
                lane.pace = min(max(2 * lane.pace, THROTTLED_PACE), seconds)
                lane.again_id, lane.again_due = NO_ID, lane.opens
                lane.tail = max(lane.tail, lane.opens)
            return [(waiting, self._park(waiting, now, 1, again=True) - now) for waiting in behind]

    def follow(self, row: Claimed, due_in: float) -> None:
        """A row was put back unsent: what is new of its receiver goes behind it."""
        with self._lock:
            now = self._clock()
            lane = self._lane_of((row.priority, row.receiver_hash), now)
            lane.tail = max(lane.tail, now + due_in)

    def reason(self, row: Claimed) -> Reason:
        """Why a row that was parked waits."""
        lane = self._lanes.get((row.priority, row.receiver_hash))
        return Reason.THROTTLED if lane and lane.opens else Reason.PARKED

    def _park(self, row: Claimed, now: float, before: int, *, again: bool = False) -> float:
        """When the row is due: behind those parked, or behind those put back once more, where it was parked before."""
        lane = self._lane_of((row.priority, row.receiver_hash), now)
        pace = max(self._pace.get(row.receiver_hash, UNKNOWN_PACE), lane.pace)
        again = again or bool(row.reason)
        last = lane.again_due if again else lane.tail
        due = min(max(last, lane.opens, now + (before - 1) * pace) + pace, max(now, lane.opens) + LONGEST)
        if again:
            lane.again_id, lane.again_due = max(lane.again_id, row.id), due
        lane.tail = max(lane.tail, due)
        return due

    def _lane(self, key: LaneKey, now: float) -> _Lane | None:
        """The lane, unless all that was parked in it has come back."""
        lane = self._lanes.get(key)
        return lane if lane is not None and lane.tail + GRACE >= now else None

    def _lane_of(self, key: LaneKey, now: float) -> _Lane:
        lane = self._lane(key, now)
        if lane is None:
            lane = self._lanes[key] = _Lane(tail=now)
        return lane

    def _forget(self, now: float) -> None:
        """Not at each batch: while a provider throttles many receivers there are many lanes."""
        if now < self._forget_at:
            return
        self._forget_at = now + GRACE
        self._lanes = {key: lane for key, lane in list(self._lanes.items())[-FORGET_OVER:] if lane.tail + GRACE >= now}
