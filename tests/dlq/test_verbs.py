"""The verbs of the support desk: each moves what it should, once, and records it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier

import pytest
import uuid_utils.compat
from django.db import connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dlq.models import DeadLetter, DeadLetterEvent
from dlq.verbs import Result, discard, mark_sent, replay
from notifications.messages.words import Reason, Status, standing
from notifications.models import Notification, StaffAction
from project.desk.audit import MOST_AT_ONCE, try_now
from project.operations.balance import take
from tests.desk import letter, notification, row_of, unreadable

pytestmark = pytest.mark.django_db


def test_a_replay_starts_the_notification_anew() -> None:
    past = timezone.now() - timedelta(days=1)
    soon = timezone.now() + timedelta(days=1)
    dead = letter(expires_at=soon, deferred_since=past)
    result = replay([dead.pk], "anna")
    assert result == Result([dead.pk], [], 0)
    row = row_of(dead)
    assert (row.status, row.reason, row.generation, row.attempts, row.claims) == ("waiting", "replay", 1, 0, 6)
    assert (row.expires_at, row.deferred_since, row.settled_at, row.owner) == (soon, None, None, None)
    assert row.due_at is not None
    assert abs(row.due_at - timezone.now()) < timedelta(seconds=30)
    assert (row.last_cause, row.last_error) == ("connection", "refused")
    dead.refresh_from_db()
    assert dead.state == DeadLetter.State.REPLAYING


def test_a_replay_leaves_an_event_and_a_record() -> None:
    dead = letter()
    replay([dead.pk], "anna")
    event = DeadLetterEvent.objects.get()
    assert (event.event, event.notification_id, event.channel) == ("replayed", dead.notification_id, "EMAIL")
    assert (event.cause, event.error, event.attempts, event.published_at) == ("connection", "refused", 6, None)
    action = StaffAction.objects.get()
    assert (action.actor, action.action, action.target) == ("anna", "replay", f"dead letter {dead.pk}")
    assert action.notification_id == dead.notification_id


def test_the_second_to_replay_a_letter_is_told_who_was_first() -> None:
    dead = letter()
    replay([dead.pk], "anna")
    second = replay([dead.pk], "bert")
    assert second.done == []
    assert str(second.skipped[0]).startswith(f"Dead letter {dead.pk} was already replayed by anna at 20")
    assert "UTC" in str(second.skipped[0])
    assert row_of(dead).generation == 1
    assert DeadLetterEvent.objects.count() == StaffAction.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_people_at_once_one_replays_and_the_others_are_told() -> None:
    dead = [letter() for _ in range(20)]
    people = [f"person{number}" for number in range(6)]
    start = Barrier(len(people))

    def press(person: str) -> Result:
        start.wait()
        try:
            return replay([one.pk for one in dead], person)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(people)) as pool:
        results = list(pool.map(press, people))
    winner = [person for person, result in zip(people, results, strict=True) if result.done]
    assert len(winner) == 1
    for result in results:
        assert len(result.done) + result.skipped_count == len(dead)
        assert all(f"already replayed by {winner[0]} at" in str(skipped) for skipped in result.skipped)
    assert set(Notification.objects.values_list("generation", flat=True)) == {1}
    assert DeadLetterEvent.objects.count() == StaffAction.objects.count() == len(dead)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_what_a_sender_is_settling_is_skipped_and_said_so() -> None:
    busy, free = letter(status=Status.HELD), letter()
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        Notification.objects.select_for_update().get(dead_letter=busy)

        def press() -> Result:
            try:
                return replay([busy.pk, free.pk], "anna")
            finally:
                connections.close_all()

        result = pool.submit(press).result(timeout=20)
    assert result.done == [free.pk]
    assert "a sender is settling it right now" in str(result.skipped[0])


def test_a_held_notification_can_be_replayed() -> None:
    held = letter(status=Status.HELD)
    assert replay([held.pk], "anna").done == [held.pk]
    assert row_of(held).status == Status.WAITING


def test_what_cannot_be_replayed_says_why() -> None:
    gone, resolved, discarded = 999_999, letter(state="resolved", status=Status.SENT), letter(state="discarded")
    sent, raw = letter(status=Status.SENT), unreadable(b"{")
    result = replay([gone, resolved.pk, discarded.pk, sent.pk, raw.pk], "anna")
    assert result.done == []
    why = {skipped.letter_id: skipped.why for skipped in result.skipped}
    assert why[gone] == "does not exist"
    assert why[resolved.pk] == "is already resolved"
    assert why[discarded.pk] == "was already discarded"
    assert why[sent.pk] == "is open, but its notification is sent"
    assert "could not be read" in why[raw.pk]
    assert not DeadLetterEvent.objects.exists()


def test_a_discard_needs_a_reason_and_keeps_it() -> None:
    dead, held, raw = letter(), letter(status=Status.HELD), unreadable(b"{")
    everything = [dead.pk, held.pk, raw.pk]
    with pytest.raises(ValueError, match="reason"):
        discard(everything, "anna", "  ")
    assert discard(everything, "anna", "out of date").done == sorted(everything)
    assert set(DeadLetter.objects.values_list("state", "discard_reason")) == {("discarded", "out of date")}
    assert set(Notification.objects.values_list("status", flat=True)) == {Status.DEAD}
    assert list(DeadLetterEvent.objects.values_list("event", flat=True)) == ["discarded"] * 3
    assert set(StaffAction.objects.values_list("action", "reason")) == {("discard", "out of date")}
    assert "already discarded by anna at" in str(discard([dead.pk], "bert", "again").skipped[0])


def test_only_a_held_notification_can_be_marked_as_sent() -> None:
    held, dead = letter(status=Status.HELD), letter()
    result = mark_sent([held.pk, dead.pk], "anna")
    assert (result.done, result.skipped_count) == ([held.pk], 1)
    row = row_of(held)
    assert (row.status, row.reason, row.generation) == (Status.SENT, "", 0)
    assert row.settled_at is not None
    held.refresh_from_db()
    assert held.state == DeadLetter.State.RESOLVED
    assert StaffAction.objects.get().action == "mark-sent"
    assert [found for found in take().off if found[0] == str(row.pk)] == []


@pytest.mark.parametrize("verb", ["replay", "discard", "mark_sent"])
def test_a_verb_takes_the_same_number_of_statements_for_any_selection(verb: str) -> None:
    verbs = {
        "replay": replay,
        "discard": lambda ids, actor: discard(ids, actor, "old"),
        "mark_sent": mark_sent,
    }

    def statements(number: int) -> int:
        ids = [letter(status=Status.HELD).pk for _ in range(number)]
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert len(verbs[verb](ids, "anna").done) == number
        return len(queries)

    assert statements(2) == statements(150)


def test_five_thousand_at_once_and_no_more() -> None:
    now = timezone.now()
    rows = [notification_unsaved(now) for _ in range(MOST_AT_ONCE)]
    Notification.objects.bulk_create(rows)
    letters = [DeadLetter(notification=row, channel="SMS", cause="bug") for row in rows]
    ids = [one.pk for one in DeadLetter.objects.bulk_create(letters)]
    assert len(replay(ids, "anna").done) == MOST_AT_ONCE
    assert DeadLetterEvent.objects.count() == StaffAction.objects.count() == MOST_AT_ONCE
    with pytest.raises(ValueError, match="5,000"):
        replay([*ids, 0], "anna")


def notification_unsaved(now: datetime) -> Notification:
    return Notification(
        id=uuid_utils.compat.uuid7(),
        channel="SMS",
        receiver="+14155550100",
        receiver_hash="0" * 32,
        message="Hi",
        client="shop",
        **standing(Status.DEAD),
        accepted_at=now,
    )


def test_try_now_moves_waiting_rows_only() -> None:
    later = timezone.now() + timedelta(hours=2)
    waiting = notification(status=Status.WAITING, reason=Reason.RETRY, due_at=later)
    scheduled = notification(status=Status.WAITING, reason=Reason.SCHEDULED, due_at=later)
    dead = notification()
    assert try_now([waiting.pk, scheduled.pk, dead.pk], "anna") == 1
    waiting.refresh_from_db()
    assert waiting.due_at is not None
    assert waiting.due_at < later
    action = StaffAction.objects.get()
    assert (action.action, action.notification_id) == ("try-now", waiting.pk)
    assert Notification.objects.get(pk=dead.pk).due_at is None
    assert Notification.objects.get(pk=scheduled.pk).due_at == later
