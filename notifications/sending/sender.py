"""A sender: a delivery for each channel, one settler, and a scheduler, until it is stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence

from django.conf import settings
from django.db import connection

from notifications.brokers.base import Broker
from notifications.channels.base import Provider
from notifications.channels.outcomes import Cause, SendError
from notifications.ledger import verdicts
from notifications.ledger.hooks import Hooks
from notifications.ledger.minutes import minutes
from notifications.ledger.pauses.in_force import Pauses
from notifications.ledger.settle import Settlement
from notifications.messages.words import BreakerState, WorkerKind
from notifications.models import BreakerEvent
from notifications.scheduling.heartbeats import beat, worker_name
from notifications.scheduling.jobs import Kind
from notifications.scheduling.scheduler import Scheduler
from notifications.sending.delivery import Delivery
from notifications.sending.housekeeping import Housekeeping
from notifications.sending.policies import Policies
from notifications.sending.route import Route
from notifications.sending.settler import Settler
from project import metrics
from project.logs import events
from users.recipients.known import Known

logger = logging.getLogger(__name__)

SETTLE_TIME = 3.0  # seconds kept, when stopping, for writing down what came of the last sends
LOOK_EVERY = 0.25  # seconds
HOPELESS = 300.0  # seconds without an answer of the database, after which the supervisor may try


class Sender:
    """`run` returns the exit code: 0 after `stop`, 1 when going on would be wrong.

    `kinds` are the jobs that run beside its scheduler, if it has one.
    """

    def __init__(
        self,
        providers: Mapping[str, Sequence[Provider]],
        *,
        broker: Broker,
        hooks: Hooks,
        at_once: int | None,
        with_scheduler: bool = True,
        drain: float | None = None,
        kinds: Mapping[str, Kind] | None = None,
    ) -> None:
        """`providers` are those of each channel that is to be sent, in the order in which they are asked.

        `at_once` is the number of sends of a channel that may be under way, or None for what suits its providers.
        """
        self._drain = drain if drain is not None else settings.SEND_TIMEOUT_SECONDS + 5
        self._names = ",".join(providers)
        self._started_at = time.monotonic()
        self._stopping = threading.Event()
        self._running = False  # waiting for the database at the start is not being stuck
        self._fatal = ""
        self._breaker_events: deque[BreakerEvent] = deque()
        self._policies, self._pauses, self._known = Policies(), Pauses(), Known()
        work = (self._policies.refresh, self._beat, self._write_breakers, minutes.write)
        self._housekeeping = Housekeeping(work, looks=(self._pauses.refresh, self._known.refresh))
        self._settler = Settler(lease=settings.LEASE_SECONDS, send_timeout=settings.SEND_TIMEOUT_SECONDS, hooks=hooks)
        self._deliveries = [
            self._delivery(self._route(channel, route), broker, hooks, at_once) for channel, route in providers.items()
        ]
        self._scheduler = Scheduler(broker, hooks, kinds=kinds) if with_scheduler else None
        self._scheduling = threading.Thread(target=self._schedule, name="scheduler", daemon=True)

    def _route(self, channel: str, providers: Sequence[Provider]) -> Route:
        return Route(channel, providers, self._note_breaker, is_paused=self._pauses.of_provider)

    def _delivery(self, route: Route, broker: Broker, hooks: Hooks, at_once: int | None) -> Delivery:
        return Delivery(
            route,
            broker=broker,
            hooks=hooks,
            policies=self._policies,
            pauses=self._pauses,
            known=self._known,
            settler=self._settler,
            at_once=at_once,
            on_fatal=self._end,
        )

    def stop(self) -> None:
        """Ask `run` to drain and return; safe in a signal handler."""
        self._stopping.set()

    def is_stuck(self) -> bool:
        """Returns whether a loop stands still, so that a restart may help. Never while results are kept."""
        if not self._running or self._settler.unsettled():
            return False
        scheduler_is_stuck = self._scheduler is not None and self._scheduler.is_stuck()
        return scheduler_is_stuck or any(delivery.is_stuck() for delivery in self._deliveries)

    def unassigned(self) -> list[str]:
        """Returns the topics of which it has not been given its share of the partitions, so that it cannot read."""
        return [topic for delivery in self._deliveries for topic in delivery.unassigned()]

    def run(self) -> int:
        self._housekeeping.thread.start()
        if self._wait_for_policies():
            self._start_all()
            while not self._stopping.wait(LOOK_EVERY):
                self._look_after()
            self._stop_all()
        self._housekeeping.stop()
        minutes.write_if_possible()
        connection.close()
        if self._fatal:
            logger.critical("%s", self._fatal)
        return 1 if self._fatal else 0

    def _wait_for_policies(self) -> bool:
        """Waits until the database has given them: the first hand-over needs them. Returns False where it must stop."""
        while not self._housekeeping.wait(LOOK_EVERY):
            if not self._housekeeping.thread.is_alive():
                self._end("The housekeeping failed.")
            if self._stopping.is_set():
                return False
        return True

    def _start_all(self) -> None:
        self._settler.thread.start()
        for delivery in self._deliveries:
            delivery.start()
        self._scheduling.start()
        self._running = True

    def _look_after(self) -> None:
        """Ends where a thread has died or a send keeps others from going on, or the database is away for minutes."""
        if self._is_hopeless():
            self._end("The database has taken nothing for minutes.")
        for thread in (self._settler.thread, self._housekeeping.thread):
            if not thread.is_alive():
                self._end(f"The {thread.name} failed.")
        for delivery in self._deliveries:
            delivery.look_after()

    def _stop_all(self) -> None:
        """Drain: what is unsent goes back, what is under way may end, what does not end in time is uncertain."""
        logger.info("stopping: up to %g s for the sends under way", self._drain)
        deadline = time.monotonic() + self._drain
        if self._scheduler:
            self._scheduler.stop()
        stops = [
            threading.Thread(target=delivery.stop, args=(deadline - SETTLE_TIME,)) for delivery in self._deliveries
        ]
        for stop in stops:
            stop.start()
        for stop in stops:
            stop.join()
        for row in self._settler.under_way():
            error = SendError(Cause.OUTCOME_UNKNOWN, "The sender stopped before the provider answered.", uncertain=True)
            hold = self._policies.holds(row.category)
            verdict = verdicts.failed(error, attempts=row.attempts, hold=hold, schedule=settings.RETRY_SCHEDULE)
            self._settler.settle(Settlement(row, verdict, row.channel))
        if not self._settler.stop(deadline):
            logger.error("results could not be written; the leases of %d rows will pass", self._settler.unsettled())
        if self._scheduling.is_alive():
            self._scheduling.join(max(0.0, deadline - time.monotonic()))

    def _schedule(self) -> None:
        try:
            if self._scheduler:
                self._scheduler.run()
        except Exception:
            logger.exception("the scheduler failed")
            self._end("The scheduler failed.")

    def _end(self, why: str) -> None:
        """Stop with an error: somebody must look."""
        self._fatal = self._fatal or why
        self._stopping.set()

    def _is_hopeless(self) -> bool:
        """Never while results are kept: only this process knows them."""
        since = [self._settler.failing_since, self._housekeeping.failing_since]
        since += [delivery.failing_since for delivery in self._deliveries]
        silence = max((time.monotonic() - moment for moment in since if moment is not None), default=0.0)
        return silence >= HOPELESS and not self._settler.unsettled()

    def _beat(self) -> None:
        beat(WorkerKind.SENDER, self._started_at, self._names)

    def _note_breaker(self, channel: str, provider: str, is_open: bool, cause: Cause | None) -> None:
        state = BreakerState.OPEN if is_open else BreakerState.CLOSED
        events.write([events.Breaker(events.now(), channel, provider, state, cause or "")])
        metrics.breaker_open.labels(channel, provider).set(int(is_open))
        event = BreakerEvent(
            worker=worker_name(WorkerKind.SENDER), channel=channel, provider=provider, state=state, cause=cause or ""
        )
        self._breaker_events.append(event)

    def _write_breakers(self) -> None:
        events = [self._breaker_events[place] for place in range(len(self._breaker_events))]  # others append meanwhile
        if events:
            BreakerEvent.objects.bulk_create(events)
            for _ in events:
                self._breaker_events.popleft()
