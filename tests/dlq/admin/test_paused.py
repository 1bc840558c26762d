"""What the pages of the desk say of what is paused by hand."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from notifications.ledger.pauses.targets import Target
from notifications.ledger.pauses.verbs import pause
from notifications.messages.words import PauseKind, Reason, Status
from notifications.models import Pause, WorkerHeartbeat
from tests.desk import notification

pytestmark = pytest.mark.django_db

NEWS = Target(PauseKind.CATEGORY, "news")


def test_the_page_of_what_waits_and_the_overview_say_who_paused_it_and_why(agent: Client) -> None:
    WorkerHeartbeat.objects.create(
        worker="w", kind="sender", channels="EMAIL", started_at=timezone.now(), seen_at=timezone.now()
    )
    waits = notification(
        status=Status.WAITING,
        reason=Reason.STOPPED,
        category="news",
        receiver="ben@example.org",
        due_at=timezone.now(),
        last_cause="",
        settled_at=None,
    )
    pause(NEWS, actor="anna", reason="not to ben@example.org")
    page = agent.get(reverse("admin:notifications_notification_change", args=[waits.pk])).content.decode()
    assert "Not sent yet: The category news is paused by anna since " in page
    assert "we have stopped sending for a while" in page
    assert "Try now" not in page
    overview = agent.get(reverse("admin:index")).content.decode()
    assert "The category news is paused by anna since " in overview
    Pause.objects.update(ended_at=timezone.now())
    page = agent.get(reverse("admin:notifications_notification_change", args=[waits.pk])).content.decode()
    assert "it was paused by hand, and the pause is over" in page
    assert "is about to go out" in page


def test_a_channel_that_is_paused_is_not_called_out_of_order(agent: Client) -> None:
    WorkerHeartbeat.objects.create(
        worker="w", kind="sender", channels="EMAIL", started_at=timezone.now(), seen_at=timezone.now()
    )
    pause(Target(PauseKind.CHANNEL, "EMAIL"), actor="anna", reason="wrong texts")
    [row] = [row for row in agent.get(reverse("admin:index")).context["overview"].channels if row.name == "E-mail"]
    assert row.state.word.startswith("paused since ")
