"""The read-only mode: what the web refuses, in which words, and what it still does."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from notifications.ledger.pauses.read_only import mode
from notifications.ledger.pauses.targets import PLATFORM
from notifications.ledger.pauses.verbs import pause, resume
from notifications.models import Notification, Pause
from project.short_way import ShortWay
from tests.caller import EMAIL, Api, json_of
from tests.desk import PASSWORD, letter

pytestmark = pytest.mark.django_db

END = reverse("admin:notifications_pause_end_read_only")


def begin(**also: timedelta) -> None:
    pause(PLATFORM, actor="anna", reason="maintenance", **also)


def test_callers_are_asked_to_come_back_and_may_read(api: Api) -> None:
    assert api.post("/notification", EMAIL).status_code == 202
    rows = Notification.objects.count()
    begin(lasts=timedelta(seconds=30))
    for answer in (api.post("/notification", EMAIL), api.put("/users/ann", {})):
        assert answer.status_code == 503
        assert json_of(answer) == {
            "detail": "The platform is read-only for maintenance. Nothing was accepted or changed. Try again later.",
            "code": "unavailable",
        }
        assert 1 <= int(answer["Retry-After"]) <= 30
    assert Notification.objects.count() == rows
    assert api.get("/notifications").status_code == 200
    resume(PLATFORM, actor="anna", reason="done")
    assert api.post("/notification", EMAIL).status_code == 202


def test_the_short_way_leaves_them_to_django() -> None:
    begin()
    environ = {
        "PATH_INFO": "/notification",
        "REQUEST_METHOD": "POST",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": "2",
        "HTTP_HOST": "127.0.0.1",
    }
    assert ShortWay(lambda *_: [b"django"])(environ, lambda *_: lambda _: None) == [b"django"]


def test_what_was_known_counts_while_the_database_does_not_answer() -> None:
    begin()
    assert mode.in_force()
    with patch.object(Pause.objects, "filter", side_effect=OperationalError("away")):
        mode.forget()
        assert mode.in_force()


def test_the_admin_says_so_and_changes_nothing_but_the_mode(anna: Client) -> None:
    anna.post(reverse("admin:notifications_pause_read_only"), {"lasts": "", "reason": "maintenance"})
    assert Pause.objects.in_force().get().actor == "anna"
    page = anna.get(reverse("admin:index")).content.decode()
    assert "The platform is read-only for maintenance." in page
    dead = letter()
    refused = anna.post(reverse("admin:dlq_deadletter_changelist"), {"action": "discard", "_selected_action": dead.pk})
    assert refused.status_code == 503
    assert "Nothing can be changed now" in refused.content.decode()
    assert refused["Retry-After"] == "60"

    account = User.objects.get(username="anna")
    account.set_password(PASSWORD)
    account.save()
    other = Client()
    other.post(reverse("admin:login"), {"username": "anna", "password": PASSWORD})
    assert other.get(END).status_code == 200
    other.post(END, {"reason": "done"})
    assert not Pause.objects.in_force().exists()
    assert "read-only for maintenance" not in anna.get(reverse("admin:index")).content.decode()
