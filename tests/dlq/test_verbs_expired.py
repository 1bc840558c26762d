"""What has expired is replayed only with a new expiry that a person gives, and the record keeps both."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from dlq.models import DeadLetter
from dlq.verbs import discard, replay, replay_with_expiry
from notifications.messages.words import Status
from notifications.models import StaffAction
from project.desk.audit import printed
from tests.desk import letter, row_of

pytestmark = pytest.mark.django_db

AN_HOUR = timedelta(hours=1)


def test_a_replay_leaves_what_has_expired_and_names_it() -> None:
    past = timezone.now() - AN_HOUR
    old, fresh, forever = letter(expires_at=past), letter(expires_at=timezone.now() + AN_HOUR), letter()
    result = replay([old.pk, fresh.pk, forever.pk], "anna")
    assert result.done == [fresh.pk, forever.pk]
    assert [str(skipped) for skipped in result.skipped] == [
        f"Dead letter {old.pk} expired at {printed(past)}: replay it by itself, with a new expiry."
    ]
    row = row_of(old)
    assert (row.status, row.generation, row.expires_at) == (Status.DEAD, 0, past)
    assert StaffAction.objects.filter(target=f"dead letter {old.pk}").count() == 0


@pytest.mark.parametrize("new", [timezone.now() + AN_HOUR, None], ids=["until a time", "for ever"])
def test_a_new_expiry_is_recorded_beside_the_old_one(new: datetime | None) -> None:
    past = timezone.now() - AN_HOUR
    old = letter(expires_at=past)
    assert replay_with_expiry(old.pk, "anna", new).done == [old.pk]
    row = row_of(old)
    assert (row.status, row.generation, row.expires_at) == (Status.WAITING, 1, new)
    action = StaffAction.objects.get()
    assert printed(past) in action.note
    assert (printed(row.expires_at) if new else "never") in action.note


def test_what_expired_after_a_replay_can_be_replayed_or_discarded() -> None:
    past = timezone.now() - AN_HOUR
    back, closed = (letter(status=Status.EXPIRED, expires_at=past) for _ in range(2))
    assert replay([back.pk], "anna").done == []
    assert replay_with_expiry(back.pk, "anna", None).done == [back.pk]
    assert discard([closed.pk], "anna", "out of date").done == [closed.pk]
    closed.refresh_from_db()
    assert (closed.state, row_of(closed).status) == (DeadLetter.State.DISCARDED, Status.EXPIRED)
