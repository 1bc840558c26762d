"""A night, on real Kafka and PostgreSQL: what can wait comes in the morning as one mail, what cannot comes at once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time
from typing import Any

from harness.platform import Platform, wait_until
from harness.platform.providers import Providers
from tests.e2e.test_balance import balance

BIRTHDAYS = 200
CATEGORIES = (
    "from notifications.models import Category as C; "
    "C.objects.create(name='birthdays', digest_seconds=5); "
    "C.objects.create(name='password-reset', kind='mandatory')"
)
JSON = {"Content-Type": "application/json"}


def zone_where_it_is(hour: int) -> str:
    """Returns the name of a zone; those called Etc/GMT have their signs the other way round."""
    ahead = (hour - datetime.now(UTC).hour + 11) % 24 - 11
    return f"Etc/GMT{-ahead:+d}"


def put(platform: Platform, path: str, body: dict[str, Any]) -> None:
    answer = platform.request("PUT", path, json.dumps(body).encode(), JSON)
    assert answer.status in {200, 201}, answer.body


def patch(platform: Platform, body: dict[str, Any]) -> None:
    answer = platform.request("PATCH", "/users/ann/preferences", json.dumps(body).encode(), JSON)
    assert answer.status == 200, answer.body


def test_200_birthdays_are_one_mail_in_the_morning_and_a_new_password_comes_at_night(
    connected: Platform, providers: Providers
) -> None:
    connected.start_web()
    for _ in range(2):
        connected.start_sender("--channels", "EMAIL")
    connected.manage("shell", "-v", "0", "-c", CATEGORIES)
    put(connected, "/users/ann", {"devices": [{"type": "EMAIL", "address": "ann@example.com"}]})
    zone = zone_where_it_is(3)
    patch(connected, {"time_zone": zone, "quiet": {"start": "22:00", "end": "08:00"}})

    birthday = {"user": "ann", "category": "birthdays"}
    items = [birthday | {"message": f"Friend {number} has their birthday"} for number in range(BIRTHDAYS)]
    assert connected.post({"notifications": items}, "/notifications").status == 202
    assert connected.post({"user": "ann", "category": "password-reset", "message": "Reset it"}).status == 202
    connected.wait_for(waiting=BIRTHDAYS, sent=1)
    assert [mail.get_content().strip() for mail in providers.smtp.parsed()] == ["Reset it"]
    clock = f"(due_at AT TIME ZONE '{zone}')::time AS clock"
    waiting = connected.sql(f"SELECT reason, {clock} FROM notifications_notification WHERE status = 'waiting'")
    assert {row["reason"] for row in waiting} == {"quiet"}
    assert all(time(8) <= row["clock"] < time(8, 10) for row in waiting)

    patch(connected, {"time_zone": zone_where_it_is(12)})  # instead of a morning: she has flown to where it is noon
    connected.wait_for(digested=BIRTHDAYS, sent=2)
    wait_until(lambda: len(providers.smtp.mails) == 2, what="one more mail")
    _, digest = providers.smtp.parsed()
    assert digest["Subject"] == "200 notifications: birthdays"
    assert "Friend 49 has their birthday" in digest.get_content()
    assert "and 150 more" in digest.get_content()
    code, output = balance(connected)
    assert code == 0, output
