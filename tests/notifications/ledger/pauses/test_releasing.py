"""What a pause has stopped is made due when it is over, whoever stopped it, and nothing else is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db.models import F
from django.utils import timezone
from prometheus_client import REGISTRY

from notifications.brokers.base import open_broker
from notifications.ledger import due
from notifications.ledger.hooks import NO_HOOKS
from notifications.ledger.pauses import releasing
from notifications.ledger.pauses.releasing import Releasing
from notifications.ledger.pauses.targets import PLATFORM, Target
from notifications.ledger.pauses.verbs import pause, resume
from notifications.messages.words import PauseKind, Reason, Status
from notifications.models import Notification, Pause
from notifications.scheduling.scheduler import Scheduler
from project import metrics
from tests.notifications.rows import ago, ids, row, seconds_until

pytestmark = pytest.mark.django_db(transaction=True)

NEWS, SHOP = Target(PauseKind.CATEGORY, "news"), Target(PauseKind.CLIENT, "shop")
WHO: dict[str, Any] = {"actor": "anna", "reason": "because"}


def stopped(**fields: Any) -> Notification:
    fields = {"due_at": timezone.now() + timedelta(hours=1), "reason": Reason.STOPPED, "category": "news"} | fields
    return row(Status.WAITING, **fields)


def taken() -> list[UUID]:
    """The ids of what a scheduler takes now."""
    return [row.message.id for row in due.take_due("scheduler", 10)]


def test_a_pause_that_somebody_ends_releases_what_it_stopped_even_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(releasing, "AGAIN", 0.0)
    monkeypatch.setattr(releasing, "BATCH", 2)
    made = pause(NEWS, **WHO)
    rows = [stopped() for _ in range(5)]
    others = [stopped(reason=Reason.RETRY, category="other"), stopped(reason=Reason.RETRY)]
    look = Releasing()
    look.look()
    assert not due.anything()
    resume(NEWS, **WHO)
    look.look()
    assert taken() == ids(rows), "in the order accepted"
    late = stopped()  # by a sender that did not know it yet
    look.look()
    assert taken() == [late.id]
    assert all((seconds_until("due_at", one.id) or 0) > 3500 for one in others)
    assert Pause.objects.filter(released=False).exists()
    Pause.objects.filter(pk=made.pk).update(ended_at=F("ended_at") - timedelta(hours=1))
    look.look()
    assert not Pause.objects.filter(released=False).exists()


def test_what_another_pause_in_force_names_goes_on_waiting() -> None:
    pause(NEWS, **WHO)
    pause(SHOP, **WHO)
    both, news = stopped(client="shop"), stopped(client="desk")
    resume(NEWS, **WHO)
    Releasing().look()
    assert taken() == [news.id]
    resume(SHOP, **WHO)
    Releasing().look()
    assert taken() == [both.id]


def test_a_pause_that_ends_by_itself_releases_what_an_older_one_put_off_for_longer() -> None:
    pause(NEWS, **WHO)
    waits = stopped()
    pause(NEWS, **WHO, lasts=timedelta(minutes=5))
    Releasing().look()
    assert not due.anything()
    Pause.objects.filter(ended_at__isnull=True).update(until=ago(1))
    Releasing().look()
    assert taken() == [waits.id]


def test_what_a_person_has_paused_is_not_given_up() -> None:
    waits = stopped(deferred_since=ago(90_000))
    gone = row(Status.WAITING, due_at=ago(-60), reason=Reason.OUTAGE, deferred_since=ago(90_000))
    assert due.give_up(86_400, 10, hooks=NO_HOOKS) == 1
    assert Notification.objects.get(status=Status.DEAD).id == gone.id
    assert Notification.objects.get(status=Status.WAITING).deferred_since == waits.deferred_since


def test_the_metric_has_what_is_in_force_and_nothing_else() -> None:
    def shown(kind: str, name: str) -> float | None:
        return REGISTRY.get_sample_value("notifications_paused", {"kind": kind, "name": name})

    metrics.paused.clear()
    look = Releasing()
    pause(NEWS, **WHO)
    assert look.look() is False
    assert (shown("category", "news"), shown("client", "shop")) == (1.0, None)
    resume(NEWS, **WHO)
    look.look()
    assert shown("category", "news") is None


def test_a_scheduler_moves_nothing_while_the_platform_is_read_only() -> None:
    scheduler = Scheduler(open_broker(), NO_HOOKS)
    waits, late = row(Status.WAITING, due_at=ago(1), reason=Reason.RETRY), stopped(due_at=ago(1), expires_at=ago(1))
    pause(PLATFORM, **WHO)
    assert scheduler.round() == 0
    assert set(Notification.objects.values_list("status", flat=True)) == {Status.WAITING}
    resume(PLATFORM, **WHO)
    scheduler._pauses_at = 0.0
    assert scheduler.round() == 1
    assert dict(Notification.objects.values_list("id", "status")) == {waits.id: "queued", late.id: "expired"}
