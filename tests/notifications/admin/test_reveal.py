"""A content is shown once to whom may ask, for a reason that is kept; a sensitive one is shown to nobody."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from notifications.models import Category, StaffAction
from tests.desk import letter, notification

pytestmark = pytest.mark.django_db

HIDDEN = "the text that nobody reads by chance"


def page_of(row: object, what: str = "content") -> str:
    return reverse("admin:notifications_notification_reveal", args=[getattr(row, "pk", row), what])


def test_a_reason_shows_it_once_and_is_kept(agent: Client) -> None:
    row = notification(message=HIDDEN, subject="Invoice")
    change = reverse("admin:notifications_notification_change", args=[row.pk])
    assert HIDDEN not in agent.get(change).content.decode()
    assert page_of(row) in agent.get(change).content.decode()
    asked = agent.get(page_of(row)).content.decode()
    assert HIDDEN not in asked
    answer = agent.post(page_of(row), {"reason": "she asks what it was about", "confirm": "yes"})
    assert HIDDEN in answer.content.decode()
    assert "no-store" in answer.headers["Cache-Control"]
    action = StaffAction.objects.get()
    assert (action.actor, action.action, action.reason) == ("agent", "reveal", "she asks what it was about")
    assert action.notification_id == row.pk
    assert HIDDEN not in str(agent.session.items())
    assert HIDDEN not in agent.get(page_of(row)).content.decode()
    assert HIDDEN not in agent.get(change).content.decode()


def test_without_a_reason_nothing_is_shown(agent: Client) -> None:
    row = notification(message=HIDDEN)
    for reason in ("", "   "):
        assert HIDDEN not in agent.post(page_of(row), {"reason": reason, "confirm": "yes"}).content.decode()
    assert not StaffAction.objects.exists()


def test_a_sensitive_one_is_shown_to_nobody(agent: Client, supervisor: Client, anna: Client) -> None:
    Category.objects.create(name="password-reset", sensitive=True)
    dead = letter(category="password-reset", subject="Your link", message=HIDDEN, html=f"<a>{HIDDEN}</a>")
    pages = [
        reverse("admin:dlq_deadletter_change", args=[dead.pk]),
        reverse("admin:notifications_notification_change", args=[dead.notification_id]),
    ]
    for client in (agent, supervisor, anna):
        for page in pages:
            shown = client.get(page).content.decode()
            assert HIDDEN not in shown
            assert "Your link" not in shown
            assert f"hidden: password-reset, {len(HIDDEN)} characters" in shown
            assert "/reveal/" not in shown
            assert "/redirect/" not in shown
        answer = client.post(page_of(dead.notification_id), {"reason": "I must", "confirm": "yes"})
        assert answer.status_code == 403
        assert HIDDEN not in answer.content.decode()
    assert not StaffAction.objects.exists()


def test_a_receiver_is_shown_by_the_same_way(viewer: Client, agent: Client) -> None:
    row = notification(receiver="joan@example.org")
    assert viewer.post(page_of(row, "receiver"), {"reason": "I must"}).status_code == 403
    assert "joan@example.org" in agent.post(page_of(row, "receiver"), {"reason": "she calls"}).content.decode()
    assert StaffAction.objects.get().note == "its receiver"


@pytest.mark.parametrize("what", ["everything", "html"])
def test_nothing_else_can_be_asked_for(agent: Client, what: str) -> None:
    assert agent.post(page_of(notification(), what), {"reason": "x"}).status_code == 404


def test_no_button_replays_what_is_sensitive_and_has_expired(supervisor: Client) -> None:
    Category.objects.create(name="password-reset", sensitive=True)
    hour = timedelta(hours=1)
    fresh, old = (letter(category="password-reset", expires_at=timezone.now() + each) for each in (hour, -hour))
    for dead, replays in ((fresh, True), (old, False)):
        shown = supervisor.get(reverse("admin:dlq_deadletter_change", args=[dead.pk])).content.decode()
        assert (reverse("admin:dlq_deadletter_verb", args=["replay"]) in shown) == replays
