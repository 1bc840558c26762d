"""The thread that writes results down: it settles and renews leases on one connection, in batches.

While the database is away it keeps the results and repeats; sending never waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from concurrent.futures import Future, wait
from dataclasses import dataclass, field

from django.db import DatabaseError, InterfaceError, close_old_connections

from notifications.ledger.hooks import Hooks
from notifications.ledger.rows import Claimed
from notifications.ledger.settle import Settlement, mark_handed, renew, settle
from notifications.messages.topics import topic_of
from notifications.sending.counting import count_settled, log_sent
from notifications.sending.custody import Custody
from project import metrics
from project.database import refusals
from project.database.dialects import turn_to_write
from project.traces import tracing

logger = logging.getLogger(__name__)

BATCH = 500
LINGER = 0.01  # seconds to let a batch grow, once there is something to settle
RENEWALS = 4  # in a lease
LOOK_AT_LEASE = 0.5  # seconds between two looks, while a hand-over is to be noted
LONGEST_PAUSE = 2.0  # seconds between two tries while the database is away


@dataclass(slots=True)
class _HandOver:
    claimed: Claimed
    noted: Future[bool] = field(default_factory=Future)


class Settler:
    """Takes results from any thread, and keeps the rows in `custody` until the ledger has theirs.

    `lease` and `send_timeout` are in seconds.
    """

    def __init__(self, *, lease: float, send_timeout: float, hooks: Hooks) -> None:
        self.custody = Custody(lease=lease, send_timeout=send_timeout)
        self._lease = lease
        self._hooks = hooks
        self._results: deque[Settlement] = deque()
        self._handovers: deque[_HandOver] = deque()
        self._settled = threading.Lock()  # results leave their queue and their rows the custody at once
        self._wake = threading.Event()
        self._hurry = threading.Event()  # no waiting for a batch to grow
        self._stopping = False
        self.failing_since: float | None = None  # monotonic: the database has not answered since
        self.thread = threading.Thread(target=self._run, name="settler", daemon=True)
        metrics.unsettled.set_function(self.unsettled)

    def settle(self, settlement: Settlement) -> None:
        """Takes a result, to be written down soon. Does not wait."""
        self._results.append(settlement)
        # The thread clears both before it looks at the results, so one that is set need not be set again, at a cost.
        if not self._wake.is_set():
            self._wake.set()
        if len(self._results) >= BATCH and not self._hurry.is_set():
            self._hurry.set()

    def note_hand_over(self, row: Claimed) -> bool:
        """Waits until `handed_at` is committed. Returns False where that was not possible while the lease lasts."""
        noted = self._ask_for_note(row)
        while not wait([noted], LOOK_AT_LEASE).done:
            if not self.custody.may_hand_over(row):
                return False
        return noted.result()

    async def anote_hand_over(self, row: Claimed) -> bool:
        """Does the same on an event loop."""
        noted = asyncio.wrap_future(self._ask_for_note(row))
        while not (await asyncio.wait([noted], timeout=LOOK_AT_LEASE))[0]:
            if not self.custody.may_hand_over(row):
                return False
        return noted.result()

    def _ask_for_note(self, row: Claimed) -> Future[bool]:
        asked = _HandOver(row)
        self._handovers.append(asked)
        self._wake.set()
        self._hurry.set()
        return asked.noted

    def unsettled(self) -> int:
        """Returns how many claimed rows the ledger has no settlement of."""
        return len(self.custody)

    def under_way(self) -> list[Claimed]:
        """Returns the rows that have no result yet."""
        with self._settled:
            with_result = {self._results[place].fence.id for place in range(len(self._results))}
            return [row for row in self.custody.rows() if row.id not in with_result]

    def stop(self, deadline: float) -> bool:
        """Settles what there is until the monotonic `deadline`. Returns whether all of it was."""
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

    def _settle(self, batch: list[Settlement]) -> None:
        """Settle the first results of the queue; they leave it only after the commit."""
        at = time.time_ns()
        settled = settle(batch, hooks=self._hooks)
        with self._settled:
            for _ in batch:
                self._results.popleft()
            self.custody.let_go([settlement.fence for settlement in batch])
        done = batch if len(settled) == len(batch) else [each for each in batch if each.fence.id in settled]
        count_settled(done)
        log_sent(done)
        if tracing.is_on():
            _trace(done, at)
        if stale := len(batch) - len(settled):
            metrics.stale_settlements.inc(stale)
            logger.warning("%d results came too late: their rows had moved on", stale)

    def _renew(self) -> None:
        rows = self.custody.to_renew(after=self._lease / RENEWALS)
        for start in range(0, len(rows), BATCH):
            began = time.monotonic()
            self.custody.renewed(renew(rows[start : start + BATCH], lease=self._lease), began)

    def _note_hand_overs(self) -> None:
        batch = [self._handovers[position] for position in range(len(self._handovers))]
        if not batch:
            return
        noted = mark_handed([handover.claimed for handover in batch])
        for handover in batch:
            self._handovers.popleft()
            if handover.claimed.id in noted:
                handover.noted.set_result(True)
            elif self.custody.may_hand_over(handover.claimed):
                self._handovers.append(handover)  # its row was locked: the next round
            else:
                handover.noted.set_result(False)


def _trace(settlements: list[Settlement], at: int) -> None:
    """Writes the spans of a batch that was settled since `at`, in ns, each below that of its claim."""
    for each in settlements:
        row, verdict = each.fence, each.verdict
        if isinstance(row, Claimed):
            more = {"notifications.status": verdict.status.value, "notifications.provider": each.provider}
            about = tracing.about("settle", "settle", topic_of(row.channel, row.priority), row.id, **more)
            tracing.begin("settle", row.traceparent, tracing.CLIENT, about, at=at).end(verdict.cause or "")
