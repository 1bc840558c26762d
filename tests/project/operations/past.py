"""Notifications accepted some days ago, with all that hangs on them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from dlq.models import DeadLetter
from notifications.channels.outcomes import Cause, Outcome
from notifications.messages.words import Status
from notifications.models import Attempt, IdempotencyKey, Notification, SandboxMessage
from tests.notifications.rows import id_of, row

State = DeadLetter.State


def past(days: float, status: Status = Status.SENT, *, letter: str = "", **fields: Any) -> Notification:
    """Returns a notification of so many days ago, with a key, a sandbox message and an attempt.

    It has a dead letter in the state `letter`, if that is given.
    """
    known: dict[str, Any] = {"id": id_of(days), "receiver": "ann@example.com", "subject": "Hi", "html": "<p>Hello</p>"}
    if status not in (Status.WAITING, Status.QUEUED, Status.ACCEPTED):
        known |= {"settled_at": datetime.now(UTC), "provider": "scripted"}
    elif status != Status.QUEUED:
        known |= {"due_at": datetime.now(UTC)}
    one = row(status, **known | fields)
    Attempt.objects.create(
        notification=one, generation=0, number=1, at=one.accepted_at, outcome=Outcome.TRANSIENT, cause=Cause.TIMEOUT
    )
    IdempotencyKey.objects.create(client="shop", key=one.id.hex, notification_id=one.id, body_hash="hash")
    SandboxMessage.objects.create(
        notification_id=one.id, channel="EMAIL", receiver=one.receiver, message="Hello", sent_at=one.accepted_at
    )
    if letter:
        DeadLetter.objects.create(notification=one, state=letter, cause=Cause.TIMEOUT)
    return one


def hanging(one: Notification) -> dict[str, int]:
    """Returns how many rows of each table hang on the notification; {} where there are none, nor itself."""
    found = {
        "row": Notification.objects.filter(id=one.id).count(),
        "attempts": Attempt.objects.filter(notification_id=one.id).count(),
        "keys": IdempotencyKey.objects.filter(notification_id=one.id).count(),
        "letters": DeadLetter.objects.filter(notification_id=one.id).count(),
    }
    return {name: count for name, count in found.items() if count}
