"""The gate of the people who receive, with a database: what they chose counts at each claim, and costs nothing else."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from harness.services.waiting import wait_until
from notifications.channels.base import Outgoing
from notifications.ledger import due
from notifications.ledger.rows import Claimed
from notifications.messages.ids import receiver_hash
from notifications.messages.words import CategoryKind, Reason, Status, SuppressedFor
from notifications.models import Category, Notification
from notifications.sending.deciding import Deciding
from project import metrics
from tests.notifications.rows import Scripted, ago, claimed, ids, read, row, seconds_until
from tests.notifications.running import Run, settled
from users.recipients.known import Known
from users.recipients.models import PersonPreferences, Suppression
from users.recipients.person import Choice, Preferences, cell

pytestmark = pytest.mark.django_db(transaction=True)


def prefer(username: str, **chosen: Any) -> None:
    document = msgspec.json.encode(Preferences(**chosen)).decode()
    values = {"document": document, "changed_at": timezone.now()}
    PersonPreferences.objects.update_or_create(username=username, defaults=values)


def suppress(receiver: str, *, reason: SuppressedFor = SuppressedFor.BOUNCED, **values: Any) -> None:
    hash = receiver_hash("EMAIL", receiver)
    Suppression.objects.create(address_hash=hash, channel="EMAIL", reason=reason, **values)


def off(category: str) -> dict[str, Any]:
    return {"choices": {cell(category, ""): Choice(on=False, at=timezone.now())}}


@pytest.fixture
def known() -> Known:
    return Known()


@pytest.fixture
def gate(known: Known) -> Deciding:
    return Deciding("EMAIL", known)


def one(number: int, **values: Any) -> Claimed:
    receiver = values.setdefault("receiver", f"r{number}@example.com")
    return claimed(number, receiver_hash=receiver_hash("EMAIL", receiver), **values)


def test_each_row_of_a_batch_goes_waits_or_ends_by_its_own_persons_wishes(gate: Deciding, known: Known) -> None:
    prefer("ann", paused_until=timezone.now() + timedelta(hours=1))
    prefer("bob", **off("news"))
    suppress("r3@example.com")
    suppress("r4@example.com", scope="billing")
    suppress("r5@example.com", until=timezone.now() - timedelta(seconds=1))
    known.refresh()
    users = ["ann", "bob", "carl", "", "", ""]
    batch = [one(number, user=user, category="news") for number, user in enumerate(users)]
    split = gate.split(batch)
    assert ids(split.go) == ids([batch[2], batch[4], batch[5]])
    [(waits, reason, due_in)] = split.later
    assert (waits.id, reason) == (batch[0].id, Reason.PAUSED)
    assert 3500 < due_in <= 3600
    ends = {end.row.id: end.verdict for end in split.end}
    assert [(ends[row.id].status, ends[row.id].reason) for row in (batch[1], batch[3])] == [
        (Status.SUPPRESSED, SuppressedFor.CHOICE),
        (Status.SUPPRESSED, SuppressedFor.BOUNCED),
    ]


def test_a_batch_takes_one_statement_and_none_where_nothing_is_kept_back(gate: Deciding, known: Known) -> None:
    batch = [one(number, user=f"user {number}") for number in range(50)]
    known.refresh()
    with CaptureQueriesContext(connection) as queries:
        assert gate.split(batch).go == batch
    assert not queries
    prefer("somebody else", **off("news"))
    known.refresh()
    with CaptureQueriesContext(connection) as queries:
        assert gate.split(batch).go == batch
    assert len(queries) == 1


def test_a_category_that_is_off_by_default_needs_nobody_to_have_chosen(gate: Deciding, known: Known) -> None:
    Category.objects.create(name="offers", kind=CategoryKind.PROMOTIONAL, on_by_default=False)
    known.refresh()
    offer, other = one(1, category="offers"), one(2, category="default")
    split = gate.split([offer, other])
    assert split.go == [other]
    assert [(end.row.id, end.verdict.reason) for end in split.end] == [(offer.id, SuppressedFor.NOT_CHOSEN)]


def test_an_address_stays_suppressed_after_a_change_of_the_key(gate: Deciding, known: Known, settings: Any) -> None:
    suppress("r1@example.com")
    settings.HASH_KEYS = [b"new", *settings.HASH_KEYS]
    known.refresh()
    assert gate.split([one(1)]).go == []


def test_what_is_suppressed_and_what_waits_is_in_the_ledger_with_its_reason(run: Run) -> None:
    prefer("ann", paused_until=timezone.now() + timedelta(hours=1))
    prefer("bob", all_off_at=timezone.now())
    paused, unwanted, wanted = row(user="ann"), row(user="bob"), row(user="carl")
    running = run()
    settled(Status.SENT, wanted)
    settled(Status.SUPPRESSED, unwanted)
    settled(Status.WAITING, paused)
    assert running.channel.handed == [wanted.id]
    assert read(unwanted.id).reason == SuppressedFor.CHOICE
    waits = read(paused.id)
    assert (waits.reason, waits.deferred_since, waits.attempts) == (Reason.PAUSED, None, 0)
    assert 3500 < (seconds_until("due_at", paused.id) or 0) <= 3600
    assert not Notification.objects.get(pk=unwanted.id).attempt_rows.exists()


def test_a_choice_that_is_made_while_a_row_waits_counts_at_its_next_claim(run: Run) -> None:
    prefer("ann", paused_until=timezone.now() + timedelta(hours=1))
    paused = row(user="ann", category="news")
    running = run()
    settled(Status.WAITING, paused)
    prefer("ann", **off("news"))
    Notification.objects.update(due_at=ago(1))
    _bring_back(paused.id)
    settled(Status.SUPPRESSED, paused)
    assert read(paused.id).reason == SuppressedFor.CHOICE
    assert running.channel.handed == []


def test_each_decision_is_counted_by_its_rule(run: Run) -> None:
    def counted() -> dict[str, float]:
        rules = ("choice", "paused", "send")
        return {rule: metrics.decided.labels("EMAIL", rule)._value.get() for rule in rules}

    prefer("ann", paused_until=timezone.now() + timedelta(hours=1))
    prefer("bob", all_off_at=timezone.now())
    before = counted()
    paused, unwanted, wanted = row(user="ann"), row(user="bob"), [row(user="carl"), row(user="dora")]
    run()
    settled(Status.SENT, *wanted)
    settled(Status.SUPPRESSED, unwanted)
    settled(Status.WAITING, paused)
    after = counted()
    assert {rule: after[rule] - before[rule] for rule in after} == {"choice": 1, "paused": 1, "send": 2}


def test_a_choice_that_is_made_while_rows_are_in_memory_counts_before_their_hand_over(run: Run) -> None:
    """The first row of the receiver is under way, and the second waits behind it."""
    first, second = row(user="ann"), row(user="ann")

    def answer(_: Outgoing) -> str:
        wait_until(lambda: second.id in ids(running.settler.custody.rows()), what="the second is in memory")
        prefer("ann", all_off_at=timezone.now())
        running.known.refresh()
        running.delivery.look_after()
        return "x"

    running = run(Scripted(answer))
    settled(Status.SENT, first)
    settled(Status.WAITING, second)  # to be decided anew at its next claim
    assert running.channel.handed == [first.id]
    assert read(second.id).reason == Reason.HANDED_BACK


def quiet_in_minutes(minutes: int) -> dict[str, Any]:
    begins = timezone.now() + timedelta(minutes=minutes)
    return {"time_zone": "UTC", "quiet": (begins.time(), (begins + timedelta(hours=1)).time())}


def test_what_goes_has_to_go_before_quiet_hours_begin(gate: Deciding, known: Known) -> None:
    Category.objects.create(name="security", kind=CategoryKind.MANDATORY)
    prefer("ann", **quiet_in_minutes(5))
    known.refresh()
    rows = [one(1, user="ann"), one(2, user="bob"), one(3, user="ann", category="security")]
    hers, *others = gate.split(rows).go
    assert hers.id == rows[0].id
    assert 295 < (hers.quiet_in or 0) <= 300
    assert others == rows[1:]


def test_what_waits_in_memory_when_quiet_hours_begin_is_not_handed_over(run: Run) -> None:
    """The first row of the receiver is under way, and the second waits behind it: perhaps for minutes."""
    prefer("ann", **quiet_in_minutes(5))
    first, second = row(user="ann"), row(user="ann")

    def answer(_: Outgoing) -> str:
        custody = running.settler.custody
        wait_until(lambda: second.id in ids(custody.rows()), what="the second is in memory")
        prefer("ann", **quiet_in_minutes(-1))  # as if the time had come
        custody._kept[second.id.int].quiet_at = time.monotonic()
        return "x"

    running = run(Scripted(answer))
    settled(Status.SENT, first)
    settled(Status.WAITING, second)
    _bring_back(second.id)
    wait_until(lambda: read(second.id).reason == Reason.QUIET, what="it waits for the end of the quiet hours")
    assert running.channel.handed == [first.id]
    assert read(second.id).attempts == 0


def _bring_back(id: UUID) -> None:
    """The scheduler takes what is due."""
    assert [taken.message.id for taken in due.take_due("scheduler", 10)] == [id]
    due.offer([id])
