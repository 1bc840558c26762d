"""GET /explain: the decision of a sender, for whoever asks."""

from __future__ import annotations

from datetime import time

import msgspec
import pytest
from django.utils import timezone

from notifications.messages.ids import receiver_hash
from notifications.messages.words import SuppressedFor
from notifications.models import Category
from tests.caller import Api, json_of
from users.people.models import Device, User
from users.recipients.models import CapPlace, PersonPreferences, Suppression
from users.recipients.person import Preferences


@pytest.fixture
def ann(db: None) -> User:
    ann = User.objects.create(username="ann")
    Device.objects.create(user=ann, channel="SMS", address="+4915112345678", position=1)
    Device.objects.create(user=ann, channel="EMAIL", address="ann@example.com")
    return ann


def prefer(preferences: Preferences) -> None:
    PersonPreferences.objects.create(username="ann", document=msgspec.json.encode(preferences).decode())


@pytest.mark.usefixtures("ann")
def test_whom_nothing_keeps_from_it(api: Api) -> None:
    answer = api.get("/explain", user="ann")
    assert answer.status_code == 200
    assert json_of(answer) == {"decision": "send", "rule": "send", "why": "No rule keeps it back.", "until": None}


@pytest.mark.usefixtures("ann")
def test_quiet_hours_at_another_time(api: Api) -> None:
    prefer(Preferences(time_zone="Europe/Berlin", quiet=(time(22), time(7))))
    by_day = json_of(api.get("/explain", user="ann", at="2026-12-01T12:00:00Z"))
    by_night = json_of(api.get("/explain", user="ann", at="2026-12-01T02:00:00Z"))
    assert by_day["decision"] == "send"
    assert (by_night["decision"], by_night["rule"]) == ("wait", "quiet")
    assert "2026-12-01T06:00:00Z" <= by_night["until"] <= "2026-12-01T06:10:00Z"


@pytest.mark.usefixtures("ann")
def test_a_suppressed_address_is_one_of_their_devices(api: Api) -> None:
    hash = receiver_hash("SMS", "+4915112345678")
    Suppression.objects.create(address_hash=hash, channel="SMS", reason=SuppressedFor.STOP)
    assert json_of(api.get("/explain", user="ann"))["decision"] == "send"
    for query in ({"user": "ann"}, {"receiver": "+4915112345678"}):
        shown = json_of(api.get("/explain", type="SMS", **query))
        assert (shown["decision"], shown["why"]) == ("suppress", "The person has answered STOP.")


@pytest.mark.usefixtures("ann")
def test_a_cap_is_looked_at_and_no_place_is_taken(api: Api) -> None:
    Category.objects.create(name="birthdays", cap_count=1, cap_seconds=3600)
    assert json_of(api.get("/explain", user="ann", category="birthdays"))["decision"] == "send"
    assert not CapPlace.objects.exists()
    taken = {"person": "ann", "scope": "birthdays", "at": timezone.now()}
    CapPlace.objects.create(notification_id="019a3c5e-7b1f-7cc2-9d0e-3f5a6b7c8d9e", **taken)
    assert json_of(api.get("/explain", user="ann", category="birthdays"))["rule"] == "cap"
    Category.objects.filter(name="birthdays").update(overflow="digest")
    shown = json_of(api.get("/explain", user="ann", category="birthdays"))
    assert (shown["decision"], shown["rule"]) == ("fold", "cap")
    assert shown["why"] == ("The person has had as many as they get in this time, so it goes out together with others.")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({}, "user"),
        ({"user": "ann", "receiver": "a@b.de"}, "user"),
        ({"receiver": "a@b.de"}, "type"),
        ({"receiver": "nobody", "type": "EMAIL"}, "receiver"),
        ({"user": "ann", "type": "PIGEON"}, "type"),
        ({"user": "ann", "at": "tomorrow"}, "at"),
        ({"user": "ann", "colour": "red"}, "colour"),
    ],
)
def test_what_is_wrong_with_a_question_is_said_by_field(api: Api, query: dict[str, str], field: str) -> None:
    answer = api.get("/explain", **query)
    assert answer.status_code == 400
    assert list(json_of(answer)) == [field]


def test_nobody_and_no_device(api: Api, ann: User) -> None:
    assert api.get("/explain", user="nobody").status_code == 404
    ann.devices.filter(channel="SMS").delete()
    assert api.get("/explain", user="ann", type="SMS").status_code == 404
