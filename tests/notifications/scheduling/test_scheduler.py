"""A round of the scheduler: what it does with what the broker acknowledged, and what it may sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast
from uuid import UUID

import pytest
from django.db import DatabaseError, OperationalError, connection
from django.test.utils import CaptureQueriesContext
from prometheus_client import REGISTRY
from pytest_django import Settings

from dlq.models import DeadLetter
from notifications.brokers.base import AWAY, DURABLE, Broker, Fate, Lag, Outbound
from notifications.channels.receipts import Event, ReceiptType
from notifications.ledger import due, partitions
from notifications.ledger.hooks import Hooks
from notifications.ledger.receipts import take
from notifications.ledger.sql_taking import REPUBLISH_AFTER
from notifications.messages.ids import first_id_at
from notifications.messages.message import from_record, id_in
from notifications.messages.topics import topic_of
from notifications.messages.words import Status
from notifications.models import Attempt, Notification, Receipt, WorkerHeartbeat
from notifications.scheduling import scheduler
from notifications.scheduling.scheduler import Scheduler
from project import metrics
from project.database.dialects import fetch
from tests.notifications.rows import LETTERS, ago, claim_one, pass_leases, read, row, seconds_until

pytestmark = pytest.mark.django_db


class Topic:
    """A broker that acknowledges, or not. It keeps what it got, and the state of the ledger at that time."""

    def __init__(self, fate: Fate = DURABLE, fates: dict[UUID, Fate] | None = None) -> None:
        self.fate = fate
        self.fates = fates or {}
        self.records: list[Outbound] = []
        self.seen: list[tuple[str, str | None]] = []

    def publish(self, records: Sequence[Outbound]) -> list[Fate]:
        for record in records:
            id = id_in(record.value)
            assert id
            found = read(id)
            self.seen.append((found.status, found.owner))
        self.records += records
        return [self.fates.get(record.message.id, self.fate) if record.message else self.fate for record in records]

    def lags(self) -> dict[str, Lag]:
        return {"notifications.email": Lag(7, 30.0)}


def open_scheduler(topic: Topic, hooks: Hooks = LETTERS) -> Scheduler:
    return Scheduler(cast("Broker", topic), hooks)


def test_rows_are_leased_then_published_then_marked() -> None:
    waiting = row(Status.WAITING, due_at=ago(1), claims=1, trace_id="ab" * 16)
    topic = Topic()
    assert open_scheduler(topic).round() == 1
    (record,) = topic.records
    assert topic.seen[0][0] == Status.QUEUED
    assert (topic.seen[0][1] or "").startswith("scheduler-")
    assert (record.origin, record.topic) == ("retry", from_record(record.value).topic)
    assert record.traceparent.startswith("00-" + "ab" * 16)
    found = read(waiting.id)
    assert (found.status, found.owner, found.lease_until) == (Status.QUEUED, None, None)


def test_a_round_that_large_texts_cut_short_is_followed_by_another_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(due, "ROUND_BYTES", 2500)
    for _ in range(8):
        row(Status.WAITING, due_at=ago(1), claims=1, message="x" * 1000)
    row(Status.WAITING, due_at=ago(0), claims=1)
    topic = Topic()
    there = open_scheduler(topic)
    rounds = [there.round()]
    while there._more:
        rounds.append(there.round())
    assert rounds[:3] == [3, 3, 3]


def test_what_was_not_acknowledged_keeps_its_lease_and_is_taken_again_when_it_passes() -> None:
    outbox = row(Status.ACCEPTED, due_at=ago(1))
    deaf = Topic(AWAY)
    assert open_scheduler(deaf).round() == 1
    assert 0 < (seconds_until("lease_until", outbox.id) or 0) <= REPUBLISH_AFTER
    topic = Topic()
    assert open_scheduler(topic).round() == 0
    Notification.objects.update(lease_until=ago(1))
    assert open_scheduler(topic).round() == 1
    assert topic.records[0].origin == "outbox"
    assert claim_one(from_record(topic.records[0].value)).id == outbox.id


def test_what_kafka_refuses_for_good_dies_with_the_reason_and_the_rest_goes_on() -> None:
    rows = [row(Status.ACCEPTED, due_at=ago(1)), row(Status.WAITING, due_at=ago(1), claims=1)]
    fates = {rows[0].id: Fate(durable=False, refused=True, why="It is too large."), rows[1].id: DURABLE}
    topic = Topic(fates=fates)
    assert open_scheduler(topic).round() == 2
    dead, published = read(rows[0].id), read(rows[1].id)
    assert (dead.status, dead.last_cause, dead.last_error) == (Status.DEAD, "refused-by-kafka", "It is too large.")
    assert (dead.owner, dead.lease_until, dead.due_at) == (None, None, None)
    assert dead.settled_at
    assert [letter.notification_id for letter in DeadLetter.objects.all()] == [dead.id]
    assert (published.status, published.lease_until) == (Status.QUEUED, None)
    Notification.objects.filter(lease_until__isnull=False).update(lease_until=ago(1))
    assert open_scheduler(topic).round() == 0, "nothing is published again"


def test_what_is_taken_and_not_acknowledged_still_counts_as_outbox() -> None:
    row(Status.ACCEPTED, due_at=ago(1))
    row(Status.ACCEPTED, due_at=ago(-60))
    open_scheduler(Topic(AWAY)).round()
    assert Notification.objects.outbox().count() == 1
    assert metrics.outbox_depth._value.get() == 2


def test_the_lag_of_every_topic_is_shown() -> None:
    open_scheduler(Topic()).round()
    assert metrics.consumer_lag.labels("EMAIL", "notifications.email")._value.get() == 7
    assert metrics.oldest_record.labels("EMAIL", "notifications.email")._value.get() == 30


def test_expired_rows_are_not_published() -> None:
    row(Status.WAITING, due_at=ago(1), expires_at=ago(1))
    topic = Topic()
    assert open_scheduler(topic).round() == 0
    assert topic.records == []


def test_nothing_is_swept_until_the_database_was_up_for_a_lease(settings: Settings) -> None:
    """After an outage every lease has passed, and every sender is alive."""
    claimed = claim_one()
    pass_leases(claimed)
    settings.LEASE_SECONDS = 3600
    open_scheduler(Topic()).round()
    assert read(claimed.id).status == Status.SENDING
    settings.LEASE_SECONDS = 0
    open_scheduler(Topic()).round()
    assert read(claimed.id).status == Status.WAITING
    assert Attempt.objects.count() == 1


def test_it_says_that_it_is_alive_and_does_others_chores() -> None:
    done: list[bool] = []

    class Others(Hooks):
        def do_chores(self) -> None:
            done.append(True)

    WorkerHeartbeat.objects.create(worker="gone:1", kind="sender", started_at=ago(9999), seen_at=ago(9999))
    open_scheduler(Topic(), Others()).round()
    assert len(done) == 1
    assert [beat.kind for beat in WorkerHeartbeat.objects.all()] == ["scheduler"]


def test_it_matches_the_receipts_that_came_before_their_notification_was_known() -> None:
    take([Event("postmark", "EMAIL", "ann@example.com", ReceiptType.DELIVERED, "m-1")])
    sent = row(Status.SENT, receiver="ann@example.com", provider_message_id="m-1")
    Receipt.objects.update(look_at=ago(1))
    open_scheduler(Topic()).round()
    assert Receipt.objects.get().notification_id == sent.pk


def test_where_nothing_is_due_nothing_is_written_but_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """On SQLite each write, even of no row, would keep all others waiting."""
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    running = open_scheduler(Topic())
    running.round()
    with CaptureQueriesContext(connection) as idle:
        running.round()
    assert [query["sql"].split()[1] for query in idle] == ["anything_due"]
    clock[0] += scheduler.SWEEP_EVERY
    with CaptureQueriesContext(connection) as sweeping:
        running.round()
    assert "give_up" in [query["sql"].split()[1] for query in sweeping]


@pytest.mark.postgresql
def test_an_idle_scheduler_notices_a_server_that_takes_no_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a primary after a failover does. It answers every look, and nothing would ever be due there."""
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    running = open_scheduler(Topic())
    running.round()
    fetch("SET LOCAL transaction_read_only = on")
    running.round()
    clock[0] += scheduler.SWEEP_EVERY
    with pytest.raises(DatabaseError, match="read-only"):
        running.round()


