"""The first page: warnings, counts with their links, and only what one may see."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifications.channels.outcomes import Cause
from notifications.messages.words import Reason, Status
from notifications.models import BreakerEvent, WorkerHeartbeat
from tests.desk import letter, notification, staff

pytestmark = pytest.mark.django_db

INDEX = reverse("admin:index")


def worker(kind: str, seen_at: datetime, name: str = "") -> None:
    WorkerHeartbeat.objects.create(worker=name or f"host:{kind}", kind=kind, started_at=seen_at, seen_at=seen_at)


def cards(client: Client) -> dict[str, tuple[str, list[tuple[str, str, str]]]]:
    return {card.title: (card.total, card.lines) for card in client.get(INDEX).context["cards"]}


def test_it_warns_when_nobody_works(anna: Client) -> None:
    now = timezone.now()
    worker("scheduler", now - timedelta(seconds=31))
    shown = anna.get(INDEX).content.decode()
    assert "No sender is alive" in shown
    assert "No scheduler is alive" in shown
    WorkerHeartbeat.objects.update(seen_at=now)
    worker("sender", now)
    shown = anna.get(INDEX).content.decode()
    assert "is alive:" not in shown


def test_counts_lead_to_their_lists(anna: Client) -> None:
    for cause in (Cause.CREDENTIALS, Cause.CREDENTIALS, Cause.BUG):
        letter(last_cause=cause)
    letter(state="discarded")
    notification(status=Status.WAITING, reason=Reason.RETRY, due_at=timezone.now())
    notification(status=Status.ACCEPTED)
    found = cards(anna)
    total, lines = found["Open dead letters"]
    assert (total, [line[:2] for line in lines]) == ("3", [("credentials", "2"), ("bug", "1")])
    listed = anna.get(lines[0][2]).context["cl"].result_count
    assert listed == 2
    total, lines = found["Waiting"]
    assert (total, anna.get(lines[0][2]).context["cl"].result_count) == ("1", 1)
    assert found["Outbox"][0] == "1"


def test_a_breaker_is_open_until_its_worker_says_closed_or_dies(anna: Client) -> None:
    worker("sender", timezone.now(), "host:1")
    for name, state in (("host:1", "closed"), ("host:1", "open"), ("gone:2", "open")):
        BreakerEvent.objects.create(worker=name, channel="EMAIL", provider="smtp", state=state)
    assert cards(anna)["Breakers open"][0] == "1"
    BreakerEvent.objects.create(worker="host:1", channel="EMAIL", provider="smtp", state="closed")
    assert cards(anna)["Breakers open"][0] == "0"


def test_it_shows_only_what_one_may_see(db: None) -> None:
    client = Client()
    client.force_login(staff("narrow", "notifications.view_notification"))
    assert set(cards(client)) == {"Waiting", "Outbox"}
    shown = client.get(INDEX).content.decode()
    assert reverse("admin:dlq_deadletter_changelist") not in shown
    assert reverse("admin:users_apikey_changelist") not in shown


def test_it_takes_the_same_number_of_queries_whatever_there_is(anna: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            anna.get(INDEX)
        return len(captured)

    letter()
    first = queries()
    for cause in Cause:
        letter(last_cause=cause)
    assert queries() == first


def test_times_name_their_zone(anna: Client) -> None:
    notification(status=Status.WAITING, reason=Reason.RETRY, due_at=timezone.now())
    assert " UTC." in anna.get(INDEX).content.decode()
