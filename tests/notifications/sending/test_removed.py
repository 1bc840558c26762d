"""What is older than the ledger keeps rows, and comes from a topic that was read again."""

from __future__ import annotations

import time

import pytest
import time_machine
from pytest_django import Settings

from dlq import verbs
from dlq.models import DeadLetter
from notifications.channels.outcomes import Cause
from notifications.ledger import due
from notifications.ledger.rows import Claimed
from notifications.messages.words import Reason, Status
from notifications.models import Attempt
from notifications.sending import gates
from notifications.sending.gates import Gates, Removed, Split
from tests.notifications.rows import LETTERS, ago, claim, claimed, id_of, ids, message, read, row

pytestmark = pytest.mark.django_db

DAY = 86_400.0


class Open:
    """A gate that lets everything go."""

    def split(self, rows: list[Claimed]) -> Split:
        return Split(rows)


def test_a_person_decides_about_it_and_the_others_go() -> None:
    old, young = message(id=id_of(95)), message()
    rows = claim(old, young)
    assert ids(Gates("EMAIL", [Removed(90)], LETTERS).let_through(rows)) == [young.id]
    found = read(old.id)
    assert (found.status, found.last_cause, found.uncertain_count) == (Status.HELD, Cause.OUTCOME_UNKNOWN, 1)
    assert "older than the ledger keeps rows" in Attempt.objects.get().error
    assert DeadLetter.objects.get().notification_id == old.id


def test_what_was_claimed_before_has_a_row_that_was_kept() -> None:
    again = claimed(claims=2, id=id_of(95))
    assert Removed(90).split([again]).go == [again]


def test_a_replay_goes_although_nobody_had_claimed_it_before() -> None:
    """The broker would not take it, so it died unclaimed and unsent, and its row says that it is replayed."""
    old = row(Status.ACCEPTED, id=id_of(95), due_at=ago(1))
    assert ids([one.message for one in due.take_due("scheduler", 10)]) == [old.id]
    assert due.end_refused("scheduler", {old.id: "too large"}, hooks=LETTERS) == 1
    verbs.replay([DeadLetter.objects.get().pk], "me")
    (taken,) = due.take_due("scheduler", 10)
    due.mark_published("scheduler", [old.id])
    (again,) = claim(taken.message)
    assert (again.claims, again.reason) == (1, Reason.REPLAY)
    assert Removed(90).split([again]).go == [again]


def test_a_wrong_clock_holds_nothing() -> None:
    rows = claim(message())
    with time_machine.travel(time.time() + 200 * DAY, tick=True):
        assert Removed(90).split(rows).go == rows


@pytest.mark.parametrize(
    ("servers", "days", "asked"), [("kafka:9092", 90, True), ("kafka:9092", 0, False), ("", 90, False)]
)
def test_it_is_asked_where_a_topic_could_be_read_again(
    settings: Settings, servers: str, days: int, asked: bool
) -> None:
    settings.KAFKA_BOOTSTRAP_SERVERS, settings.RETENTION_DAYS = servers, days
    assert any(isinstance(gate, Removed) for gate in gates.in_order(Open(), Open(), Open())) == asked
