"""The thread that writes results down: settles and renews on one connection, in batches.

It holds every row this process has claimed until the ledger knows what became of it. While the database is
away it keeps the results and repeats; sending never waits for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from sys import getsizeof
from uuid import UUID

from django.db import DatabaseError, InterfaceError, close_old_connections

from notifications.ledger.hooks import Hooks
from notifications.ledger.rows import Claimed
from notifications.ledger.settle import Settlement, mark_handed, renew, settle
from notifications.messages.words import Status
from project import metrics
from project.database import refusals
from project.database.dialects import turn_to_write

logger = logging.getLogger(__name__)

BATCH = 500
LINGER = 0.01  # seconds to let a batch grow, once there is something to settle
RENEWALS = 4  # in a lease
CHORES_EVERY = 5.0  # seconds
LONGEST_PAUSE = 2.0  # seconds between two tries while the database is away


@dataclass(slots=True)
class Held:
    """A claimed row of this process: until when it may be handed over, and by when it expires."""

    claimed: Claimed
    deadline: float  # monotonic
    expires: float | None  # monotonic
    renewed_at: float
    size: int  # bytes in memory


@dataclass(slots=True)
class _HandOver:
    claimed: Claimed
    noted: bool = False
    done: threading.Event = field(default_factory=threading.Event)


class Settler:
    """`hold` claimed rows, `settle` them; `may_hand_over` says whether the lease still covers a send."""

    def __init__(
        self, *, lease: float, send_timeout: float, hooks: Hooks, chores: Sequence[Callable[[], None]] = ()
    ) -> None:
        self._lease = lease
        self._cover = lease - send_timeout  # seconds of a fresh lease in which a send may still start
        self._hooks = hooks
        self._chores = chores
        self._held: dict[UUID, Held] = {}
        self._bytes: Counter[str] = Counter()  # of the texts held, by channel
        self._holding = threading.Lock()
        self._results: deque[Settlement] = deque()
        self._handovers: deque[_HandOver] = deque()
        self._wake = threading.Event()
        self._hurry = threading.Event()  # no waiting for a batch to grow
        self._stopping = False
        self._next_chores = 0.0
        self.failing_since: float | None = None  # monotonic: the database has not answered since
        self.thread = threading.Thread(target=self._run, name="settler", daemon=True)
        metrics.unsettled.set_function(self.unsettled)

    def hold(self, rows: Sequence[Claimed], claimed_at: float) -> None:
        """Take charge of rows claimed by a statement that began at the monotonic time `claimed_at`."""
        with self._holding:
            for row in rows:
                expires = None if row.expires_in is None else claimed_at + row.expires_in
                size = getsizeof(row.message) + getsizeof(row.html)
                self._let_go(row.id)  # a claim that was ours before, and passed
                self._held[row.id] = Held(row, claimed_at + self._cover, expires, claimed_at, size)
                self._bytes[row.channel] += size

    def _let_go(self, id: UUID) -> None:
        if (held := self._held.pop(id, None)) is not None:
            self._bytes[held.claimed.channel] -= held.size

    def bytes_of(self, channel: str) -> int:
        """How much memory the texts of a channel take that were claimed and are not settled."""
        return self._bytes[channel]

    def settle(self, settlement: Settlement) -> None:
        self._results.append(settlement)
        self._wake.set()
        if len(self._results) >= BATCH:
            self._hurry.set()

    def may_hand_over(self, row: Claimed) -> bool:
        """Whether the lease, as far as this process knows, outlasts a send that starts now."""
        held = self._held.get(row.id)
        return held is not None and held.claimed is row and time.monotonic() < held.deadline

    def has_expired(self, row: Claimed) -> bool:
        held = self._held.get(row.id)
        return held is not None and held.expires is not None and time.monotonic() >= held.expires

    def note_hand_over(self, row: Claimed) -> bool:
        """Commit `handed_at` before a hand-over; False if it could not be while the lease lasts."""
        noted = _HandOver(row)
        self._handovers.append(noted)
        self._wake.set()
        self._hurry.set()
        while not noted.done.wait(0.5):
            if not self.may_hand_over(row):
                return False
        return noted.noted

    def unsettled(self) -> int:
        return len(self._held)

    def under_way(self) -> list[Claimed]:
        """Rows held and without a result yet."""
        with_result = {settlement.fence.id for settlement in list(self._results)}
        return [held.claimed for held in list(self._held.values()) if held.claimed.id not in with_result]

    def stop(self, deadline: float) -> bool:
        """Settle what there is until the monotonic `deadline`; whether nothing is left unsettled."""
        self._stopping = True
        self._wake.set()
        self._hurry.set()
        self.thread.join(max(0.0, deadline - time.monotonic()))
        return not self._results

    def _run(self) -> None:
        pause = 0.1
        while not (self._stopping and not self._results):
            if self._wake.wait(self._lease / RENEWALS / 4):
                self._hurry.wait(LINGER)
            self._wake.clear()
            self._hurry.clear()
            try:
                with turn_to_write():
                    self._work()
                self.failing_since, pause = None, 0.1
            except (DatabaseError, InterfaceError) as error:
                self.failing_since = self.failing_since or time.monotonic()
                why = refusals.reason(error)
                logger.warning("the ledger cannot be written, keeping %d results: %s", len(self._results), why)
                close_old_connections()
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _work(self) -> None:
        """Settle what there is now: what arrives meanwhile must not keep leases from being renewed."""
        self._note_hand_overs()
        for _ in range(0, len(self._results), BATCH):
            self._settle([self._results[position] for position in range(min(BATCH, len(self._results)))])
            self._note_hand_overs()
        self._renew()
        if time.monotonic() >= self._next_chores:
            for chore in self._chores:
                chore()
            self._next_chores = time.monotonic() + CHORES_EVERY  # only now: while they fail, the database is asked

    def _settle(self, batch: list[Settlement]) -> None:
        """Settle the first results of the queue; they leave it only after the commit."""
        settled = settle(batch, hooks=self._hooks)
        with self._holding:
            for settlement in batch:
                self._results.popleft()
                held = self._held.get(settlement.fence.id)
                if held is not None and held.claimed is settlement.fence:
                    self._let_go(settlement.fence.id)
        _count([s for s in batch if s.fence.id in settled], stale=len(batch) - len(settled))

    def _renew(self) -> None:
        now = time.monotonic()
        rows = [held.claimed for held in list(self._held.values()) if now - held.renewed_at > self._lease / RENEWALS]
        for start in range(0, len(rows), BATCH):
            began = time.monotonic()
            renewed = renew(rows[start : start + BATCH], lease=self._lease)
            for id in renewed:
                if (held := self._held.get(id)) is not None:
                    held.deadline, held.renewed_at = began + self._cover, began

    def _note_hand_overs(self) -> None:
        batch = [self._handovers[position] for position in range(len(self._handovers))]
        if not batch:
            return
        noted = mark_handed([handover.claimed for handover in batch])
        for handover in batch:
            self._handovers.popleft()
            if handover.claimed.id in noted:
                handover.noted = True
                handover.done.set()
            elif self.may_hand_over(handover.claimed):
                self._handovers.append(handover)  # its row was locked: the next round
            else:
                handover.done.set()


def _count(settled: list[Settlement], *, stale: int) -> None:
    if stale:
        metrics.stale_settlements.inc(stale)
        logger.warning("%d results came too late: their rows had moved on", stale)
    outcomes: Counter[tuple[str, str]] = Counter()
    for settlement in settled:
        verdict, channel = settlement.verdict, settlement.channel
        if verdict.status == Status.SENT or verdict.outcome:
            outcomes[channel, verdict.outcome or "sent"] += 1
    for (channel, outcome), count in outcomes.items():
        metrics.attempts.labels(channel, outcome).inc(count)
