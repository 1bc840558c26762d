"""The overview reads no ledger and no letters, the same few rows whatever there is, and shows what one may see."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from notifications.channels.outcomes import Cause
from notifications.messages.words import Happened, Status
from notifications.models import Minute
from project.operations import figures
from tests.desk import letter, notification, staff
from tests.project.operations.overview import INDEX, SENDER, alive, counted, links, minute, opened, overview

pytestmark = pytest.mark.django_db
TABLES = ("notifications_notification", "notifications_attempt", "dlq_deadletter", "notifications_idempotencykey")


def statements(client: Client, address: str) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return [query["sql"] for query in captured]


def fill() -> None:
    """Something of all that the page shows."""
    alive()
    opened()
    moment = timezone.now().isoformat()
    counted(
        waiting={"EMAIL": {"retry": {"rows": 3, "oldest": moment}, "outage": {"rows": 1, "oldest": moment}}},
        problems={cause.value: 2 for cause in Cause},
    )
    for happened in Happened:
        minute(5, ago=timedelta(minutes=90), happened=happened)


@pytest.mark.parametrize("address", [INDEX, reverse("overview")])
def test_no_statement_is_for_the_ledger_or_the_letters(anna: Client, address: str) -> None:
    fill()
    letter()
    found = statements(anna, address)
    assert len(found) > 5
    assert [sql for sql in found if any(f'"{table}"' in sql for table in TABLES)] == []


def test_it_takes_the_same_number_of_queries_whatever_there_is(anna: Client) -> None:
    alive()
    first = len(statements(anna, INDEX))
    for _ in range(5):
        opened()
    for days in range(9):
        for happened in Happened:
            minute(5, ago=timedelta(days=days, minutes=5), happened=happened)
    counted(problems={cause.value: 2 for cause in Cause})
    assert len(statements(anna, INDEX)) == first


def test_every_number_and_bar_opens_its_list(anna: Client) -> None:
    fill()
    letter(last_cause=Cause.BUG)
    notification(status=Status.WAITING, reason="retry")
    found = links(anna.get(INDEX).content.decode())
    assert len(found) > 60, "each bar has one, too"
    for address in dict.fromkeys(found):
        answer = anna.get(address)
        assert answer.status_code == 200, address
        assert "e=1" not in answer.request["QUERY_STRING"]
    by_cause = next(address for address in found if address.endswith("cause=bug"))
    assert anna.get(by_cause).context["cl"].result_count == 1
    by_reason = next(address for address in found if address.endswith("reason=retry"))
    assert anna.get(by_reason).context["cl"].result_count == 1


def test_the_bar_of_an_hour_opens_what_died_in_it(anna: Client) -> None:
    moment = timezone.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    for minutes in (-1, 0, 59, 60):
        dead = letter()
        type(dead).objects.filter(pk=dead.pk).update(died_at=moment + timedelta(minutes=minutes), state="resolved")
    died = json.loads(anna.get(INDEX).context["day"].charts[2].data)
    [bars] = died["datasets"]
    address = bars["links"][died["labels"].index(f"{timezone.localtime(moment):%H}")]
    assert anna.get(address).context["cl"].result_count == 2


def test_it_shows_only_what_one_may_see(db: None) -> None:
    fill()
    client = Client()
    client.force_login(staff("narrow", "notifications.view_notification"))
    found = overview(client)
    assert (found.problems, found.runs, found.mine, found.workers) == (None, None, None, None)
    assert {count.title for count in found.counts} == {"Waiting"}
    shown = client.get(INDEX).content.decode()
    assert SENDER not in shown
    assert reverse("admin:dlq_deadletter_changelist") not in shown
    assert reverse("admin:users_apikey_changelist") not in shown
    client.force_login(staff("nobody"))
    found = overview(client)
    assert (found.channels, found.counts) == ([], [])
    assert "E-mail is out of order" in client.get(INDEX).content.decode(), "the answer is for everybody"


def test_the_fragment_is_for_staff_alone(db: None) -> None:
    assert Client().get(reverse("overview")).status_code == 302


def entries(client: Client) -> dict[str, Any]:
    navigation = client.get(INDEX).context["sidebar_navigation"]
    return {item["title"]: item.get("badge") for group in navigation for item in group["items"]}


def test_the_sandbox_is_in_the_sidebar_where_there_is_one(anna: Client, settings: Settings) -> None:
    assert "Sandbox" in entries(anna)
    settings.SANDBOX_ALLOWED = False
    assert "Sandbox" not in entries(anna)


def test_the_badge_is_the_number_of_open_letters_and_none_for_none(anna: Client) -> None:
    assert entries(anna)["Dead letters"] is None
    counted(problems={"bug": 3, "timeout": 4})
    assert entries(anna)["Dead letters"] == "7"
    counted(problems={"bug": 3000})
    assert entries(anna)["Dead letters"] == "999+"


def test_the_last_day_is_counted_by_the_hour(anna: Client) -> None:
    now = timezone.now()
    this = now.replace(minute=0, second=0, microsecond=0)
    for hours, count in ((0, 1), (1, 2), (1, 3), (23, 4), (24, 5)):
        about = {"minute": this - timedelta(hours=hours), "channel": "EMAIL", "provider": str(count)}
        Minute.objects.create(happened=Happened.SENT, count=count, **about)
    day = figures.last_day(now)
    assert [hour.counts.get("sent", 0) for hour in day] == [4, *([0] * 21), 5, 1]


@pytest.mark.postgresql
def test_the_minutes_are_read_by_their_index() -> None:
    with connection.cursor() as cursor:
        cursor.execute("""
            INSERT INTO notifications_minute (minute, channel, provider, happened, cause, count)
            SELECT minute, 'EMAIL', provider, happened, '', 1
            FROM generate_series(now() - interval '60 days', now(), interval '1 minute') AS minute,
                unnest(ARRAY['', 'a']) AS provider, unnest(ARRAY['sent', 'dead']) AS happened""")
        cursor.execute("ANALYZE notifications_minute")
    with CaptureQueriesContext(connection) as captured:
        now = timezone.now()
        figures.paces(now, figures.first_minute())
        figures.last_day(now)
    assert len(captured) == 3
    for query in captured:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {query['sql']}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
        assert "Seq Scan" not in plan, plan
