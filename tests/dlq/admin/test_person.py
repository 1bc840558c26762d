"""A person's page: who it is, what is open, their devices, and everything they were sent, whoever it was sent to."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from dlq.admin.finding.person import A_PAGE, MOST_COUNTED, MOST_OPEN
from dlq.models import DeadLetter
from notifications.channels.outcomes import Cause
from notifications.messages.ids import first_id_at, receiver_hash
from notifications.messages.words import Status
from notifications.models import Category
from project.desk.links import page_url, person_url
from tests.desk import letter, logged_in, member_of, notification, staff
from users.people.models import Device, User

pytestmark = pytest.mark.django_db

PERSON = reverse("admin:desk_person")
ANNAS = (("EMAIL", "anna@example.com"), ("SMS", "+4915123456789"), ("SLACK", "C024BE91L"))


@pytest.fixture
def user(db: None) -> User:
    user = User.objects.create(username="u1", name="Anna Berg")
    for position, (channel, address) in enumerate(ANNAS):
        Device.objects.create(user=user, channel=channel, address=address, position=position)
    return user


def page(client: Client, query: str = "user=u1") -> str:
    answer = client.get(f"{PERSON}?{query}")
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.usefixtures("user")
def test_it_shows_all_channels_by_user_and_by_every_address(anna: Client) -> None:
    notification(user="u1", receiver="old@example.com", subject="To an old address", status=Status.SENT)
    notification(channel="SMS", receiver="+4915123456789", message="Code for nobody's user", status=Status.SENT)
    notification(channel="SLACK", receiver="C024BE91L", message="A build failed", status=Status.SENT)
    notification(user="u2", receiver="ben@example.com", subject="To somebody else", status=Status.SENT)
    shown = page(anna)
    assert "Anna Berg" in shown
    for text in ("To an old address", "Code for nobody&#x27;s user", "A build failed"):
        assert shown.count(text) == 1
    assert "To somebody else" not in shown
    assert "Nothing is open. 3 notifications in the last 7 days: 3 sent." in shown


@pytest.mark.usefixtures("user")
def test_open_cases_stand_on_top_also_those_of_an_address_before_its_correction(anna: Client) -> None:
    dead = letter(user="u1", receiver="anna@example.com", last_cause=Cause.MAILBOX_FULL)
    corrected = letter(receiver="other@example.com")
    DeadLetter.objects.filter(pk=corrected.pk).update(was_receiver_hash=receiver_hash("EMAIL", "anna@example.com"))
    letter(user="u1", state="discarded", receiver="anna@example.com")
    shown = page(anna)
    above = shown[shown.index("Open cases") : shown.index("Devices, the preferred one first")]
    assert above.count('class="desk-hit"') == 2
    assert f"#{dead.pk} " in above
    assert f"#{corrected.pk} " in above
    assert "2 cases are open; the newest died at" in shown


@pytest.mark.usefixtures("user")
def test_a_device_says_when_something_was_last_sent_and_why_it_last_died(anna: Client) -> None:
    at = timezone.now() - timedelta(hours=5)
    notification(receiver="anna@example.com", status=Status.SENT, settled_at=at)
    letter(receiver="anna@example.com", last_cause=Cause.MAILBOX_FULL)
    shown = page(anna)
    devices = shown[shown.index("Devices, the preferred one first") : shown.index("What they chose")]
    assert f"Last sent {at:%Y-%m-%d %H:%M:%S} UTC" in devices
    assert devices.count("mailbox full") == 1
    assert devices.count("Last sent –") == devices.count("Last died –") == 2
    assert [devices.count(address) for _, address in ANNAS] == [2, 2, 2]  # the second names what to correct


def test_a_device_is_corrected_by_those_who_may(anna: Client, viewer: Client, user: User) -> None:
    link = reverse("admin:users_device_change", args=[user.devices.all()[0].pk])
    assert link in page(anna)
    assert link not in page(viewer)


def test_masks_and_texts_follow_the_rights(user: User) -> None:
    Category.objects.create(name="password-reset", sensitive=True)
    letter(user="u1", receiver="anna@example.com", subject="An invoice")
    letter(user="u1", receiver="anna@example.com", subject="Your link", message="secret", category="password-reset")
    for group in ("Viewer", "Administrator"):
        shown = page(logged_in(member_of(group)))
        assert "password-reset" in shown
        assert "Your link" not in shown
        assert "secret" not in shown
        assert ("anna@example.com" in shown) == (group == "Administrator")
        assert ("An invoice" in shown) == (group == "Administrator")


def test_it_is_for_those_who_may_see_notifications(user: User) -> None:
    letter(user="u1")
    assert logged_in(staff("nobody")).get(f"{PERSON}?user=u1").status_code == 403
    only = page(logged_in(staff("only", "notifications.view_notification")))
    assert "Anna Berg" not in only
    assert "Open cases" not in only
    assert Client().get(f"{PERSON}?user=u1").status_code == 302
    assert logged_in(staff("poster", "view")).post(PERSON, {"user": "u1"}).status_code == 405


def test_what_is_open_is_replayed_by_a_run(anna: Client, user: User) -> None:
    assert "Replay what is open" not in page(anna)
    letter(user="u1")
    shown = page(anna)
    assert ("Replay what is open" in shown) == bool(page_url("dlq_run_ask"))
    assert "Replay what is open" not in page(logged_in(staff("viewing", "view")))


def test_what_went_to_a_device_for_nobody_is_not_replayed_with_the_user(anna: Client, user: User) -> None:
    device = user.devices.filter(channel="EMAIL").get()
    letter(receiver=device.address)
    assert "Replay what is open" not in page(anna)
    letter(user="u1")
    assert "Replay what is open of this user" in page(anna)


@pytest.mark.usefixtures("user")
def test_periods_and_pages_follow_each_other(anna: Client) -> None:
    def ids(days: float, count: int) -> None:
        at = timezone.now() - timedelta(days=days)
        for number in range(count):
            id = first_id_at(at - timedelta(seconds=number))
            notification(id=id, user="u1", subject=f"{days} days, {number}", status=Status.SENT, accepted_at=at)

    ids(20, 1)
    ids(40, 1)
    ids(1, A_PAGE + 3)
    first = page(anna)
    assert first.count('class="desk-hit"') == A_PAGE + len(ANNAS)
    older = first[first.index("before=") : first.index('" rel="next"')].replace("&amp;", "&")
    second = page(anna, f"user=u1&days=7&{older}")
    assert second.count('class="desk-hit"') == 3
    assert "20 days, 0" not in page(anna, "user=u1&days=7")
    rest = page(anna, f"user=u1&days=30&{older}")
    assert "20 days, 0" in rest
    assert "40 days, 0" not in rest
    assert "40 days, 0" in page(anna, f"user=u1&days=all&{older}")


def test_counts_are_bounded_and_say_so(anna: Client, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlq.admin.finding.person.MOST_COUNTED", 5)
    monkeypatch.setattr("dlq.admin.finding.person_page.MOST_COUNTED", 5)
    for _ in range(MOST_OPEN + 2):
        letter(user="u1")
    shown = page(anna)
    assert f"More than {MOST_OPEN} cases are open" in shown
    assert f"The newest {MOST_OPEN} of more." in shown
    assert "More than 5 notifications in the last 7 days: of the newest, 6 not delivered." in shown
    assert MOST_COUNTED == 1_000


def test_one_address_without_a_user_has_a_page(anna: Client, viewer: Client) -> None:
    row = notification(receiver="lone@example.com", subject="To nobody's user", status=Status.SENT)
    notification(receiver="lone@example.com", subject="Once more", status=Status.SENT)
    shown = page(anna, f"notification={row.pk}")
    assert "an address of no user" in shown
    assert "lone@example.com" in shown
    assert "Once more" in shown
    assert "lone@example.com" not in page(viewer, f"notification={row.pk}")


def test_a_person_is_found_by_key_device_or_notification(anna: Client, user: User) -> None:
    row = notification(user="u1")
    for query in (f"person={user.pk}", f"device={user.devices.all()[1].pk}", f"notification={row.pk}"):
        assert "Anna Berg" in page(anna, query)


@pytest.mark.parametrize(
    "query", ["", "person=0", "person=x", "device=999999", "notification=x", "user=%00", "person=²"]
)
def test_nobody_leads_to_the_box(anna: Client, query: str) -> None:
    assert anna.get(f"{PERSON}?{query}")["Location"] == reverse("admin:desk_find")


def test_no_address_stands_in_the_address_of_a_page() -> None:
    row = notification()
    for username in ("anna@example.com", "+4915123456789", "C024BE91L", "https://hooks.slack.com/services/T/B/x"):
        assert person_url(username, key=7) == f"{PERSON}?person=7"
        assert person_url(username, notification=row.pk) == f"{PERSON}?notification={row.pk}"
        assert person_url(username) == ""
    assert person_url("u 1&") == f"{PERSON}?user=u+1%26"


def test_it_takes_as_many_statements_however_much_there_is(anna: Client, user: User) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            page(anna)
        return len(captured)

    letter(user="u1", receiver="anna@example.com")
    first = statements()
    for number in range(20):
        Device.objects.create(user=user, channel="EMAIL", address=f"anna{number}@example.com")
        letter(user="u1", receiver=f"anna{number}@example.com")
    assert statements() == first
