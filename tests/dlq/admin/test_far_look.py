"""Ids that no index has: found among the newest rows, as far back as a moment reaches, which the page names."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dlq.admin.finding import far_look
from dlq.admin.finding.far_look import FarLook, look_back
from notifications.messages.ids import first_id_at
from notifications.messages.words import Status
from notifications.models import Notification
from project.desk.audit import printed
from tests.desk import notification

pytestmark = pytest.mark.django_db


@pytest.fixture
def rows(db: None) -> list[Notification]:
    """Seven rows, the newest first, a minute after each other."""
    now = timezone.now()
    return [
        notification(
            id=first_id_at(now - timedelta(minutes=number)), status=Status.SENT, provider_message_id=f"m-{number}"
        )
        for number in range(7)
    ]


def test_every_row_is_looked_at_step_by_step(rows: list[Notification]) -> None:
    for number, row in enumerate(rows):
        assert look_back([f"m-{number}"], "", step=2, seconds=60).found == (row.pk,)
    assert look_back(["m-7"], "", step=2, seconds=60) == FarLook((), None)


def test_it_ends_with_its_time_and_says_how_far_it_came(
    rows: list[Notification], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(100))
    monkeypatch.setattr(far_look, "monotonic", lambda: next(clock))
    looked = look_back(["m-6"], "", step=2, seconds=3)
    assert looked.found == ()
    assert looked.since is not None
    assert first_id_at(looked.since) == rows[3].pk


def test_a_statement_that_takes_too_long_is_an_answer(anna: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: Any) -> Any:
        raise OperationalError("canceling statement due to statement timeout") from SlowError()

    class SlowError(Exception):
        pgcode = "57014"

    monkeypatch.setattr(far_look, "_look", late)
    answer = anna.post(reverse("admin:desk_find"), {"q": "provider-id-7"}, follow=True).content.decode()
    assert "looking further would take too long" in answer
    assert printed(timezone.now())[:14] in answer


def test_it_finds_nothing_by_an_empty_trace(rows: list[Notification]) -> None:
    assert look_back(["none"], "", seconds=60).found == ()