@pytest.mark.postgresql
def test_what_was_accepted_long_ago_is_looked_for_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    running = open_scheduler(Topic())
    running.round()
    old = row(Status.WAITING, id=first_id_at(ago(3600 * 24 * 40)), due_at=ago(60), claims=1)
    new = row(Status.WAITING, due_at=ago(1), claims=1)
    assert (running.round(), read(new.id).status, read(old.id).status) == (1, Status.QUEUED, Status.WAITING)
    clock[0] += scheduler.EVERYTHING_EVERY
    assert (running.round(), read(old.id).status) == (1, Status.QUEUED)


@pytest.mark.postgresql
def test_it_makes_partitions_ahead_and_measures_the_default_one() -> None:
    row(Status.SENT, id=first_id_at(ago(-3600 * 24 * 365)))
    open_scheduler(Topic()).round()
    assert partitions.partitions()[-1].until > ago(0) + partitions.AHEAD["week"]
    assert REGISTRY.get_sample_value("notifications_ledger_default_rows") == 1


@pytest.mark.postgresql
def test_a_role_that_may_not_make_partitions_does_all_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    done: list[bool] = []

    class Others(Hooks):
        def do_chores(self) -> None:
            done.append(True)

    partitions.drop(partitions.partitions()[0])  # so that there is one to be made
    fetch("REVOKE CREATE ON SCHEMA public FROM PUBLIC, pg_database_owner, CURRENT_USER")
    metrics.consumer_lag.labels("EMAIL", "notifications.email").set(0)
    open_scheduler(Topic(), Others()).round()
    assert "the ledger's next partition cannot be made: Its role lacks a right on the tables." in caplog.messages
    assert (len(done), partitions.partitions()) == (1, [])
    assert metrics.consumer_lag.labels("EMAIL", "notifications.email")._value.get() == 7


@pytest.mark.postgresql
def test_an_outage_while_partitions_are_made_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> list[partitions.Partition]:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(partitions, "make_ahead", away)
    with pytest.raises(OperationalError):
        open_scheduler(Topic()).round()


def test_a_row_of_a_channel_that_is_not_registered_stops_no_other(settings: Settings) -> None:
    """As in a rolling deployment that adds one, or after one was removed."""
    stranger = row(Status.WAITING, due_at=ago(2), claims=1, channel="PUSH")
    known = row(Status.WAITING, due_at=ago(1), claims=1)
    topic = Topic()
    assert open_scheduler(topic).round() == 2
    topics = {id_in(record.value): record.topic for record in topic.records}
    assert topics == {stranger.id: topic_of("PUSH", "transactional"), known.id: topic_of("EMAIL", "transactional")}
