"""Cancelling in the ledger: what is ended, what is too late, and what becomes of a record that comes afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import uuid_utils.compat

from notifications.ledger import due, leases
from notifications.ledger.cancel import cancel
from notifications.ledger.hooks import NO_HOOKS
from notifications.ledger.settle import Settlement, settle
from notifications.ledger.verdicts import sent
from notifications.messages.ids import time_of
from notifications.messages.words import Is, Reason, Status, statuses
from notifications.models import Lease, Notification
from tests.notifications.rows import HookCalls, ago, claim, claim_one, ids, message, message_of, read, row

pytestmark = pytest.mark.django_db

FREE: list[tuple[Status, dict[str, Any]]] = [
    (Status.ACCEPTED, {"due_at": ago(1)}),
    (Status.QUEUED, {}),
    (Status.QUEUED, {"owner": "scheduler", "lease_until": ago(-9)}),
    (Status.WAITING, {"due_at": ago(-9), "reason": Reason.SCHEDULED}),
    (Status.WAITING, {"due_at": ago(-9), "reason": Reason.RETRY, "attempts": 2, "deferred_since": ago(9)}),
]


def stop(id: UUID, client: str = "shop", **also: Any) -> Status | None:
    given: dict[str, Any] = {"hooks": NO_HOOKS, "may_be_in_kafka": True} | also
    return cancel(id, client=client, **given)


@pytest.mark.parametrize(("status", "fields"), FREE)
def test_what_nobody_has_begun_to_send_ends_at_once(status: Status, fields: dict[str, Any]) -> None:
    free, other, calls = row(status, **fields), row(status, **fields), HookCalls()
    assert [stop(free.id, hooks=calls) for _ in range(2)] == [Status.CANCELLED, Status.CANCELLED]
    found = read(free.id)
    assert (found.status, found.listed, found.reason, found.due_at, found.owner) == (
        Status.CANCELLED,
        None,
        "",
        None,
        None,
    )
    assert (found.deferred_since, found.lease_until, found.message) == (None, None, "Hello World")
    assert found.settled_at is not None
    assert [(each.id, each.status) for each in calls.final] == [(free.id, Status.CANCELLED)]
    assert calls.inside == [True]
    assert read(other.id).status == status
    assert claim(message_of(free)) == [], "its record comes afterwards"
    assert read(free.id).status == Status.CANCELLED


@pytest.mark.parametrize("reason", [Reason.SCHEDULED, Reason.PAUSED, Reason.QUIET, Reason.CAPPED, Reason.DIGEST])
def test_what_is_cancelled_while_it_waits_does_not_come_back_when_its_time_has_come(reason: Reason) -> None:
    cancelled, other = (row(Status.WAITING, due_at=ago(1), reason=reason) for _ in range(2))
    assert stop(cancelled.id) is Status.CANCELLED
    taken = due.take_due("scheduler", 10)
    assert [each.message.id for each in taken] == [other.id]


@pytest.mark.parametrize("status", [Status.SENDING, *statuses(Is.FINAL)])
def test_it_is_too_late_for_what_is_being_sent_or_has_ended(status: Status) -> None:
    if status is Status.CANCELLED:
        return
    begun = row(status, settled_at=None if status is Status.SENDING else ago(1))
    assert stop(begun.id) == status
    assert read(begun.id).status == status


@pytest.mark.parametrize("fields", [{"uncertain_count": 1}, {"generation": 1, "reason": Reason.REPLAY}])
@pytest.mark.parametrize("status", [Status.WAITING, Status.QUEUED])
def test_it_is_too_late_for_what_may_have_arrived_or_is_sent_again(status: Status, fields: dict[str, Any]) -> None:
    """Cancelled must mean that nobody got it; and a letter that is replayed must end with its notification."""
    begun = row(status, due_at=ago(-9) if status is Status.WAITING else None, **fields)
    assert stop(begun.id) == status
    assert read(begun.id).status == status


def test_a_success_does_not_turn_what_is_cancelled() -> None:
    claimed = claim_one()
    Notification.objects.update(status=Status.CANCELLED, owner=None, lease_until=None)
    assert settle([Settlement(claimed, sent("x"))], hooks=NO_HOOKS) == set()


def test_nobody_cancels_what_another_client_sent() -> None:
    theirs = row(client="bank")
    assert stop(theirs.id) is None
    assert read(theirs.id).status == Status.QUEUED


def test_what_only_kafka_has_becomes_a_row_without_texts_and_its_record_is_dropped() -> None:
    unclaimed, calls = message(category="news", user="ann", reference="r", priority="bulk"), HookCalls()
    assert [stop(unclaimed.id, hooks=calls) for _ in range(2)] == [Status.CANCELLED, Status.CANCELLED]
    assert [(each.id, each.status, each.channel) for each in calls.final] == [(unclaimed.id, Status.CANCELLED, "")]
    stub = read(unclaimed.id)
    assert (stub.client, stub.accepted_at) == ("shop", time_of(unclaimed.id))
    assert (stub.message, stub.receiver, stub.receiver_hash, stub.channel, stub.claims) == ("", "", "", "", 0)
    assert stub.texts_removed
    assert claim(unclaimed) == []
    found = read(unclaimed.id)
    assert (found.status, found.channel, found.category, found.priority) == (Status.CANCELLED, "EMAIL", "news", "bulk")
    assert (found.topic, found.partition, found.trace_id) == (unclaimed.topic, 1, "ab" * 16)
    assert (found.user, found.reference, found.receiver_hash, found.message) == ("", "", "", ""), "nothing of a person"
    assert leases.sweep((1.0,), 10, hooks=NO_HOOKS, passed_by=datetime.now(UTC) + timedelta(days=1)) == 0
    assert not Lease.objects.exists()


def test_a_client_that_cancels_anothers_record_loses_it_nothing() -> None:
    first, second, third = message(), message(), message()
    assert stop(second.id, client="bank") is Status.CANCELLED
    assert stop(third.id) is Status.CANCELLED
    claimed = claim(first, second, third)
    assert ids(claimed) == [first.id, second.id], "in the order of the records"
    assert {one.client for one in claimed} == {"shop"}
    assert (read(second.id).status, read(second.id).message) == (Status.SENDING, "Hello World")
    assert stop(second.id, client="bank") is None
    assert read(third.id).status == Status.CANCELLED


def test_a_repeated_claim_finds_what_it_has_freed() -> None:
    freed, other = message(), message()
    stop(freed.id, client="bank")
    first = claim(freed, other, owner="batch-7")
    assert claim(freed, other, owner="batch-7") == first
    assert claim(freed, other, owner="batch-8") == []


def test_no_row_is_made_of_what_can_be_no_record() -> None:
    assert stop(uuid_utils.compat.uuid7(), may_be_in_kafka=False) is None
    assert not Notification.objects.exists()


def test_what_a_scheduler_is_publishing_is_left_alone_by_it_afterwards() -> None:
    waiting = row(Status.WAITING, due_at=ago(1), reason=Reason.RETRY)
    [taken] = due.take_due("me", 10)
    assert stop(waiting.id) is Status.CANCELLED
    assert due.mark_published("me", [waiting.id]) == 0
    assert claim(taken.message) == []
    assert read(waiting.id).status == Status.CANCELLED
