"""What happens to dead letters when the ledger settles rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import msgspec
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dlq import letters
from dlq.letters import Letters
from dlq.models import DeadLetter, DeadLetterEvent
from notifications.brokers.base import AWAY, DURABLE, Broker, Fate, Outbound
from notifications.brokers.ledger_queue import EmbeddedBroker
from notifications.channels.outcomes import Cause, SendError
from notifications.ledger import due, leases, verdicts
from notifications.ledger.claim import claim as claim_rows
from notifications.ledger.hooks import FinalRow, Hooks, Unclaimable
from notifications.ledger.rows import Claimed
from notifications.ledger.settle import Settlement, settle
from notifications.messages.topics import dlq_topic
from notifications.messages.words import Reason, Status, standing
from notifications.models import Notification
from tests.notifications.rows import LETTERS, ago, claim, claim_one, message, message_of, pass_leases, read, row

pytestmark = pytest.mark.django_db
State = DeadLetter.State
REFUSED = SendError(Cause.UNKNOWN_RECEIVER, "550 no such user", permanent=True)


def fail(*claims: Claimed, error: SendError = REFUSED, hold: bool = False, hooks: Hooks = LETTERS) -> None:
    verdict = verdicts.failed(error, attempts=0, hold=hold, schedule=(1.0,))
    assert settle([Settlement(one, verdict) for one in claims], hooks=hooks) == {one.id for one in claims}


def replayed(letter: DeadLetter) -> Claimed:
    """Claimed again, as after a replay."""
    DeadLetter.objects.filter(pk=letter.pk).update(state=State.REPLAYING)
    rows = Notification.objects.filter(dead_letter=letter)
    Notification.objects.filter(id=rows.get().id).update(
        **standing(Status.QUEUED), generation=rows.get().generation + 1, attempts=0
    )
    return claim_one(message_of(rows.get()), owner=f"replay-{letter.deaths}")


def events() -> list[str]:
    return list(DeadLetterEvent.objects.values_list("event", flat=True))


def test_a_death_opens_a_letter_with_its_event() -> None:
    claimed = claim_one()
    fail(claimed)
    letter = DeadLetter.objects.get()
    found = read(claimed.id)
    assert letter.notification_id == claimed.id
    assert (letter.state, letter.channel, letter.cause) == (State.OPEN, "EMAIL", Cause.UNKNOWN_RECEIVER)
    assert (letter.error, letter.attempts, letter.deaths) == ("550 no such user", 1, 1)
    assert (letter.topic, letter.partition, letter.offset) == (found.topic, found.partition, found.offset)
    assert letter.raw is None
    assert abs((ago(0) - letter.died_at).total_seconds()) < 5
    event = DeadLetterEvent.objects.get()
    assert (event.event, event.notification_id, event.cause, event.attempts) == ("dead", claimed.id, letter.cause, 1)
    assert event.published_at is None


def test_a_held_row_opens_a_letter() -> None:
    fail(claim_one(), error=SendError(Cause.TIMEOUT, uncertain=True), hold=True)
    assert (DeadLetter.objects.get().state, DeadLetter.objects.get().cause) == (State.OPEN, Cause.OUTCOME_UNKNOWN)


def test_a_row_that_dies_again_reopens_its_letter() -> None:
    fail(claim_one())
    letter = DeadLetter.objects.get()
    DeadLetter.objects.update(died_at=ago(3600))
    fail(replayed(letter), error=SendError(Cause.OPTED_OUT, "STOP", permanent=True))
    again = DeadLetter.objects.get()
    assert (again.pk, again.state, again.deaths) == (letter.pk, State.OPEN, 2)
    assert (again.cause, again.error) == (Cause.OPTED_OUT, "STOP")
    assert (ago(0) - again.died_at).total_seconds() < 60
    assert events() == ["dead", "dead"]


def test_a_replay_that_is_sent_resolves_it() -> None:
    fail(claim_one())
    claimed = replayed(DeadLetter.objects.get())
    settle([Settlement(claimed, verdicts.sent("x"))], hooks=LETTERS)
    assert DeadLetter.objects.get().state == State.RESOLVED


def test_a_late_success_resolves_an_open_letter() -> None:
    claimed = claim_one()
    fail(claimed)
    settle([Settlement(claimed, verdicts.sent("late"))], hooks=LETTERS)
    assert DeadLetter.objects.get().state == State.RESOLVED


def test_a_replay_that_expires_opens_it_again() -> None:
    fail(claim_one())
    claimed = replayed(DeadLetter.objects.get())
    settle([Settlement(claimed, verdicts.expired())], hooks=LETTERS)
    assert (DeadLetter.objects.get().state, DeadLetter.objects.get().deaths) == (State.OPEN, 1)


def test_an_expiry_alone_has_no_letter() -> None:
    settle([Settlement(claim_one(), verdicts.expired())], hooks=LETTERS)
    row(Status.WAITING, due_at=ago(1), expires_at=ago(1))
    assert due.expire(10, hooks=LETTERS) == 1
    assert not DeadLetter.objects.exists()


def test_a_discarded_letter_is_left_alone_by_other_ends() -> None:
    fail(claim_one())
    DeadLetter.objects.update(state=State.DISCARDED)
    claimed_id = DeadLetter.objects.get().notification_id
    letters.follow([_final(claimed_id, Status.EXPIRED)])
    assert DeadLetter.objects.get().state == State.DISCARDED


def test_every_way_to_die_opens_a_letter() -> None:
    row(Status.WAITING, due_at=ago(-9), reason=Reason.OUTAGE, deferred_since=ago(99))
    assert due.give_up(50, 10, hooks=LETTERS) == 1
    swept = claim_one()
    Notification.objects.filter(id=swept.id).update(attempts=9)
    pass_leases(swept)
    assert leases.sweep((1.0,), 10, hooks=LETTERS) == 1
    buried = row()
    claim_rows([], owner="o", lease=60, unreadable=[_unreadable(7, id=buried.id)], hooks=LETTERS)
    assert set(DeadLetter.objects.values_list("cause", flat=True)) == {
        Cause.PROVIDER_OUTAGE,
        Cause.OUTCOME_UNKNOWN,
        Cause.UNDECODABLE,
    }
    assert not DeadLetter.objects.filter(notification=None).exists()


def test_the_letter_and_the_settlement_are_one_transaction() -> None:
    class Failing(Letters):
        def on_final(self, rows: Sequence[FinalRow]) -> None:
            super().on_final(rows)
            raise RuntimeError("the letter cannot be written")

    claimed = claim_one()
    with pytest.raises(RuntimeError):
        fail(claimed, hooks=Failing(EmbeddedBroker()))
    assert read(claimed.id).status == Status.SENDING
    assert not DeadLetter.objects.exists()


def _unreadable(offset: int, **fields: Any) -> Unclaimable:
    return Unclaimable(Cause.UNDECODABLE, "not JSON", "", "topic", 2, offset, b"\xff\x00{", **fields)


def test_an_unreadable_record_is_kept_with_its_bytes_once_for_each_place() -> None:
    for _ in range(2):  # the batch is claimed again after a crash before the commit
        claim_rows([], owner="o", lease=60, unreadable=[_unreadable(7), _unreadable(8), _unreadable(7)], hooks=LETTERS)
    assert list(DeadLetter.objects.order_by("offset").values_list("offset", flat=True)) == [7, 8]
    letter = DeadLetter.objects.get(offset=7)
    assert bytes(letter.raw or b"") == b"\xff\x00{"
    assert (letter.notification_id, letter.topic, letter.partition, letter.error) == (None, "topic", 2, "not JSON")
    assert (letter.state, letter.cause) == (State.OPEN, Cause.UNDECODABLE)
    assert events() == ["dead", "dead"]


class Topic:
    def __init__(self, *fates: Fate) -> None:
        self.fates = fates
        self.records: list[Outbound] = []

    def publish(self, records: Sequence[Outbound]) -> list[Fate]:
        self.records += records
        return [self.fates[place % len(self.fates)] for place in range(len(records))]


def test_an_event_that_kafka_refuses_for_good_is_not_published_again_and_again() -> None:
    fail(claim_one())
    topic = Topic(Fate(durable=False, refused=True, why="It is too large."))
    for _ in range(2):
        letters.publish_events(cast("Broker", topic))
    assert len(topic.records) == 1


def test_events_are_published_until_each_was_acknowledged() -> None:
    claims = claim(*(message() for _ in range(4)))
    fail(*claims)
    half, whole = Topic(DURABLE, AWAY), Topic(DURABLE)
    for topic in (half, whole, whole):
        letters.publish_events(cast("Broker", topic))
    assert (len(half.records), len(whole.records)) == (4, 2)
    assert {record.key for record in whole.records} == {str(claims[1].id), str(claims[3].id)}
    record = half.records[0]
    assert (record.topic, record.key) == (dlq_topic(), str(claims[0].id))
    values = msgspec.json.decode(record.value)
    assert values.pop("at")
    assert values == {
        "v": 1,
        "event": "dead",
        "id": str(claims[0].id),
        "channel": "EMAIL",
        "cause": "unknown-receiver",
        "error": "550 no such user",
        "attempts": 1,
    }
    assert not DeadLetterEvent.objects.filter(published_at=None).exists()


@pytest.mark.postgresql  # SQLite's limit on parameters cuts Django's bulk inserts into parts
@pytest.mark.parametrize("kind", ["dead", "sent", "unreadable"])
def test_the_number_of_queries_does_not_grow_with_the_rows(kind: str) -> None:
    counts = []
    for size in (1, 200):
        claims = claim(*(message() for _ in range(size)), owner=f"batch-{size}")
        if kind == "sent":
            fail(*claims)
        with CaptureQueriesContext(connection) as queries:
            if kind == "dead":
                fail(*claims)
            elif kind == "sent":
                settle([Settlement(one, verdicts.sent("late")) for one in claims], hooks=LETTERS)
            else:
                records = [_unreadable(1000 * size + place) for place in range(size)]
                claim_rows([], owner="o", lease=60, unreadable=records, hooks=LETTERS)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def _final(id: Any, status: Status) -> FinalRow:
    return FinalRow(id, status, "EMAIL", Cause.TIMEOUT, "", 1, "", None, None)


_OLD_COLUMNS: dict[str, dict[str, str | int]] = {
    "dlq_deadletter": {
        "state": "open",
        "channel": "EMAIL",
        "cause": "connection",
        "error": "refused",
        "topic": "",
        "attempts": 6,
        "deaths": 1,
        "discard_reason": "",
        "died_at": "2026-05-04",
        "changed_at": "2026-05-04",
    },
    "notifications_staffaction": {"actor": "anna", "action": "replay", "target": "a", "note": "", "at": "2026-05-04"},
    "notifications_category": {"name": "codes", "on_uncertain": "resend"},
}


@pytest.mark.parametrize("table", _OLD_COLUMNS)
def test_a_process_of_the_version_before_writes_on_after_the_migration(table: str) -> None:
    """It names the columns that it knows. A sender that cannot open a letter would keep all its results."""
    columns = _OLD_COLUMNS[table]
    with connection.cursor() as cursor:
        places = ", ".join(["%s"] * len(columns))
        cursor.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", list(columns.values()))
