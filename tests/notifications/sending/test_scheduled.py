"""What is to be sent later waits in the ledger until its time, costs nothing, and goes then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from notifications.channels.outcomes import Cause
from notifications.ledger import due
from notifications.ledger.pauses.targets import Target
from notifications.ledger.pauses.verbs import pause
from notifications.messages.words import Origin, PauseKind, Reason, Status
from notifications.models import Attempt, Notification
from notifications.sending.gates import Gate, Later, Scheduled, in_order
from notifications.sending.parking import Parking
from tests.notifications.rows import LETTERS, ago, claim_one, claimed, ids, message, message_of, read, row
from tests.notifications.running import Run, settled

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


def later(ahead: timedelta = HOUR) -> datetime:
    return datetime.now(UTC) + ahead


def test_only_what_has_a_time_to_come_is_put_off() -> None:
    batch = [claimed(1), claimed(2, send_in=90.5), claimed(3, send_in=0.0), claimed(4, send_in=-7.0)]
    split = Scheduled().split(batch)
    assert ids(split.go) == ids([batch[0], batch[2], batch[3]])
    assert split.later == [Later(batch[1], Reason.SCHEDULED, 90.5)]
    assert split.end == []
    assert Scheduled().split(batch[:1]).go == batch[:1]


def test_the_claim_says_how_long_it_is_by_the_databases_clock() -> None:
    assert claim_one().send_in is None
    assert 3590 < (claim_one(message(send_at=later())).send_in or 0) < 3601
    assert -3610 < (claim_one(message(send_at=ago(3600))).send_in or 0) < -3599


def test_it_waits_until_the_very_time_that_was_given_and_spends_nothing(run: Run) -> None:
    far = later(timedelta(days=90)).replace(microsecond=123000)
    scheduled, at_once = row(send_at=far), row()
    running = run()
    settled(Status.WAITING, scheduled)
    settled(Status.SENT, at_once)
    found = read(scheduled.id)
    assert (found.reason, found.due_at) == (Reason.SCHEDULED, far)
    assert (found.claims, found.attempts, found.deferred_since, found.owner) == (1, 0, None, None)
    assert not Attempt.objects.exists()
    assert running.channel.handed == [at_once.id]
    assert due.take_due("me", 10) == []
    assert due.give_up(0.0, 10, hooks=LETTERS) == 0


def test_it_goes_when_its_time_has_come(run: Run) -> None:
    run()
    scheduled = row(send_at=later())
    settled(Status.WAITING, scheduled)
    Notification.objects.update(send_at=ago(0.1), due_at=ago(0.1))
    [taken] = due.take_due("scheduler", 10)
    assert taken.origin is Origin.RETRY
    assert taken.message.send_at is not None
    due.offer([scheduled.id])
    settled(Status.SENT, scheduled)


@pytest.mark.parametrize("swept", [True, False], ids=["swept", "offered"])
def test_what_should_have_gone_long_ago_is_not_sent_late(run: Run, *, swept: bool) -> None:
    """As after an outage, or out of a ledger that was restored: whoever looks first, the scheduler or a sender."""
    times: dict[str, Any] = {"send_at": ago(7200), "expires_at": ago(3600)}
    waiting = row(Status.WAITING, reason=Reason.SCHEDULED, due_at=ago(7200), **times)
    outbox, in_kafka = row(Status.ACCEPTED, due_at=ago(7200), **times), row(**times)
    without_end = row(Status.WAITING, reason=Reason.SCHEDULED, due_at=ago(7200), send_at=ago(7200))
    assert not swept or due.expire(10, hooks=LETTERS) == 2
    due.offer([taken.message.id for taken in due.take_due("scheduler", 10)])
    running = run()
    settled(Status.EXPIRED, waiting, outbox, in_kafka)
    settled(Status.SENT, without_end)
    assert running.channel.handed == [without_end.id]


def test_what_expires_before_its_time_is_looked_at_then(run: Run) -> None:
    """The intake refuses it; a record may say anything."""
    run()
    end = later(HOUR / 2).replace(microsecond=0)
    scheduled = row(send_at=later(), expires_at=end)
    settled(Status.WAITING, scheduled)
    assert read(scheduled.id).due_at == end


def test_a_replay_goes_at_once_where_its_time_has_passed(run: Run) -> None:
    replayed = row(generation=1, reason=Reason.REPLAY, send_at=ago(9), last_cause=Cause.TIMEOUT)
    too_early = row(generation=1, reason=Reason.REPLAY, send_at=later(), last_cause=Cause.REFUSED_BY_KAFKA)
    run()
    settled(Status.SENT, replayed)
    settled(Status.WAITING, too_early)
    assert read(too_early.id).reason == Reason.SCHEDULED


def test_what_is_scheduled_and_paused_waits_for_both(run: Run) -> None:
    """First for its time, so that nothing is made due when the pause is over."""
    running = run()
    pause(Target(PauseKind.CATEGORY, "news"), actor="anna", reason="because")
    running.pauses.refresh()
    scheduled, come = row(category="news", send_at=later()), row(category="news", send_at=ago(1))
    settled(Status.WAITING, scheduled, come)
    assert [read(one.id).reason for one in (scheduled, come)] == [Reason.SCHEDULED, Reason.STOPPED]


@pytest.mark.parametrize("servers", ["", "kafka:9092"])
def test_it_is_asked_before_pauses_and_parking_and_after_what_may_have_been_sent(
    servers: str, settings: Settings
) -> None:
    """A record that is read again after its row was cancelled and removed must not wait and then go."""
    settings.KAFKA_BOOTSTRAP_SERVERS = servers
    parking = Parking(lambda _priority, _receiver: 0)
    gates: list[Gate] = in_order(parking, parking, parking)
    places = [type(gate).__name__ for gate in gates]
    assert places.index("Scheduled") == places.index("Parking") - 1
    assert places[-1] == "Expiry"
    before = ["Forgotten", "Rewound", "Removed"] if servers else ["Forgotten"]
    assert places[: places.index("Scheduled")] == before


def test_what_the_scheduler_publishes_has_its_time_still() -> None:
    scheduled = row(Status.WAITING, reason=Reason.SCHEDULED, due_at=ago(1), send_at=ago(1))
    [taken] = due.take_due("me", 10)
    assert taken.message == message_of(scheduled)
    assert taken.message.send_at == scheduled.send_at
