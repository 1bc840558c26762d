"""A person's page: what they chose, what is suppressed for their addresses, what waits, what would happen and when."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from dlq.admin.choices.chosen import EVENTS, MOST_SHOWN, MOST_SUPPRESSIONS
from dlq.admin.choices.outlook import MOST_CATEGORIES, MOST_DEVICES
from dlq.admin.finding.person import MOST_WAITING
from notifications.messages.ids import receiver_hash
from notifications.messages.words import Reason, Status, SuppressedFor
from notifications.models import Category
from project.desk.links import page_url
from tests.desk import logged_in, member_of, notification, staff
from tests.dlq.admin.test_person import page
from users.people.models import Device, User
from users.recipients import preferences
from users.recipients.category_rules import Cap
from users.recipients.models import CapPlace, PersonPreferences, PreferenceEvent, Suppression
from users.recipients.person import cell
from users.recipients.preferences import Changes, Source

pytestmark = pytest.mark.django_db

ADDRESS, NUMBER = "anna@example.com", "+4915123456789"


@pytest.fixture
def user(db: None) -> User:
    user = User.objects.create(username="u1", name="Anna Berg")
    Device.objects.create(user=user, channel="EMAIL", address=ADDRESS)
    Device.objects.create(user=user, channel="SMS", address=NUMBER, position=1)
    return user


def choose(**changes: Any) -> None:
    preferences.change("u1", Changes(**changes), actor="shop key", source=Source.API, address="192.0.2.77")


def suppress(channel: str, address: str, why: SuppressedFor = SuppressedFor.STOP, **fields: Any) -> None:
    Suppression.objects.create(
        address_hash=receiver_hash(channel, address),
        channel=channel,
        reason=why,
        **fields,
    )


def part(shown: str, begin: str, end: str) -> str:
    """The text between two headings, without tags and with single blanks."""
    found = shown[shown.index(begin) : shown.index(end)]
    words = [each.partition(">")[2] for each in f">{found}".split("<")]
    return unescape(" ".join(" ".join(words).split()))


def chosen(shown: str) -> str:
    return part(shown, "What they chose", "What would happen now")


def outlook(shown: str) -> str:
    return part(shown, "What would happen now", "What was sent, over")


@pytest.mark.usefixtures("user")
def test_who_chose_nothing_has_the_defaults(anna: Client) -> None:
    shown = chosen(page(anna))
    assert "Time zone that of a phone number, else UTC default" in shown
    assert "Quiet hours none default" in shown
    assert "Paused until not paused default" in shown
    assert "Limit none of their own default" in shown
    assert "Everything off no default" in shown
    assert "theirs" not in shown
    assert "Changes" not in shown
    assert not PersonPreferences.objects.exists()


@pytest.mark.usefixtures("user")
def test_what_they_chose_is_theirs_since_then(anna: Client) -> None:
    choose(time_zone="Europe/Berlin", quiet=(time(22), time(7)), cap=Cap(3, 3600), choices={cell("news", "SMS"): False})
    PreferenceEvent.objects.update(at=datetime(2026, 3, 4, 5, 6, tzinfo=UTC))
    shown = chosen(page(anna))
    since = "theirs since 2026-03-04 05:06:00 UTC"
    assert f"Time zone Europe/Berlin {since}" in shown
    assert f"Quiet hours 22:00 to 07:00 {since}" in shown
    assert f"Limit 3 in 3,600 seconds, over everything {since}" in shown
    at = preferences.of("u1").choices["SMS:news"].at
    assert f"news on SMS off theirs since {at:%Y-%m-%d %H:%M:%S} UTC" in shown


@pytest.mark.usefixtures("user")
def test_everything_off_and_a_pause_and_the_choices_that_they_beat(anna: Client) -> None:
    until = timezone.now() + timedelta(days=1)
    choose(choices={cell("news", ""): True}, paused_until=until)
    choose(all_off=True)
    shown = chosen(page(anna))
    assert "Everything off yes, but for newer choices theirs since" in shown
    assert "news on every channel on, but everything off is newer theirs" in shown
    assert f"Paused until {until:%Y-%m-%d %H:%M:%S} UTC theirs" in shown


@pytest.mark.usefixtures("user")
def test_each_change_says_who_made_it_and_is_paged(anna: Client) -> None:
    for number in range(EVENTS + 2):
        choose(cap=Cap(number + 1, 60))
    newest = page(anna)
    shown = chosen(newest)
    assert shown.count("shop key over the API, from 192.0.2.0/24") == EVENTS
    assert f"limit: {EVENTS + 1} in 60 seconds → {EVENTS + 2} in 60 seconds" in shown
    assert "limit: nothing → 1 in 60 seconds" not in shown
    older = newest[newest.index("changes=") : newest.index('#changes">Older changes')].replace("&amp;", "&")
    rest = page(anna, f"user=u1&{older}")
    assert "limit: nothing → 1 in 60 seconds" in chosen(rest)
    assert chosen(rest).count("over the API") == 2
    assert "Older changes" not in rest
    assert "The newest changes" in rest


@pytest.mark.usefixtures("user")
def test_what_is_suppressed_says_why_since_when_and_until_when(anna: Client) -> None:
    until = timezone.now() + timedelta(days=3)
    suppress("EMAIL", ADDRESS, SuppressedFor.BOUNCED, until=until, provider="ses", evidence=f"550 {ADDRESS}")
    suppress("SMS", NUMBER, scope="news")
    suppress("EMAIL", ADDRESS, SuppressedFor.COMPLAINED, until=timezone.now() - timedelta(days=1))
    suppress("EMAIL", "ben@example.com", SuppressedFor.GONE)
    shown = part(page(anna), "What is not sent to their addresses", "What they chose")
    assert f"EMAIL {ADDRESS} : every category the address bounced" in shown
    assert f", until {until:%Y-%m-%d %H:%M:%S} UTC ses 550 {ADDRESS}" in shown
    assert f"SMS {NUMBER} : news answered STOP" in shown
    assert "until somebody lifts it" in shown
    assert "reported as unwanted" not in shown  # it is over
    assert "is gone" not in shown  # somebody else's


@pytest.mark.usefixtures("user")
def test_an_address_is_suppressed_under_a_former_key_still(anna: Client, settings: Settings) -> None:
    suppress("SMS", NUMBER)
    settings.HASH_KEYS = (b"new", *settings.HASH_KEYS)
    assert "answered STOP" in part(page(anna), "What is not sent to their addresses", "What they chose")


def test_a_suppression_is_opened_where_it_has_a_page(anna: Client, user: User) -> None:
    suppress("SMS", NUMBER)
    link = page_url("users_suppression_change", Suppression.objects.get().pk)
    blind = logged_in(staff("blind", "notifications.view_notification", "users.view_user"))
    for client, may in ((anna, bool(link)), (blind, False)):
        shown = part(page(client), "What is not sent to their addresses", "What they chose")
        assert ("Open what is not sent to SMS" in shown) == may


def test_addresses_are_masked_for_those_who_may_not_see_them(user: User) -> None:
    suppress("EMAIL", ADDRESS, evidence=f"550 no mailbox {ADDRESS}")
    suppress("SMS", NUMBER, evidence=f"STOP from {NUMBER}")
    choose(quiet=(time(22), time(7)))
    for group in ("Viewer", "Supervisor"):
        shown = page(logged_in(member_of(group)), f"person={user.pk}")
        for secret in (ADDRESS, NUMBER, "from 192.0.2.0/24"):
            assert (secret in shown) == (group == "Supervisor"), (group, secret)


def test_a_username_that_is_an_address_is_masked_where_they_changed_something(user: User) -> None:
    User.objects.filter(pk=user.pk).update(username="joan@example.org")
    preferences.change("joan@example.org", Changes(all_off=True), actor="joan@example.org", source=Source.PAGE)
    shown = page(logged_in(member_of("Viewer")), f"person={user.pk}")
    assert "j…@example.org on the person&#x27;s own page" in shown
    assert "joan@example.org" not in shown
    agent = logged_in(member_of("Agent"))
    assert "joan@example.org" in page(agent, f"person={user.pk}")


def test_it_needs_the_right_to_view_people(user: User) -> None:
    choose(quiet=(time(22), time(7)))
    shown = page(logged_in(staff("only", "notifications.view_notification")))
    assert "What they chose" not in shown
    assert "What would happen now" not in shown


@pytest.mark.usefixtures("user")
def test_what_waits_says_why_and_until_when(anna: Client) -> None:
    soon, late = (timezone.now() + timedelta(hours=hours) for hours in (1, 9))
    notification(user="u1", subject="Later", status=Status.WAITING, reason=Reason.QUIET, due_at=late)
    notification(receiver=ADDRESS, subject="Sooner", status=Status.WAITING, reason=Reason.CAPPED, due_at=soon)
    notification(user="u1", subject="Not theirs any more", status=Status.SENT)
    shown = part(page(anna), "What waits", "Devices, the preferred")
    assert shown.index("Sooner") < shown.index("Later")
    assert f"they have had enough for now until {soon:%Y-%m-%d %H:%M:%S} UTC" in shown
    assert f"quiet hours until {late:%Y-%m-%d %H:%M:%S} UTC" in shown
    assert "Not theirs any more" not in shown


@pytest.mark.usefixtures("user")
def test_what_waits_is_bounded(anna: Client) -> None:
    for number in range(MOST_WAITING + 1):
        due = timezone.now() + timedelta(minutes=number)
        notification(user="u1", subject=f"No {number}.", status=Status.WAITING, reason=Reason.QUIET, due_at=due)
    shown = part(page(anna), "What waits", "Devices, the preferred")
    assert f"The next {MOST_WAITING} of more." in shown
    assert "No 0." in shown
    assert f"No {MOST_WAITING}." not in shown


@pytest.mark.usefixtures("user")
def test_what_was_suppressed_says_why(anna: Client) -> None:
    notification(user="u1", status=Status.SUPPRESSED, reason=SuppressedFor.STOP, last_cause="")
    shown = page(anna)
    assert "answered STOP" in shown[shown.index("What was sent, over") :]


@pytest.mark.usefixtures("user")
def test_what_would_happen_now_by_category_and_device(anna: Client) -> None:
    Category.objects.create(name="alarms", kind="mandatory")
    Category.objects.create(name="invoices", channels=["EMAIL"])
    Category.objects.create(name="news", kind="promotional", on_by_default=False)
    Category.objects.create(name="birthdays", cap_count=1, cap_seconds=3600)
    sent = notification(status=Status.SENT, settled_at=timezone.now(), last_cause="")
    CapPlace.objects.create(person="u1", scope="birthdays", notification_id=sent.pk, at=timezone.now())
    suppress("SMS", NUMBER)
    choose(choices={cell("news", "EMAIL"): True})
    shown = outlook(page(anna))
    assert f"Category By default EMAIL {ADDRESS} SMS {NUMBER}" in shown
    stop = "not sent The person has answered STOP. (rule 2, suppressed)"
    assert f"alarms always on sent at once Its category is mandatory. (rule 3, mandatory) {stop}" in shown
    assert "birthdays on waits until" in shown
    assert "The person has had as many as they get in this time. (rule 8, cap)" in shown
    assert f"invoices on EMAIL sent at once No rule keeps it back. {stop}" in shown
    assert f"news off sent at once No rule keeps it back. {stop}" in shown


def test_another_time_is_asked_for_and_nothing_is_changed(anna: Client, user: User) -> None:
    choose(time_zone="Europe/Berlin", quiet=(time(22), time(7)))
    sms, email = user.devices.get(channel="SMS"), user.devices.get(channel="EMAIL")
    suppress("SMS", NUMBER)
    day = timezone.now().date() + timedelta(days=400)
    winter = day.replace(month=1, day=15)
    before = PersonPreferences.objects.get().document
    for device, at, expected in (
        (email, f"{winter}T23:30", f"{winter} 23:30:00 UTC: waits until {winter + timedelta(days=1)} 06:0"),
        (email, f"{winter}T12:00", f"{winter} 12:00:00 UTC: sent at once No rule keeps it back."),
        (sms, "", "now: not sent The person has answered STOP. (rule 2, suppressed)"),
    ):
        shown = page(anna, f"person={user.pk}&category=default&on={device.pk}&at={at}")
        assert expected in outlook(shown)
    assert PersonPreferences.objects.get().document == before
    assert not CapPlace.objects.exists()


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ("category=nothing&on=1", "Select a valid choice. nothing is not one of the available choices."),
        ("category=default&on=999999", "Select a valid choice. 999999 is not one of the available choices."),
        ("category=default&at=2020-01-01T00:00", "Must be in the future."),
        ("category=default&at=yesterday", "Enter a valid date/time."),
        ("category=default&at=9999-12-31T23:59", "Must be before the year"),
    ],
)
@pytest.mark.usefixtures("user")
def test_a_wrong_question_says_what_is_wrong(anna: Client, asked: str, problem: str) -> None:
    shown = outlook(page(anna, f"user=u1&{asked}"))
    assert problem in shown


def test_an_address_without_a_user_has_its_suppressions_and_its_outlook(anna: Client) -> None:
    row = notification(receiver="lone@example.com", status=Status.SENT)
    suppress("EMAIL", "lone@example.com", SuppressedFor.BOUNCED)
    shown = page(anna, f"notification={row.pk}&category=default&on=")
    assert "the address bounced" in shown
    assert "What they chose" not in shown
    assert "default on not sent Mail to this address has come back for good." in outlook(shown)


def test_lists_are_bounded(anna: Client, user: User) -> None:
    choose(choices={cell(f"c{number}", ""): False for number in range(MOST_SHOWN + 3)})
    for number in range(MOST_SUPPRESSIONS + 1):
        suppress("EMAIL", ADDRESS, scope=f"scope{number}")
    Category.objects.bulk_create(Category(name=f"z{number:02}") for number in range(MOST_CATEGORIES))
    for number in range(MOST_DEVICES):
        Device.objects.create(user=user, channel="EMAIL", address=f"anna{number}@example.com", position=9)
    shown = page(anna)
    assert chosen(shown).count(" on every channel off theirs") == MOST_SHOWN
    assert "And 3 more choices." in shown
    assert f"The newest {MOST_SUPPRESSIONS} of more." in shown
    assert shown.count('<th scope="row">') == MOST_CATEGORIES
    assert f"The first {MOST_CATEGORIES} categories by name; 1 more can be asked for below." in shown
    assert f"The first {MOST_DEVICES} devices; 2 more can be asked for below." in shown


def test_it_takes_as_many_statements_however_much_there_is(anna: Client, user: User) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert anna.get(f"{reverse('admin:desk_person')}?user=u1").status_code == 200
        return len(captured)

    def add(count: int, name: str) -> None:
        for number in range(count):
            Category.objects.create(name=f"{name}{number}", cap_count=2, cap_seconds=60)
            suppress("SMS", NUMBER, scope=f"{name}{number}")
            choose(choices={cell(f"{name}{number}", ""): True})
            Device.objects.create(user=user, channel="EMAIL", address=f"{name}{number}@example.com")
            due = timezone.now() + timedelta(hours=1)
            notification(user="u1", status=Status.WAITING, reason=Reason.CAPPED, due_at=due)

    add(1, "first")
    first = statements()
    add(15, "more")
    assert statements() == first
    assert first < 30
