"""What the scheduler takes, publishes, ends and gives up."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from notifications.brokers.base import POLL_BYTES
from notifications.channels.outcomes import Cause
from notifications.ledger import due
from notifications.ledger.due import PUBLISH_LEASE, mark_published, take_due
from notifications.ledger.hooks import NO_HOOKS
from notifications.messages.words import TAKEN, Reason, Status, Waits, reasons
from notifications.models import Notification
from tests.notifications.rows import (
    HookCalls,
    ago,
    as_an_older_version,
    claim_one,
    ids,
    message_of,
    read,
    row,
    seconds_until,
)

pytestmark = pytest.mark.django_db
LATER = ago(-3600)


def taken(limit: int = 100, owner: str = "me") -> list[Any]:
    return [one.message.id for one in take_due(owner, limit)]


def test_due_rows_outbox_rows_and_forgotten_ones_are_taken() -> None:
    waiting = row(Status.WAITING, due_at=ago(1), reason=Reason.RETRY, claims=1, trace_id="cd" * 16)
    outbox = row(Status.ACCEPTED, due_at=ago(1))
    replay = row(Status.WAITING, due_at=ago(1), reason=Reason.REPLAY, claims=6, generation=1)
    forgotten = row(Status.QUEUED, owner="dead scheduler", lease_until=ago(1), claims=1)
    assert due.anything()
    found = take_due("me", 100)
    assert not due.anything()
    assert [(one.message.id, one.origin) for one in found] == [
        (waiting.id, "retry"),
        (outbox.id, "outbox"),
        (replay.id, "replay"),
        (forgotten.id, "retry"),
    ]
    assert found[0].trace_id == "cd" * 16
    assert found[2].message == message_of(read(replay.id))
    for one in found:
        now = read(one.message.id)
        assert (now.status, now.owner, now.due_at) == (Status.QUEUED, "me", None)
        assert PUBLISH_LEASE - 5 < (seconds_until("lease_until", now.id) or 0) <= PUBLISH_LEASE


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (Status.WAITING, {"due_at": LATER}),
        (Status.QUEUED, {}),
        (Status.QUEUED, {"owner": "o", "lease_until": LATER}),
        (Status.SENDING, {"owner": "o", "lease_until": ago(1)}),
        (Status.HELD, {}),
        (Status.SENT, {"due_at": ago(1)}),
    ],
)
def test_other_rows_are_not(status: Status, fields: dict[str, Any]) -> None:
    row(status, **fields)
    assert not due.anything()
    assert taken() == []


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (Status.WAITING, {"due_at": ago(1)}),
        (Status.ACCEPTED, {"due_at": ago(1)}),
        (Status.WAITING, {"due_at": ago(1), "expires_at": ago(1)}),
        (Status.QUEUED, {"owner": "dead scheduler", "lease_until": ago(1)}),
    ],
)
def test_a_look_sees_each_of_them_alone(status: Status, fields: dict[str, Any]) -> None:
    due_row = row(status, **fields)
    assert due.anything()
    assert due.anything(since=due_row.id)
    assert not due.anything(since=UUID(int=due_row.id.int + 1))


def test_the_earliest_due_are_taken_first() -> None:
    rows = [row(Status.WAITING, due_at=ago(age)) for age in (1, 300, 20, 100)]
    assert set(taken(2)) == {rows[1].id, rows[3].id}
    assert set(taken(2)) == {rows[0].id, rows[2].id}
    assert taken(2) == []


def test_of_those_that_were_not_published_the_first_accepted_are_taken_first() -> None:
    rows = [row(Status.QUEUED, owner="gone", lease_until=ago(age)) for age in (1, 300, 20)]
    assert [taken(1) for _ in rows] == [[one.id] for one in rows]


def test_what_was_accepted_first_is_published_first() -> None:
    rows = [row(Status.WAITING, due_at=ago(age)) for age in (1, 2, 3)]
    assert taken() == ids(rows)


def test_marking_ends_the_lease_of_what_is_queued_and_mine_alone() -> None:
    mine, others = row(Status.WAITING, due_at=ago(1)), row(Status.QUEUED, owner="other", lease_until=LATER)
    claimed = row(Status.WAITING, due_at=ago(1))
    assert set(taken()) == {mine.id, claimed.id}
    claim_one(message_of(read(claimed.id)), owner="sender")
    assert mark_published("me", [mine.id, others.id, claimed.id]) == 1
    assert (read(mine.id).owner, read(mine.id).lease_until) == (None, None)
    assert read(others.id).owner == "other"
    assert (read(claimed.id).owner, read(claimed.id).status) == ("sender", Status.SENDING)


def test_a_crash_between_publish_and_mark_publishes_again() -> None:
    crashed = row(Status.WAITING, due_at=ago(1))
    assert taken(owner="first") == [crashed.id]
    assert taken(owner="second") == []
    Notification.objects.update(lease_until=ago(1))
    assert taken(owner="second") == [crashed.id]
    assert mark_published("first", [crashed.id]) == 0


def test_what_is_past_its_expiry_ends() -> None:
    gone = row(Status.WAITING, due_at=ago(1), expires_at=ago(1), reason=Reason.RETRY, deferred_since=ago(9))
    outbox = row(Status.ACCEPTED, due_at=ago(1), expires_at=ago(1))
    row(Status.WAITING, due_at=ago(1), expires_at=LATER)
    row(Status.WAITING, due_at=LATER, expires_at=ago(1))
    row(Status.SENDING, expires_at=ago(1))
    calls = HookCalls()
    assert due.expire(100, hooks=calls) == 2
    found = read(gone.id)
    assert (found.status, found.reason, found.due_at, found.deferred_since) == (Status.EXPIRED, "", None, None)
    assert found.settled_at is not None
    assert {one.id for one in calls.final} == {gone.id, outbox.id}
    assert Notification.objects.filter(status=Status.EXPIRED).count() == 2


@pytest.mark.parametrize(
    ("reason", "last", "cause"),
    [
        (Reason.OUTAGE, "", Cause.PROVIDER_OUTAGE),
        (Reason.OUTAGE, Cause.CREDENTIALS, Cause.PROVIDER_OUTAGE),
        (Reason.THROTTLED, Cause.THROTTLED, Cause.THROTTLED),
        (Reason.RETRY, Cause.MAILBOX_FULL, Cause.MAILBOX_FULL),
        (Reason.PARKED, Cause.MAILBOX_FULL, Cause.MAILBOX_FULL),
    ],
)
def test_what_was_put_off_for_too_long_is_dead(reason: Reason, last: str, cause: Cause) -> None:
    patient = row(Status.WAITING, due_at=LATER, reason=reason, deferred_since=ago(50))
    waiting = row(Status.WAITING, due_at=LATER, reason=reason, last_cause=last, deferred_since=ago(200))
    queued = row(Status.QUEUED, reason=reason, last_cause=last, deferred_since=ago(200), last_error="503")
    sending = row(Status.SENDING, deferred_since=ago(200))
    calls = HookCalls()
    assert due.give_up(100, 10, hooks=calls) == 2
    assert [read(one.id).status for one in (patient, waiting, queued, sending)] == [
        Status.WAITING,
        Status.DEAD,
        Status.DEAD,
        Status.SENDING,
    ]
    found = read(waiting.id)
    assert (found.last_cause, found.reason, found.due_at, found.deferred_since) == (cause, "", None, None)
    assert found.last_error
    assert read(queued.id).last_error == "503"
    assert {(one.id, one.cause) for one in calls.final} == {(waiting.id, cause), (queued.id, cause)}


@pytest.mark.parametrize("reason", reasons(Waits.ON_PURPOSE))
@pytest.mark.parametrize("status", [Status.WAITING, Status.QUEUED])
def test_what_waits_on_purpose_is_not_given_up(reason: Reason, status: Status) -> None:
    due_at = LATER if status is Status.WAITING else None
    wanted = row(status, due_at=due_at, reason=reason, deferred_since=ago(200))
    assert due.give_up(100, 10, hooks=NO_HOOKS) == 0
    assert read(wanted.id).status == status


def test_ends_stop_at_their_limit() -> None:
    for _ in range(3):
        row(Status.WAITING, due_at=ago(1), expires_at=ago(1))
    assert (due.expire(2, hooks=NO_HOOKS), due.expire(2, hooks=NO_HOOKS), due.expire(2, hooks=NO_HOOKS)) == (2, 1, 0)


def test_requeue_has_unleased_queued_rows_published_again() -> None:
    lost = row(Status.QUEUED)
    row(Status.QUEUED, owner="scheduler", lease_until=LATER)
    row(Status.SENDING, owner="sender", lease_until=LATER)
    assert due.requeue() == 1
    assert taken() == [lost.id]
    mark_published("me", [lost.id])
    assert claim_one(message_of(read(lost.id))).id == lost.id


@pytest.mark.parametrize(
    ("status", "owner"), [(Status.SENDING, "sender"), (Status.SENT, None), (Status.DEAD, None), (Status.QUEUED, "s")]
)
def test_a_row_whose_list_is_stale_is_not_queued_again(status: Status, owner: str | None) -> None:
    """A sender or a scheduler of 1.0, which knows no lists, has changed it."""
    as_an_older_version()
    row(status, owner=owner, lease_until=LATER if owner else None, listed="queued")
    assert due.queued("EMAIL", "transactional", 10, most_bytes=POLL_BYTES) == []
    assert due.queued("EMAIL", "transactional", 10, most_bytes=POLL_BYTES, look_ahead=10) == []
    assert due.requeue() == 0


@pytest.mark.parametrize("status", [Status.SENDING, Status.SENT, Status.DEAD])
def test_a_row_whose_list_is_stale_is_not_published_again(status: Status) -> None:
    as_an_older_version()
    row(status, owner="sender", lease_until=ago(1), listed=TAKEN)
    assert not due.anything()
    assert taken() == []


def test_large_rows_are_taken_a_few_at_a_time_and_none_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(Status.WAITING, due_at=ago(100 - n), message="ü" * 500, html="x" * 500) for n in range(10)]
    monkeypatch.setattr(due, "ROUND_BYTES", 4000)  # the third row brings it to 4,500 bytes
    assert [taken(), taken(), taken(4)] == [ids(rows[:3]), ids(rows[3:6]), ids(rows[6:9])]
    monkeypatch.setattr(due, "ROUND_BYTES", 1)
    assert taken() == ids(rows[9:])


def test_the_embedded_queue_is_what_nobody_holds_in_the_order_accepted() -> None:
    rows = [row(trace_id="ab" * 16) for _ in range(3)]
    row(priority="bulk")
    row(channel="SMS", receiver="+49151234567")
    row(owner="scheduler", lease_until=LATER)
    row(Status.WAITING, due_at=ago(1))
    found = due.queued("EMAIL", "transactional", 2, most_bytes=POLL_BYTES)
    assert [submitted.id for submitted, _ in found] == ids(rows[:2])
    assert found[0][1] == "ab" * 16
    assert found[0][0] == message_of(rows[0])
    assert len(due.queued("EMAIL", "bulk", 10, most_bytes=POLL_BYTES)) == 1


def test_looking_ahead_the_embedded_queue_gives_each_client_its_share() -> None:
    shop = [row(client="shop", receiver=f"r{number}@example.com") for number in range(8)]
    behind = row(client="desk", receiver=shop[6].receiver)
    desk = [row(client="desk") for _ in range(2)]
    out_of_reach = row(client="bank")

    def ahead(limit: int) -> list[UUID]:
        found = due.queued("EMAIL", "transactional", limit, most_bytes=POLL_BYTES, look_ahead=11)
        return [message.id for message, _ in found]

    assert ahead(5) == ids([*shop[:3], *desk])
    assert behind.id not in ahead(9), "it would overtake another to its receiver"
    assert ahead(100) == ids([*shop, behind, *desk]), "and within a batch the order is that of the queue"
    assert out_of_reach.id not in ahead(100)


def test_filters_for_the_gauges_and_the_admin() -> None:
    first = row(Status.WAITING, due_at=ago(100), reason=Reason.RETRY)
    row(Status.WAITING, due_at=LATER, reason=Reason.PARKED)
    row(Status.ACCEPTED, due_at=ago(1))
    waiting = Notification.objects.waiting()
    assert {key: rows for key, (rows, _) in waiting.items()} == {("EMAIL", "retry"): 1, ("EMAIL", "parked"): 1}
    assert waiting["EMAIL", "retry"][1] == first.accepted_at
    assert 99 < Notification.objects.overdue_seconds() < 120
    assert Notification.objects.outbox().count() == 1
    assert Notification.objects.filter(due_at=LATER).try_now() == 1
    assert len(taken()) == 3
    assert Notification.objects.try_now() == 0
    assert Notification.objects.since(first.accepted_at).count() == 3
    assert Notification.objects.until(first.accepted_at).count() == 0
