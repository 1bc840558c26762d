"""Lists never load texts: 500 rows of half a megabyte each would be a web process's whole memory."""

from __future__ import annotations

import re

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from notifications.messages.words import Status
from notifications.models import SandboxMessage
from tests.desk import letter, notification, unreadable

pytestmark = pytest.mark.sqlite  # the columns of a statement are the same on PostgreSQL
WHOLE_TEXT = re.compile(r'(?:SELECT|,) "\w+"\."(message|html|raw)"')
LISTS = [f"{model._meta.app_label}_{model._meta.model_name}" for model in admin.site._registry]


@pytest.fixture
def rows(db: None) -> None:
    dead = letter(message="a text " * 100, html="<p>a text</p>")
    unreadable(b"bytes")
    waiting = notification(status=Status.WAITING, reason="retry", due_at=dead.died_at)
    SandboxMessage.objects.create(notification_id=waiting.pk, channel="EMAIL", receiver="a@b.example", message="é" * 99)


def texts_loaded(client: Client, path: str) -> list[str]:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(path).status_code == 200
    return [query["sql"] for query in queries if WHOLE_TEXT.search(query["sql"])]


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("query", ["", "?q=receiver1@example.org"])
def test_of_the_admin(anna: Client, name: str, query: str) -> None:
    assert texts_loaded(anna, reverse(f"admin:{name}_changelist") + query) == []


@pytest.mark.usefixtures("rows")
def test_of_the_overview(anna: Client) -> None:
    assert texts_loaded(anna, reverse("admin:index")) == []


@pytest.mark.usefixtures("rows")
def test_the_sandbox_shows_beginnings(anna: Client) -> None:
    page = anna.get(reverse("admin:notifications_sandboxmessage_changelist")).content.decode()
    assert "é" * 60 + "…" in page
    assert "é" * 81 not in page


@pytest.mark.usefixtures("rows")
def test_of_the_api(settings: Settings) -> None:
    settings.API_KEYS_REQUIRED = False
    row = notification(client="local")
    for path in ("/notifications?page_size=500", f"/notification/{row.pk}"):
        assert texts_loaded(Client(), path) == []
