"""The scheduler: brings back to their topics the rows that are due, in the outbox, or left behind.

Any number run at once. Each round takes rows under a short lease (committed), publishes them, and ends the
lease of those acknowledged: the only order in which a crash between any two steps loses nothing.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections

from notifications.brokers.base import Broker, outbound
from notifications.ledger import due, leases, partitions, receipts
from notifications.ledger.digests.looking import look_at_digests
from notifications.ledger.hooks import Hooks
from notifications.ledger.minutes import minutes
from notifications.ledger.pauses.releasing import Releasing
from notifications.ledger.waking import Waking
from notifications.messages.tracing import trace
from notifications.messages.words import WorkerKind
from notifications.scheduling import standings
from notifications.scheduling.heartbeats import beat
from notifications.scheduling.jobs import Kind, Runner
from project import metrics
from project.database import refusals
from project.logs import events
from project.traces import tracing
from project.traces.tracing import Span

logger = logging.getLogger(__name__)

BATCH = 1000
IDLE = 0.2  # seconds between two rounds that found little
SWEEP_EVERY = 1.0
PAUSES_EVERY = 1.0
DIGESTS_EVERY = 1.0
PEOPLE_EVERY = 1.0
# The other looks are at what was accepted lately, unless there is more than a round's work. What was scheduled weeks
# ago goes out that much later at most.
EVERYTHING_EVERY = 0.5
CHORES_EVERY = 5.0
MEASURE_EVERY = 15.0
MAKE_AHEAD_EVERY = 600.0  # partitions of the ledger; they are made days before they are needed
LONGEST_PAUSE = 2.0
STUCK = 60.0  # seconds without a round after which a restart may help


class Scheduler:
    """`run` until `stop`. Repeats whatever the database refuses. Beside it run the jobs of `kinds`.

    While the platform is read-only it says that it is alive and counts, and moves no row.
    """

    def __init__(self, broker: Broker, hooks: Hooks, *, kinds: Mapping[str, Kind] | None = None) -> None:
        self._broker = broker
        self._hooks = hooks
        self._jobs = Runner(kinds or {}, may_work=lambda: not self._read_only)
        self._releasing = Releasing()
        self._waking = Waking()
        self._read_only = True  # until it has looked
        self._owner = f"scheduler-{os.urandom(10).hex()}"
        self._stopping = threading.Event()
        self._limit = BATCH
        self._more = False  # the last round left something
        self._everything_at = 0.0
        self._sweep_at = 0.0
        self._pauses_at = 0.0
        self._digests_at = 0.0
        self._people_at = 0.0
        self._chores_at = 0.0
        self._measure_at = 0.0
        self._make_ahead_at = 0.0
        self._answered_at = 0.0
        self._trusted_from = 0.0
        self._started_at = self._moved_at = time.monotonic()

    def stop(self) -> None:
        self._stopping.set()

    def is_stuck(self) -> bool:
        """Returns True where no round has begun for a minute. A scheduler that waits for the database begins rounds."""
        return time.monotonic() - self._moved_at > STUCK

    def run(self) -> None:
        metrics.last_round.set_function(lambda: time.monotonic() - self._moved_at)
        pause = IDLE
        while not self._stopping.is_set():
            self._jobs.check()
            self._moved_at = time.monotonic()
            close_old_connections()
            try:
                self.round()
                self._jobs.start()  # once it is known whether the platform is read-only
                pause = 0.0 if self._more else IDLE
            except (DatabaseError, InterfaceError) as error:
                logger.warning("the ledger cannot be reached: %s", refusals.reason(error))
                self._answered_at = 0.0
                pause = min(2 * pause + IDLE, LONGEST_PAUSE)
            self._stopping.wait(pause)
        self._jobs.stop()
        minutes.write_if_possible()
        close_old_connections()

    def round(self) -> int:
        """One look at what is due, and the rest of the work where its time has come; how many rows went back."""
        self._look_at_pauses()
        if self._read_only:
            self._more = False
            self._do_chores()
            return 0
        self._look_at_people()
        self._look_at_digests()
        taken = self._take(self._since())
        size = self._publish(taken) if taken else 0
        # Where bytes were the bound, as many rows again are looked at next time, and locked, as were taken.
        self._more = len(taken) >= self._limit or size >= due.ROUND_BYTES
        self._limit = min(BATCH, 2 * len(taken)) if size >= due.ROUND_BYTES else BATCH
        self._sweep()
        self._do_chores()
        return len(taken)

    def _look_at_pauses(self) -> None:
        now = time.monotonic()
        if now >= self._pauses_at:
            self._pauses_at = now + PAUSES_EVERY
            self._read_only = self._releasing.look()

    def _look_at_people(self) -> None:
        now = time.monotonic()
        if now >= self._people_at and not self._waking.look():
            self._people_at = now + PEOPLE_EVERY

    def _look_at_digests(self) -> None:
        now = time.monotonic()
        if now >= self._digests_at and not look_at_digests(self._hooks):
            self._digests_at = now + DIGESTS_EVERY

    def _since(self) -> UUID:
        """Returns the id from which on this round looks at rows."""
        now = time.monotonic()
        if not self._more and now < self._everything_at:
            return partitions.recent() or due.FIRST
        self._everything_at = now + EVERYTHING_EVERY
        return due.FIRST

    def _take(self, since: UUID) -> list[due.Taken]:
        """Ends what has expired, then leases what is due. Looks first, unless more is known to be there."""
        if not self._more and not due.anything(since=since):
            return []
        due.expire(BATCH, hooks=self._hooks, since=since)
        return due.take_due(self._owner, self._limit, since=since)

    def _publish(self, taken: Sequence[due.Taken]) -> int:
        """Publish what was leased, end the lease of what is durable; how many bytes it was."""
        spans = [_begin_span(row) for row in taken]
        parents = [span.traceparent or trace(trace_id=row.trace_id) for row, span in zip(taken, spans, strict=True)]
        of = zip(taken, parents, strict=True)
        records = [outbound(row.message, origin=row.origin, traceparent=parent) for row, parent in of]
        fates = list(zip(taken, self._broker.publish(records), strict=True))
        for span, (_, fate) in zip(spans, fates, strict=True):
            span.end("" if fate else "not-acknowledged")
        acknowledged = [row for row, fate in fates if fate.durable]
        if acknowledged:
            due.mark_published(self._owner, [row.message.id for row in acknowledged])
            for origin, count in Counter(row.origin for row in acknowledged).items():
                metrics.published.labels(origin).inc(count)
            _log_queued(acknowledged)
        if refused := {row.message.id: fate.why for row, fate in fates if fate.refused}:
            died = due.end_refused(self._owner, refused, hooks=self._hooks)
            logger.error("%d notifications died, for Kafka will never take them", died)
        if len(acknowledged) + len(refused) < len(taken):
            due.take_again_soon(self._owner, [t.message.id for t, fate in fates if not (fate or fate.refused)])
            self._stopping.wait(IDLE)
        return sum(len(record.value) for record in records)

    def _sweep(self) -> None:
        now = time.monotonic()
        if now < self._sweep_at:
            return
        self._sweep_at = now + SWEEP_EVERY
        # Also where nothing is to be given up: a write fails on a server that has become read-only, so this idle
        # scheduler leaves such a one, and does not count the time there as time in which leases could be renewed.
        due.give_up(settings.OUTAGE_PATIENCE, BATCH, hooks=self._hooks)
        moment = due.clock()
        if not self._leases_could_be_renewed():
            return
        if swept := leases.sweep(settings.RETRY_SCHEDULE, BATCH, hooks=self._hooks, passed_by=moment):
            metrics.leases_swept.inc(swept)
            logger.warning("%d leases passed unsettled: their senders died or were stopped", swept)

    def _leases_could_be_renewed(self) -> bool:
        """Returns True once the database has been reachable for a full lease, without a failure or a pause.

        Until then senders could not renew, so a lease that passed proves nothing. A sweep that hangs itself counts as a
        pause, so that it does not blame the senders.
        """
        now = time.monotonic()
        silence = now - self._answered_at
        if not self._answered_at or silence > max(settings.LEASE_SECONDS / 2, 3 * SWEEP_EVERY):
            self._trusted_from = now + settings.LEASE_SECONDS
        self._answered_at = now
        return now >= self._trusted_from

    def _do_chores(self) -> None:
        now = time.monotonic()
        if now < self._chores_at:
            return
        self._chores_at = now + CHORES_EVERY
        beat(WorkerKind.SCHEDULER, self._started_at)
        minutes.write()
        if now >= self._measure_at:
            self._measure_at = now + MEASURE_EVERY
            standings.measure(self._broker, self._jobs.kinds)
        if self._read_only:
            return
        if now >= self._make_ahead_at:
            self._make_ahead_at = now + MAKE_AHEAD_EVERY
            _make_ahead()
        receipts.match()
        self._hooks.do_chores()


def _begin_span(row: due.Taken) -> Span:
    if not tracing.is_on():
        return tracing.NOTHING
    message = row.message
    about = tracing.about("publish", "send", message.topic, message.id, **{"notifications.origin": row.origin.value})
    return tracing.begin(f"publish {message.topic}", trace(trace_id=row.trace_id), tracing.PRODUCER, about)


def _log_queued(rows: Sequence[due.Taken]) -> None:
    now = events.now()
    about = [(row.message, row) for row in rows]
    events.write([events.Queued(now, m.id, row.trace_id, m.channel, m.generation, row.origin) for m, row in about])


def _make_ahead() -> None:
    """What keeps a partition from being made, a missing right for example, keeps nothing else from being done."""
    try:
        partitions.make_ahead()
    except DatabaseError as error:
        if refusals.is_away(error):
            raise
        logger.warning("the ledger's next partition cannot be made: %s", refusals.reason(error))
