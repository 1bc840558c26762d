"""One channel in a sender: its consumers, its threads, its breaker. No channel waits for another's provider."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections

from notifications.brokers.base import Broker, Consumer, LogLost, Record
from notifications.channels.outcomes import About, Cause, SendError
from notifications.ledger import rows, verdicts
from notifications.ledger.hooks import Hooks, Unclaimable
from notifications.ledger.rows import LONGEST_ERROR, Claimed, Incoming, clean
from notifications.ledger.settle import Settlement
from notifications.ledger.verdicts import Verdict
from notifications.messages.message import Unreadable, from_record, id_in
from notifications.messages.topics import topic_of
from notifications.messages.tracing import trace_id_of
from notifications.messages.words import Reason
from notifications.sending.parking import Parked, Parking
from notifications.sending.pool import PRIORITIES, Pool
from notifications.sending.route import Choice, Route
from notifications.sending.settler import Settler
from project import metrics
from project.database import refusals

logger = logging.getLogger(__name__)

POLL = 0.5  # seconds
BATCH = 500
CLAIM_AHEAD = 512  # rows of one priority claimed and not yet taken by a thread, at most
MOST_BYTES = 16 * 1024**2  # of texts claimed and not settled; a sender may have 512 MiB
SLOW = 1500  # sends a second; below it the provider is the limit, and a consumer has time to look for everybody's share
STUCK = 60.0  # seconds without a poll after which a restart may help
LONGEST_PAUSE = 5.0  # seconds between two tries to claim while the database is away


class Delivery:
    """Poll, claim, commit, send, and hand the result to the settler: in this order, for one channel."""

    def __init__(
        self,
        route: Route,
        *,
        broker: Broker,
        hooks: Hooks,
        settler: Settler,
        threads: int,
        on_fatal: Callable[[str], None],
    ) -> None:
        self.route = route
        self.name = route.channel
        self._broker = broker
        self._hooks = hooks
        self._settler = settler
        self._on_fatal = on_fatal
        self._parking = Parking()
        self._order = threading.Lock()  # nothing is added of a receiver while its rows are taken out
        self._pool = Pool(threads, self._send, name=self.name, on_exit=route.close)
        self._pace = _Pace()
        self._send_seconds = metrics.send_seconds.labels(self.name)
        self._accept_to_provider = metrics.accept_to_provider.labels(self.name)
        self.held_categories: frozenset[str] = frozenset()
        self.failing_since: float | None = None  # monotonic: the database has not taken a claim since
        self._polled_at: dict[str, float] = {}  # monotonic, by priority
        self._stopping = threading.Event()
        self._consumers = [
            threading.Thread(target=self._consume, args=(priority,), name=f"{self.name}-{priority}", daemon=True)
            for priority in PRIORITIES
        ]

    def start(self) -> None:
        self._polled_at = dict.fromkeys(PRIORITIES, time.monotonic())
        metrics.in_flight.labels(self.name).set_function(self._pool.in_flight)
        metrics.ready.labels(self.name).set_function(lambda: sum(map(self._pool.waiting, PRIORITIES)))
        self._pool.start()
        for priority in PRIORITIES:
            metrics.last_poll.labels(topic_of(self.name, priority)).set_function(partial(self._since_poll, priority))
        for thread in self._consumers:
            thread.start()

    def is_stuck(self) -> bool:
        """Whether a consumer's loop has stood still for a minute, and not because the database is away."""
        return self.failing_since is None and any(self._since_poll(priority) > STUCK for priority in PRIORITIES)

    def _since_poll(self, priority: str) -> float:
        """Seconds; a loop that waits for the database does not poll for records."""
        return time.monotonic() - self._polled_at[priority]

    def stop(self, deadline: float) -> None:
        """Read and take nothing more, put back what no thread has taken, wait for the sends under way."""
        self._stopping.set()
        for row in self._pool.stop():
            self._put_back(row, Reason.HANDED_BACK)
        for thread in self._consumers:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._pool.join(deadline)

    def _consume(self, priority: str) -> None:
        try:
            with closing(self._broker.consumer(self.name, priority)) as consumer:
                while not self._stopping.is_set():
                    self._round(consumer, priority)
        except _Stopped:
            pass
        except LogLost as lost:
            self._on_fatal(f"Records were lost before they were read: {lost}.")
        except Exception:
            logger.exception("the consumer of %s %s failed", self.name, priority)
            self._on_fatal(f"The consumer of {self.name} {priority} failed.")

    def _round(self, consumer: Consumer, priority: str) -> None:
        room = self._room(priority)
        records = consumer.poll(room, POLL if room else 0, ahead=self._is_slow(priority))
        self._polled_at[priority] = time.monotonic()
        if records:
            claimed = self._claim(records, consumer)
            consumer.commit(records)
            self._queue(claimed)
        elif not room:
            self._pool.wait_for_room(priority, self._claim_ahead() // 2, POLL)

    def _room(self, priority: str) -> int:
        """How many records to claim now: none rather than a few, for a claim costs the same for many."""
        ahead = self._claim_ahead()
        waiting = self._pool.waiting(priority)
        room = ahead - waiting if waiting <= ahead // 2 else 0
        allowed = self.route.admits() - sum(map(self._pool.waiting, PRIORITIES))
        if self._settler.bytes_of(self.name) >= MOST_BYTES:
            self._stopping.wait(0.02)
            return 0
        if allowed <= 0:
            self._stopping.wait(0.1)
        return min(room, max(allowed, 0), BATCH)

    def _is_slow(self, priority: str) -> bool:
        """Whether rows wait for threads, and these for the provider: then each client is to have its share."""
        return self._pool.waiting(priority) > 0 and self._pace.rate() < SLOW

    def _claim_ahead(self) -> int:
        """Enough rows to keep the threads busy while the next are claimed, and no more: they may wait long."""
        return min(max(2 * self._pool.threads, int(self._pace.rate() / 2)), CLAIM_AHEAD)

    def _claim(self, records: Sequence[Record], consumer: Consumer) -> list[Claimed]:
        """Claim with one token until the database answers; its lost answer is no second claim."""
        batch, unreadable = _read(records)
        owner, pause = uuid.uuid4().hex, 0.1
        while True:
            began = time.monotonic()
            try:
                claimed = rows.claim(
                    batch, owner=owner, lease=settings.LEASE_SECONDS, hooks=self._hooks, unreadable=unreadable
                )
            except (DatabaseError, InterfaceError) as error:
                self.failing_since = self.failing_since or time.monotonic()
                logger.warning("the ledger cannot be reached, %s waits: %s", self.name, refusals.reason(error))
                close_old_connections()
                if self._stopping.wait(pause):
                    raise _Stopped from None
                consumer.poll(0, 0)
                pause = min(2 * pause, LONGEST_PAUSE)
                continue
            self.failing_since = None
            self._settler.hold(claimed, began)
            for row in claimed[:1]:
                metrics.claimed.labels(self.name, row.priority).inc(len(claimed))
            return claimed

    def _queue(self, claimed: list[Claimed]) -> None:
        with self._order:
            send, park = self._parking.split(claimed, self._pool.lane_length)
            left = self._pool.add(send)
        self._park(park, time.monotonic())
        for row in left:  # it stopped while these were claimed
            self._put_back(row, Reason.HANDED_BACK)

    def _park(self, parked: Parked, now: float) -> None:
        for row, due_in in parked:
            self._put_back(row, self._parking.reason(row), due_in, now)

    def _send(self, row: Claimed) -> None:
        """One row: check, hand over, and say how it ended."""
        choice = self.route.choose()
        if choice is None:
            self._put_off(row)
            return
        if not self._may_go(row):
            choice.withdraw()
            return
        if row.claims == 1:
            self._accept_to_provider.observe(max(0.0, time.time() - row.accepted_at))
        began = time.monotonic()
        verdict, failure = self._hand_over(row, choice)
        now = time.monotonic()
        seconds = now - began
        choice.record(row.receiver_hash, *_about_provider(failure))
        rest = _rest_of_receiver(failure, verdict)
        waits_from = now if rest else None
        self._settler.settle(
            Settlement(row, verdict, self.name, choice.name, int(seconds * 1000), waits_from=waits_from)
        )
        if rest:
            self._throttle_receiver(row, rest, now)
        elif row.reason or self._pool.lane_length(row.priority, row.receiver_hash) > 1:
            self._parking.observe(row.receiver_hash, seconds)
        self._pace.add()
        self._send_seconds.observe(seconds)

    def _throttle_receiver(self, row: Claimed, seconds: float, now: float) -> None:
        """A wait belongs to whom the answer is about: all other rows of this receiver wait, too, unsent."""
        with self._order:
            parked = self._parking.throttle(row, seconds, self._pool.withdraw(row.receiver_hash))
        self._park(parked, now)

    def _put_off(self, row: Claimed) -> None:
        """The providers are down or rest, so this row waits, unsent, and what is new of its receiver behind it."""
        reason, due_in = Reason.OUTAGE, verdicts.OUTAGE_PAUSE
        if rest := self.route.rest():
            reason, due_in = Reason.THROTTLED, rest
        self._parking.follow(row, due_in)
        self._put_back(row, reason, due_in)

    def _may_go(self, row: Claimed) -> bool:
        """The last look before the hand-over: the expiry, the lease, and the note a `hold` category needs."""
        if self._settler.has_expired(row):
            self._settler.settle(Settlement(row, verdicts.expired(), self.name))
            return False
        held = row.category in self.held_categories
        if (held and not self._settler.note_hand_over(row)) or not self._settler.may_hand_over(row):
            self._put_back(row, Reason.HANDED_BACK)
            return False
        return True

    def _hand_over(self, row: Claimed, choice: Choice) -> tuple[Verdict, SendError | None]:
        try:
            return verdicts.sent(choice.provider.send(row)), None
        except SendError as error:
            failure = error
        except Exception as error:
            logger.exception("the channel %s raised what it does not declare", self.name)
            failure = SendError(Cause.BUG, f"{type(error).__name__} in our code.")
        hold = row.category in self.held_categories
        schedule = settings.RETRY_SCHEDULE
        return verdicts.failed(
            failure, attempts=row.attempts, hold=hold, schedule=schedule, throttled=row.throttled
        ), failure

    def _put_back(self, row: Claimed, reason: Reason, due_in: float = 0.0, waits_from: float | None = None) -> None:
        metrics.put_back.labels(self.name, reason).inc()
        self._settler.settle(Settlement(row, verdicts.put_back(reason, due_in), self.name, waits_from=waits_from))


class _Stopped(Exception):
    """The sender stops while it waits for the database: nothing was claimed."""


def _about_provider(failure: SendError | None) -> tuple[Cause | None, float | None]:
    """What an answer says about the provider: its cause, if it blames the provider, and how long it is to be left."""
    if failure is None or failure.permanent or failure.about in {About.RECEIVER, About.TEXT}:
        return None, None
    if failure.cause is Cause.THROTTLED:
        return failure.cause, min(failure.retry_after or 0.0, verdicts.LONGEST_WAIT)
    return failure.cause, None


def _rest_of_receiver(failure: SendError | None, verdict: Verdict) -> float:
    """Seconds in which nothing is to be sent to the receiver: it asked us to slow down, or to come back later."""
    if failure is None or failure.permanent or failure.about is not About.RECEIVER:
        return 0.0
    if failure.cause is not Cause.THROTTLED and not failure.retry_after:
        return 0.0
    return min(max(verdict.due_in or 0.0, failure.retry_after or 0.0), verdicts.LONGEST_WAIT)


class _Pace:
    """Sends a second, over the last full quarters of a second."""

    def __init__(self) -> None:
        self._count = 0
        self._since = time.monotonic()
        self._rate = 0.0

    def add(self) -> None:
        self._count += 1  # threads may lose one to another: a measure, not a ledger

    def rate(self) -> float:
        now = time.monotonic()
        if now - self._since >= 0.25:
            self._rate = self._count / (now - self._since)
            self._count, self._since = 0, now
        return self._rate


def _read(records: Sequence[Record]) -> tuple[list[Incoming], list[Unclaimable]]:
    batch: list[Incoming] = []
    unreadable: list[Unclaimable] = []
    for record in records:
        try:
            batch.append(_incoming(record))
        except Unreadable as error:
            unreadable.append(_unclaimable(record, str(error)))
    return batch, unreadable


def _incoming(record: Record) -> Incoming:
    if record.problem:
        raise Unreadable(record.problem)
    message = from_record(record.value)
    if message.topic != record.topic:
        raise Unreadable(f"It belongs to the topic {message.topic}.")
    trace_id = trace_id_of(record.traceparent)
    return Incoming(message, record.topic, record.partition, record.offset, trace_id, record.value or b"")


def _unclaimable(record: Record, why: str) -> Unclaimable:
    value = record.value or b""
    place = (record.topic, record.partition, record.offset)
    return Unclaimable(Cause.UNDECODABLE, clean(why, LONGEST_ERROR), "", *place, value, id_in(value))
