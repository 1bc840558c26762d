"""Receivers whose rows must wait in the ledger for each other: hot ones, and those that asked us to slow down.

Hot: without a cap a single slow receiver fills the claim-ahead and nothing else is sent. Rows over the cap, and
those behind them, are parked, due one after the other at the pace at which their receiver is served.
Throttled: one row was asked to wait, and so do all others of its receiver, unsent. They come back behind it,
spread at a rate that halves with every such answer. Either way they go out in the order accepted.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from notifications.ledger.rows import Claimed
from notifications.messages.words import PRIORITIES, Reason
from notifications.sending.gates import Later, Split

CAP = 8  # rows of one receiver in memory
CAP_OF_RETURNED = 128  # they come back a scheduler's batch at a time, at their own pace
GRACE = 2.0  # seconds; parked rows are under way for so long after they were due
LONGEST = 300.0  # seconds ahead; a receiver that hangs must not push its rows into tomorrow
UNKNOWN_PACE = 0.05  # seconds a row, until one was measured
THROTTLED_PACE = 1.0  # seconds a row, after the first answer that asked us to slow down
EASE = 0.98  # of that pace, after each send that was not throttled
FORGET_OVER = 10_000  # receivers
NO_ID = UUID(int=0)

LaneKey = tuple[str, str]  # (priority, receiver hash)


@dataclass(slots=True)
class _Lane:
    """What waits in the ledger of one receiver and priority. Times are the clock's."""

    tail: float  # the last row is due then; whatever is new goes behind it
    opens: float = 0.0  # the receiver asked us to wait until then
    asked_at: float = -math.inf  # when it asked last
    pace: float = 0.0  # seconds a row, at least, since it asked
    # The rows that were put back once more: up to this id, until this time. Others that were parked before them
    # are due earlier, and must not overtake them.
    again_id: UUID = NO_ID
    again_due: float = 0.0

    def is_shut_for(self, row: Claimed, now: float) -> bool:
        if not row.reason:
            return True
        return now < self.opens or (row.id > self.again_id and now < self.again_due)


@dataclass(slots=True)
class _Tries:
    """What was decided in all tries of one claim, which has `owner` as its token. No rows, for these have texts."""

    owner: str
    seen: list[UUID] = field(default_factory=list)  # a list, for only a repeated try looks an id up
    waits: dict[tuple[UUID, int], float] = field(default_factory=dict)  # seconds, by id and claims; the others go


