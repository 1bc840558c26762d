"""Opens, resolves and reopens dead letters when the ledger settles rows, and publishes their events to Kafka.

Everything but publishing runs inside the ledger's transactions, with a constant number of statements for a batch.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec
from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Now

from dlq.models import COPIED, DeadLetter, DeadLetterEvent, Problem
from dlq.problems import assigning as problems
from dlq.problems import counts as problem_counts
from notifications.brokers.base import Broker, Outbound
from notifications.channels.outcomes import Cause
from notifications.ledger.hooks import FinalRow, Hooks, Unclaimable
from notifications.ledger.sql import WITHIN, names
from notifications.messages.ids import span
from notifications.messages.topics import dlq_topic
from notifications.messages.words import Is, LetterEvent, Origin, Status, statuses
from project import metrics
from project.database.dialects import Dialect, Statement, as_json

logger = logging.getLogger(__name__)

State = DeadLetter.State
STOPPED = statuses(Is.STOPPED)
PUBLISH_AT_ONCE = 1000

Place = tuple[str, int | None, int | None]  # topic, partition, offset

_LETTER_COLUMNS = {
    "id": "uuid",
    **dict.fromkeys(("channel", "cause", "error", "topic"), "text"),
    "attempts": "integer",
    "partition": "integer",
    "offset": "bigint",
}


class Letters(Hooks):
    """Keeps the dead letters in step with the ledger, and the dlq topic in step with the letters."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._measure_at = 0.0  # monotonic

    def on_final(self, rows: Sequence[FinalRow]) -> None:
        follow(rows)

    def on_unclaimable(self, records: Sequence[Unclaimable]) -> None:
        keep_unreadable(records)

    def discarded(self, ids: Sequence[UUID]) -> set[UUID]:
        letters = DeadLetter.objects.filter(notification_id__in=ids, state=State.DISCARDED)
        return {id for id in letters.values_list("notification_id", flat=True) if id} if ids else set()

    def do_chores(self) -> None:
        """Gives letters their problem, counts, and publishes events where there is a dlq topic."""
        problems.assign_all()
        problem_counts.count()
        if time.monotonic() >= self._measure_at:
            self._measure_at = time.monotonic() + problem_counts.COUNT_EVERY
            measure()
        if settings.KAFKA_BOOTSTRAP_SERVERS:
            publish_events(self._broker)


def follow(rows: Sequence[FinalRow]) -> None:
    """Opens, resolves or reopens the letters of rows that came to an end."""
    stopped = [row for row in rows if row.status in STOPPED]
    if stopped:
        _open(stopped)
    if sent := [row.id for row in rows if row.status == Status.SENT]:
        DeadLetter.objects.filter(notification_id__in=sent).update(state=State.RESOLVED, changed_at=Now())
    if others := [row.id for row in rows if row.status not in (*STOPPED, Status.SENT)]:
        replaying = DeadLetter.objects.filter(notification_id__in=others, state=State.REPLAYING)
        replaying.update(state=State.OPEN, changed_at=Now())


def keep_unreadable(records: Sequence[Unclaimable]) -> None:
    """Opens a letter with the raw bytes for each record that cannot become a row, once for each place in Kafka."""
    letters: dict[Place, DeadLetter] = {
        (record.topic, record.partition, record.offset): DeadLetter(
            channel=record.channel,
            cause=record.cause,
            error=record.error,
            raw=record.value,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
        )
        for record in records
    }
    for place in _known(letters):
        letters.pop(place, None)
    DeadLetter.objects.bulk_create(letters.values(), ignore_conflicts=True)
    DeadLetterEvent.objects.bulk_create(
        DeadLetterEvent(event=LetterEvent.DEAD, channel=letter.channel, cause=letter.cause, error=letter.error)
        for letter in letters.values()
    )


def publish_events(broker: Broker) -> None:
    """Publishes the events that are not on the dlq topic yet, and notes the time."""
    events = list(_unpublished()[:PUBLISH_AT_ONCE])
    records = [
        Outbound(dlq_topic(), str(event.notification_id or ""), _event_record(event), Origin.DLQ, "")
        for event in events
    ]
    fates = broker.publish(records) if records else []
    refused = [fate.why for fate in fates if fate.refused]  # for good: another try would be in vain
    if refused:
        logger.error("Kafka refuses %d events about dead letters: %s", len(refused), refused[0])
    finished = [event.pk for event, fate in zip(events, fates, strict=True) if fate.durable or fate.refused]
    if finished:
        DeadLetterEvent.objects.filter(pk__in=finished).update(published_at=Now())


def measure() -> None:
    """Sets the gauges of open letters and of their problems, as a scheduler counted them last."""
    for cause, count in ({cause.value: 0 for cause in Cause} | problem_counts.open_by_cause()).items():
        metrics.open_letters.labels(cause).set(count)
    for state, count in problem_counts.open_by_state().items():
        metrics.open_problems.labels(state).set(count)
    metrics.growing_problems.set(Problem.objects.filter(growing=True).count())


def _open(rows: Sequence[FinalRow]) -> None:
    open_letters(rows=as_json(rows), **span(row.id for row in rows))
    DeadLetterEvent.objects.bulk_create(
        DeadLetterEvent(
            event=LetterEvent.DEAD,
            notification_id=row.id,
            channel=row.channel,
            cause=row.cause,
            error=row.error,
            attempts=row.attempts,
        )
        for row in rows
    )


@Statement
def open_letters(d: Dialect) -> str:
    """One for each row that stopped, or its old one again. The scheduler finds out their problems afterwards."""
    copied = ", ".join(f'"{name}"' for name in COPIED)
    return f"""
        INSERT INTO dlq_deadletter AS letter (
            notification_id, state, channel, cause, error, attempts, topic, "partition", "offset",
            deaths, repeats, discard_reason, receiver_domain, was_receiver_hash, {copied}, uncertain,
            died_at, changed_at)
        SELECT r.id, '{State.OPEN}', r.channel, r.cause, r.error, r.attempts, r.topic, r."partition", r."offset",
            1, 1, '', '', '', {names(COPIED, "n")}, n.uncertain_count > 0, {d.now}, {d.now}
        FROM {d.rows(_LETTER_COLUMNS)} JOIN notifications_notification AS n ON n.id = r.id AND {WITHIN}
        WHERE true
        ON CONFLICT (notification_id) DO UPDATE SET
            state = '{State.OPEN}', cause = excluded.cause, error = excluded.error, attempts = excluded.attempts,
            repeats = CASE WHEN letter.cause = excluded.cause THEN letter.repeats + 1 ELSE 1 END,
            {", ".join(f'"{name}" = excluded."{name}"' for name in COPIED)}, uncertain = excluded.uncertain,
            problem_id = NULL,
            deaths = letter.deaths + 1, died_at = excluded.died_at, changed_at = excluded.changed_at"""


def _known(places: Iterable[Place]) -> list[Place]:
    topics, _, offsets = zip(*places, strict=True)
    there = DeadLetter.objects.filter(notification=None, topic__in=set(topics), offset__in=offsets)
    return list(there.values_list("topic", "partition", "offset"))


def _unpublished() -> QuerySet[DeadLetterEvent]:
    return DeadLetterEvent.objects.filter(published_at=None).order_by("id")


def _event_record(event: DeadLetterEvent) -> bytes:
    """Returns the value of a record on the dlq topic, as JSON."""
    return msgspec.json.encode(
        {
            "v": 1,
            "event": event.event,
            "id": event.notification_id,
            "channel": event.channel,
            "cause": event.cause,
            "error": event.error,
            "attempts": event.attempts,
            "at": event.at,
        }
    )
