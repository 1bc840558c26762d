"""What waits for a person's sake goes soon after they, or staff, end what keeps it back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db.models import F
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from notifications.brokers.base import open_broker
from notifications.ledger import due, waking
from notifications.ledger.hooks import NO_HOOKS
from notifications.ledger.waking import Waking
from notifications.messages.words import Reason, Status
from notifications.models import Notification
from notifications.scheduling.scheduler import Scheduler
from tests.notifications.rows import ids, read, row, seconds_until
from users.recipients.models import PersonPreferences
from users.recipients.preferences import Changes, Source, change
from users.recipients.staff_choices import change_by_staff

pytestmark = pytest.mark.django_db(transaction=True)

LATER = timedelta(hours=8)


def waits(**fields: Any) -> Notification:
    given = {"due_at": timezone.now() + LATER, "reason": Reason.PAUSED, "user": "ann"} | fields
    return row(Status.WAITING, **given)


def pause_until(until: Any, username: str = "ann") -> None:
    change(username, Changes(paused_until=until), actor="shop", source=Source.API)


def taken() -> list[UUID]:
    """The ids of what a scheduler takes now."""
    return [row.message.id for row in due.take_due("scheduler", 10)]


def test_what_a_person_or_staff_end_makes_due_what_it_kept_back_and_nothing_else() -> None:
    pause_until(timezone.now() + LATER)
    looking = Waking()
    looking.look()
    rows = [waits(reason=reason) for reason in (Reason.CAPPED, Reason.PAUSED, Reason.QUIET)]
    others = [waits(user="bob"), waits(user=""), waits(reason=Reason.RETRY), waits(reason=Reason.DIGEST)]
    looking.look()
    assert not due.anything(), "nobody changed since"
    change_by_staff("ann", Changes(paused_until=None), actor="anna", reason="she called")
    looking.look()
    assert taken() == ids(rows), "in the order accepted"
    assert all((seconds_until("due_at", one.id) or 0) > 3600 for one in others)


def test_what_was_put_off_by_a_claim_that_did_not_know_it_yet_is_made_due_later() -> None:
    pause_until(timezone.now() + LATER)
    looking = Waking()
    looking.look()
    late = waits()
    looking.look()
    assert not due.anything()
    PersonPreferences.objects.update(changed_at=F("changed_at") - timedelta(seconds=waking.OVERLAP))
    looking.look()
    assert taken() == [late.id]
    last = waits()
    looking.look()
    assert (seconds_until("due_at", last.id) or 0) > 3600


def test_it_takes_a_bounded_number_at_once_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    monkeypatch.setattr(waking, "BATCH", 2)
    looking = Waking()
    with django_assert_num_queries(1):
        assert not looking.look()
    rows = [waits() for _ in range(3)]
    pause_until(timezone.now() + LATER)
    assert looking.look()
    assert taken() == ids(rows[:2])
    assert not looking.look()
    assert taken() == ids(rows[2:])


def test_a_scheduler_publishes_it_within_a_round() -> None:
    scheduler = Scheduler(open_broker(), NO_HOOKS)
    pause_until(timezone.now() + LATER)
    scheduler.round()
    waiting = waits()
    pause_until(None)
    scheduler._people_at = 0.0  # a second has passed
    assert scheduler.round() == 1
    assert read(waiting.id).status == Status.QUEUED