class Parking:
    """The gate of one channel's receivers. Thread-safe: consumers call `split`, what sends calls all but that.

    `in_memory` gives how many rows of a priority and receiver hash the process has, the one being sent included.
    `clock` gives seconds.
    """

    def __init__(self, in_memory: Callable[[str, str], int], clock: Callable[[], float] = time.monotonic) -> None:
        self._in_memory = in_memory
        self._clock = clock
        self._lanes: dict[LaneKey, _Lane] = {}
        self._pace: dict[str, float] = {}
        self._tries: dict[str, _Tries] = {}  # of the last claim of each priority, which has one consumer
        self._asked_at = -math.inf  # when a receiver asked for a rest last
        self._forget_at = 0.0
        self._lock = threading.Lock()

    def observe(self, receiver_hash: str, seconds: float) -> None:
        """Notes how long a send to a receiver with a queue took."""
        with self._lock:
            if len(self._pace) > FORGET_OVER:
                self._pace.clear()
            known = self._pace.get(receiver_hash, seconds)
            self._pace[receiver_hash] = 0.7 * known + 0.3 * seconds
            for priority in PRIORITIES:
                if (lane := self._lanes.get((priority, receiver_hash))) is not None:
                    lane.pace *= EASE

    def split(self, rows: list[Claimed]) -> Split:
        """Lets a few rows of each receiver go; puts the rest off, each until it is its turn.

        A claim is repeated where its last try was rolled back, and where it is in the ledger but its answer was lost.
        What was decided about a row in one try stands in the next, for the lanes have it already: asked anew, the
        rows that may go would be parked, behind those that were parked after them.
        """
        with self._lock:
            now = self._clock()
            self._forget(now)
            return self._split(rows, now) if rows else Split(rows)

    def _split(self, rows: list[Claimed], now: float) -> Split:
        tries = self._tries_of(rows[0])
        seen = set(tries.seen)
        tries.seen += [row.id for row in rows if row.id not in seen] if seen else [row.id for row in rows]
        added: Counter[LaneKey] = Counter()
        go: list[Claimed] = []
        later: list[Later] = []
        for row in rows:
            key, kept = (row.priority, row.receiver_hash), None
            if seen and row.id in seen:
                kept = self._park_as_before(row, now, tries)
            else:
                lane = self._lane(key, now)
                before = added[key] + self._in_memory(*key)
                if (lane and lane.is_shut_for(row, now)) or before >= (CAP_OF_RETURNED if row.reason else CAP):
                    kept = self._park(row, now, before)
                    tries.waits[row.id, row.claims] = kept.due_in
            if kept:
                later.append(kept)
            else:
                added[key] += 1
                go.append(row)
        return Split(go, later)

    def split_again(self, rows: list[Claimed], since: float) -> Split:
        """Puts off those rows whose receiver has asked for a rest since the clock's time `since`.

        Other rows of the batch go as they were allowed to. Asked at the end of the way from the gates to the pool,
        on which the claim is committed: a send that ends meanwhile takes what waits of its receiver out of the pool,
        and these are not in it yet.
        """
        with self._lock:
            if self._asked_at < since:
                return Split(rows)
            now = self._clock()
            go: list[Claimed] = []
            later: list[Later] = []
            for row in rows:
                lane = self._lane((row.priority, row.receiver_hash), now)
                if lane and lane.asked_at >= since:
                    later.append(self._park(row, now, 1, again=True))
                else:
                    go.append(row)
        return Split(go, later)

    def throttle(self, row: Claimed, until: float, behind: Sequence[Claimed]) -> list[Later]:
        """Notes that the receiver of `row` asked for a rest. Returns when each row `behind` it in memory is due.

        The rest ends at the clock's time `until`, when `row` is due itself: later, it would find its lane shut and be
        put behind the others.
        """
        with self._lock:
            now = self._asked_at = self._clock()
            for priority in PRIORITIES:
                lane = self._lane_of((priority, row.receiver_hash), now)
                lane.opens, lane.asked_at = max(lane.opens, until), now
                lane.pace = min(max(2 * lane.pace, THROTTLED_PACE), max(until - now, 0.0))
                lane.again_id, lane.again_due = NO_ID, lane.opens
                lane.tail = max(lane.tail, lane.opens)
            return [self._park(waiting, now, 1, again=True) for waiting in behind]

    def follow(self, row: Claimed, due_in: float) -> None:
        """Notes that a row was put back unsent for `due_in` seconds: what is new of its receiver goes behind it."""
        with self._lock:
            now = self._clock()
            lane = self._lane_of((row.priority, row.receiver_hash), now)
            lane.tail = max(lane.tail, now + due_in)

    def _tries_of(self, row: Claimed) -> _Tries:
        """Returns the tries of the claim that has this row."""
        tries = self._tries.get(row.priority)
        if tries is None or tries.owner != row.owner:
            tries = self._tries[row.priority] = _Tries(row.owner)
        return tries

    def _park(self, row: Claimed, now: float, before: int, *, again: bool = False) -> Later:
        """Returns the row with its wait: behind those parked, or, if it was parked before, behind those put back again.

        `before` is how many rows of its receiver are in memory.
        """
        lane = self._lane_of((row.priority, row.receiver_hash), now)
        pace = max(self._pace.get(row.receiver_hash, UNKNOWN_PACE), lane.pace)
        again = again or bool(row.reason)
        last = lane.again_due if again else lane.tail
        due = min(max(last, lane.opens, now + (before - 1) * pace) + pace, max(now, lane.opens) + LONGEST)
        return self._park_until(due, row, now, again=again)

    def _park_as_before(self, row: Claimed, now: float, tries: _Tries) -> Later | None:
        """Returns the row with the wait that it was given in a try that was rolled back, or None where it goes."""
        due_in = tries.waits.get((row.id, row.claims))
        return None if due_in is None else self._park_until(now + due_in, row, now, again=bool(row.reason))

    def _park_until(self, due: float, row: Claimed, now: float, *, again: bool) -> Later:
        lane = self._lane_of((row.priority, row.receiver_hash), now)
        if again:
            lane.again_id, lane.again_due = max(lane.again_id, row.id), max(lane.again_due, due)
        lane.tail = max(lane.tail, due)
        return Later(row, Reason.THROTTLED if lane.opens else Reason.PARKED, due - now)

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
