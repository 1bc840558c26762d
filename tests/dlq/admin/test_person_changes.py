"""Staff change what a person chose: with a right of its own, only for a reason, recorded twice."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dlq.admin.choices.change_page import VERBS
from notifications.messages.words import StaffVerb
from notifications.models import Category, StaffAction
from project.desk.rights import Right
from tests.desk import logged_in, member_of, staff
from tests.dlq.admin.test_person import page
from users.people.models import User
from users.recipients import preferences
from users.recipients.models import PersonPreferences, PreferenceEvent
from users.recipients.person import cell
from users.recipients.preferences import MOST_CHOICES, Changes, Source

pytestmark = pytest.mark.django_db

WHY = "She asked on the phone."


@pytest.fixture
def user(db: None) -> User:
    Category.objects.create(name="news")
    Category.objects.create(name="alarms", kind="mandatory")
    return User.objects.create(username="u1", name="Anna Berg")


def address(user: User, name: str) -> str:
    return reverse("admin:desk_person_change", args=[user.pk, name])


def post(client: Client, user: User, name: str, **fields: Any) -> HttpResponse:
    answer: Any = client.post(address(user, name), {"reason": WHY, "confirm": "yes"} | fields)
    assert isinstance(answer, HttpResponse)
    return answer


def choose(**changes: Any) -> None:
    preferences.change("u1", Changes(**changes), actor="u1", source=Source.PAGE)


def test_a_choice_is_switched_recorded_and_shown(agent: Client, user: User) -> None:
    answer = post(agent, user, "choice", category="news", channel="SMS", choice="off")
    assert answer["Location"] == f"{reverse('admin:desk_person')}?user=u1"
    assert preferences.of("u1").choices[cell("news", "SMS")].on is False
    event = PreferenceEvent.objects.get()
    assert (event.actor, event.source, event.what, event.before, event.after, event.reason) == (
        *("agent", "staff", "news on SMS", "", "off", WHY),
    )
    action = StaffAction.objects.get()
    assert (action.actor, action.action, action.target) == ("agent", StaffVerb.SET_CHOICES, "user u1")
    assert (action.note, action.before, action.after, action.reason) == ("news on SMS", "", "off", WHY)
    shown = page(agent)
    assert "news on SMS: nothing → off." in shown
    assert "agent here" in shown
    assert WHY in shown


def test_a_choice_is_taken_away(agent: Client, user: User) -> None:
    choose(choices={cell("news", ""): False, cell("gone", ""): False})
    for category in ("news", "gone"):
        assert post(agent, user, "choice", category=category, channel="", choice="default").status_code == 302
    assert preferences.of("u1").choices == {}


def test_everything_off_and_no_longer(agent: Client, user: User) -> None:
    assert address(user, "all-on") not in page(agent)
    post(agent, user, "all-off")
    assert preferences.of("u1").all_off_at is not None
    assert address(user, "all-on") in page(agent)
    post(agent, user, "all-on")
    assert preferences.of("u1").all_off_at is None
    assert list(StaffAction.objects.order_by("id").values_list("note", flat=True)) == ["everything off"] * 2


def test_a_pause_is_ended(agent: Client, user: User) -> None:
    assert address(user, "end-pause") not in page(agent)
    choose(paused_until=timezone.now() + timedelta(days=3))
    assert address(user, "end-pause") in page(agent)
    post(agent, user, "end-pause")
    assert preferences.of("u1").paused_until is None


def test_quiet_hours_begin_with_what_they_are(agent: Client, user: User) -> None:
    post(agent, user, "quiet", start="22:00", end="07:00")
    assert preferences.of("u1").quiet == (time(22), time(7))
    asked = agent.get(address(user, "quiet")).content.decode()
    assert 'value="22:00"' in asked
    assert 'value="07:00"' in asked
    post(agent, user, "quiet", start="", end="")
    assert preferences.of("u1").quiet is None


@pytest.mark.parametrize("name", VERBS)
@pytest.mark.parametrize("reason", ["", "   ", "x" * 1001])
def test_nothing_is_changed_without_a_reason(agent: Client, user: User, name: str, reason: str) -> None:
    choose(all_off=True, paused_until=timezone.now() + timedelta(days=3))
    before = PersonPreferences.objects.get().document
    fields = {"category": "news", "channel": "", "choice": "off", "start": "22:00", "end": "07:00"}
    answer = post(agent, user, name, **fields, reason=reason)
    assert answer.status_code == 200
    assert 'class="desk-error"' in answer.content.decode()
    assert PersonPreferences.objects.get().document == before
    assert not StaffAction.objects.exists()


@pytest.mark.parametrize(
    ("name", "fields", "problem"),
    [
        ("choice", {"choice": "off"}, "Choose a category, a channel, or both."),
        ("choice", {"category": "news"}, "This field is required."),
        ("choice", {"category": "alarms", "choice": "off"}, "Select a valid choice."),
        ("choice", {"category": "never", "choice": "off"}, "Select a valid choice."),
        ("choice", {"category": "gone", "choice": "on"}, "It is no category any more"),
        ("choice", {"channel": "PIGEON", "choice": "on"}, "Select a valid choice."),
        ("quiet", {"start": "22:00"}, "Must have a start and an end such as 22:00 and 07:00."),
        ("quiet", {"start": "22:00", "end": "22:00"}, "Must not start and end at the same time."),
        ("quiet", {"start": "25:00", "end": "07:00"}, "Must have a start and an end such as 22:00 and 07:00."),
    ],
)
def test_what_cannot_be_says_why(agent: Client, user: User, name: str, fields: dict[str, str], problem: str) -> None:
    choose(choices={cell("gone", ""): False})
    answer = post(agent, user, name, **fields)
    assert answer.status_code == 200
    assert problem in answer.content.decode()
    assert PreferenceEvent.objects.count() == 1


def test_more_choices_than_there_can_be_are_refused(agent: Client, user: User) -> None:
    choose(choices={cell(f"c{number}", ""): False for number in range(MOST_CHOICES)})
    answer = post(agent, user, "choice", category="news", choice="off")
    assert f"A person can have at most {MOST_CHOICES} choices." in answer.content.decode()
    assert not StaffAction.objects.exists()


def test_what_is_so_already_is_recorded_nowhere(agent: Client, user: User) -> None:
    answer = agent.post(address(user, "all-on"), {"reason": WHY}, follow=True)
    assert "Nothing was changed: it is so already." in answer.content.decode()
    assert not PersonPreferences.objects.exists()
    assert not PreferenceEvent.objects.exists()
    assert not StaffAction.objects.exists()


def test_it_needs_its_right(viewer: Client, user: User) -> None:
    others = [right for right in Right if right is not Right.SET_CHOICES]
    for client in (viewer, logged_in(staff("others", "users.view_user", "notifications.view_notification", *others))):
        assert "/choice/" not in page(client)
        for name in VERBS:
            assert client.get(address(user, name)).status_code == 403
            assert post(client, user, name, category="news", choice="off").status_code == 403
    blind = logged_in(staff("blind", Right.SET_CHOICES))
    assert post(blind, user, "all-off").status_code == 403
    assert not PersonPreferences.objects.exists()


def test_a_get_changes_nothing(anna: Client, user: User) -> None:
    for name in VERBS:
        asked = anna.get(f"{address(user, name)}?reason=x&choice=off&category=news&start=22:00&end=07:00")
        assert "csrfmiddlewaretoken" in asked.content.decode()
    assert anna.get(address(user, "nothing")).status_code == 404
    assert not PersonPreferences.objects.exists()


def test_no_post_goes_without_a_token(user: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(member_of("Agent"))
    assert post(strict, user, "all-off").status_code == 403
    assert not PersonPreferences.objects.exists()


def test_who_is_no_longer_in_the_directory(agent: Client, user: User) -> None:
    gone = address(user, "all-off")
    user.delete()
    assert agent.post(gone, {"reason": WHY})["Location"] == reverse("admin:desk_find")
    assert not PersonPreferences.objects.exists()


def test_a_username_that_is_an_address_is_masked(user: User) -> None:
    User.objects.filter(pk=user.pk).update(username="joan@example.org")
    blind = logged_in(staff("blind", "users.view_user", "notifications.view_notification", Right.SET_CHOICES))
    asked = blind.get(address(user, "all-off")).content.decode()
    assert "j…@example.org" in asked
    assert "joan@example.org" not in asked
    answer = post(blind, user, "all-off")
    assert answer["Location"] == f"{reverse('admin:desk_person')}?person={user.pk}"
