"""The pages of pauses: who may, and what is asked."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from notifications.ledger.pauses.targets import Target
from notifications.ledger.pauses.verbs import pause
from notifications.messages.words import PauseKind
from notifications.models import Category, Pause, StaffAction

pytestmark = pytest.mark.django_db

LIST, BEGIN = reverse("admin:notifications_pause_changelist"), reverse("admin:notifications_pause_begin")
NEWS = Target(PauseKind.CATEGORY, "news")


def test_a_supervisor_pauses_and_resumes_for_a_reason(supervisor: Client) -> None:
    Category.objects.create(name="news")
    assert b"Pause something" in supervisor.get(LIST).content
    assert b"Make the platform read-only" not in supervisor.get(LIST).content
    wrong = supervisor.post(BEGIN, {"what": "category:new", "lasts": "1 hour", "reason": " "}).content.decode()
    assert "There are: default, news." in wrong
    assert "It must be a number of seconds, minutes, hours or days" in wrong
    assert not Pause.objects.exists()

    answer = supervisor.post(BEGIN, {"what": "category:news", "lasts": "1h", "reason": "wrong"}, follow=True)
    assert "The category news is paused until " in answer.content.decode()
    made = Pause.objects.in_force().get()
    assert (
        reverse("admin:notifications_pause_resume", args=[made.pk])
        in supervisor.get(reverse("admin:notifications_pause_change", args=[made.pk])).content.decode()
    )
    resume = reverse("admin:notifications_pause_resume", args=[made.pk])
    assert "This field is required" in supervisor.post(resume, {"reason": ""}).content.decode()
    supervisor.post(resume, {"reason": "right again"})
    assert not Pause.objects.in_force().exists()
    actor = User.objects.get(pk=supervisor.session["_auth_user_id"]).username
    assert [(one.actor, one.reason) for one in StaffAction.objects.order_by("id")] == [
        (actor, "wrong"),
        (actor, "right again"),
    ]
    again = supervisor.post(resume, {"reason": "twice"}, follow=True).content.decode()
    assert "Nothing was changed: category:news is not paused." in again


def test_an_agent_sees_pauses_and_changes_none(agent: Client, supervisor: Client) -> None:
    made = pause(NEWS, actor="anna", reason="wrong template")
    page = agent.get(LIST).content.decode()
    assert "wrong template" in page
    assert "Pause something" not in page
    resume = reverse("admin:notifications_pause_resume", args=[made.pk])
    read_only = [reverse(f"admin:notifications_pause_{name}") for name in ("read_only", "end_read_only")]
    for client, addresses in ((agent, [BEGIN, resume, *read_only]), (supervisor, read_only)):
        for address in addresses:
            assert client.get(address).status_code == 403
            assert client.post(address, {"what": "EMAIL", "reason": "x"}).status_code == 403
    assert Pause.objects.count() == 1
