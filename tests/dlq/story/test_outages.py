"""What breakers did, as a notification's page says it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dlq.story import outages
from notifications.models import BreakerEvent, WorkerHeartbeat

pytestmark = pytest.mark.django_db

START = datetime(2026, 11, 26, 3, 0, tzinfo=UTC)


def worker(name: str, channels: str = "EMAIL,SMS", *, seen: timedelta = timedelta(0)) -> str:
    now = timezone.now()
    WorkerHeartbeat.objects.create(worker=name, kind="sender", channels=channels, started_at=now, seen_at=now - seen)
    return name


def turned(name: str, state: str, minute: int, channel: str = "EMAIL") -> datetime:
    moment = START + timedelta(minutes=minute)
    BreakerEvent.objects.create(
        worker=name,
        channel=channel,
        provider="smtp",
        state=state,
        cause="timeout" if state == "open" else "",
        at=moment,
    )
    return moment


def test_a_channel_without_a_sender_is_not_served() -> None:
    worker("dead", seen=timedelta(minutes=5))
    worker("other", "SMS")
    turned("dead", "open", 0)
    assert outages.health("EMAIL") == outages.Health(served=False, out_since=None)


def test_a_channel_is_out_of_order_since_the_first_opening_that_lasts() -> None:
    one, two = worker("one"), worker("two")
    worker("gone", seen=timedelta(minutes=5))
    turned("gone", "open", 0)
    turned(one, "open", 1)
    turned(one, "closed", 2)
    assert outages.health("EMAIL").out_since is None
    turned(two, "open", 4)
    since = turned(one, "open", 3)
    assert outages.health("EMAIL").out_since == since
    assert outages.health("SMS") == outages.Health(served=True, out_since=None)


def test_one_outage_of_many_senders_is_one_turn_each_way() -> None:
    turned("old", "open", -90)
    first = turned("one", "open", -10)
    turned("two", "open", -9)
    turned("one", "closed", 5)
    last = turned("two", "closed", 6)
    turned("one", "open", 7, channel="SMS")
    turned("one", "open", 99)
    found = outages.turns("EMAIL", START, START + timedelta(minutes=30))
    assert [(turn.at, turn.is_open) for turn in found] == [(first, True), (last, False)]
    assert found[0].cause == "timeout"
    assert outages.turns("EMAIL", START + timedelta(minutes=8), START + timedelta(minutes=30)) == []


def test_a_breaker_that_flaps_fills_no_page() -> None:
    for minute in range(0, 60, 2):
        turned("one", "open", minute)
        turned("one", "closed", minute + 1)
    found = outages.turns("EMAIL", START, START + timedelta(hours=2))
    assert len(found) == outages.MOST_TURNS
    assert found[-1].at == START + timedelta(minutes=59)


def test_the_number_of_queries_is_small() -> None:
    worker("one")
    with CaptureQueriesContext(connection) as captured:
        outages.health("EMAIL")
        outages.turns("EMAIL", START, START)
    assert len(captured) == 3
