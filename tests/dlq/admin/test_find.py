"""The box finds whatever staff type, opens the one hit, says how it looked, and lets no address into a URL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from dlq.admin.finding.far_look import FarLook
from dlq.models import DeadLetter
from notifications.messages.ids import receiver_hash
from notifications.messages.words import Status
from notifications.models import Category, IdempotencyKey, Notification
from tests.desk import letter, logged_in, member_of, notification, staff
from users.people.models import Device, User

pytestmark = pytest.mark.django_db

FIND = reverse("admin:desk_find")
ID = "01936d2a-7c5e-7000-8000-0123456789ab"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
WEBHOOK = "https://hooks.slack.com/services/T024BE7LD/B0AAAA/abcdefSECRET"


def search(client: Client, term: str) -> Any:
    """Types the term, and follows to wherever that leads."""
    answer = client.post(FIND, {"q": term})
    assert answer.status_code == 302
    assert not any(part in answer["Location"] for part in ("@", "%40", "+49", "hooks", "example"))
    return answer


def opened(client: Client, term: str) -> str:
    """Returns the page that the one hit opens."""
    return str(search(client, term)["Location"])


def page(client: Client, term: str) -> str:
    """Returns the page of hits."""
    where = opened(client, term)
    assert where.startswith(f"{FIND}?of=")
    return client.get(where).content.decode()


def of_row(row: Notification) -> str:
    return reverse("admin:notifications_notification_change", args=[row.pk])


def of_letter(dead: DeadLetter) -> str:
    return reverse("admin:dlq_deadletter_change", args=[dead.pk])


def person(username: str = "u1", name: str = "Anna Berg", *devices: tuple[str, str]) -> User:
    user = User.objects.create(username=username, name=name)
    for channel, address in devices:
        Device.objects.create(user=user, channel=channel, address=address)
    return user


@pytest.mark.parametrize(
    "term",
    [
        *(ID, ID.replace("-", ""), f" {ID.upper()} ", f"https://n.example/notification/{ID}", ID[:8], ID[:13]),
        *(f"https://n.example/admin/notifications/notification/{ID}/change/?x=1", f"https://n.example/x?id={ID}"),
        *("order-7", "ORDER-7", "key-7", TRACE, f"00-{TRACE}-00f067aa0ba902b7-01", "<msg-7@mail.example>"),
        "msg-7@mail.example",
    ],
)
def test_one_notification_is_opened_by_whatever_names_it(anna: Client, term: str) -> None:
    row = notification(
        id=UUID(ID),
        status=Status.SENT,
        reference="order-7" if term != "ORDER-7" else "ORDER-7",
        provider_message_id="<msg-7@mail.example>",
        trace_id=TRACE,
    )
    notification(status=Status.SENT, reference="order-8", trace_id=TRACE[::-1])
    for client in ("books", "shop", "toys"):
        IdempotencyKey.objects.create(client=client, key=f"of-{client}", notification_id=UUID(int=7), body_hash="x")
    IdempotencyKey.objects.create(client="shop", key="key-7", notification_id=row.pk, body_hash="x")
    assert opened(anna, term) == of_row(row)


def test_a_reference_is_found_in_another_case(anna: Client) -> None:
    row = notification(status=Status.SENT, reference="order-7a")
    assert opened(anna, "ORDER-7A") == of_row(row)


@pytest.mark.parametrize(
    "term", ["{}", "#{}", "letter {}", "dead letter {}", "http://x/admin/dlq/deadletter/{}/change/"]
)
def test_a_letter_is_opened_by_its_number(anna: Client, term: str) -> None:
    dead = letter()
    letter()
    assert opened(anna, term.format(dead.pk)) == of_letter(dead)


@pytest.mark.parametrize(
    "term",
    [
        *("anna.b@example.com", "Anna.B@Example.COM", "ANNA.B@EXAMPLE.COM", "Anna <aNNa.b@example.com>"),
        *("mailto:anna.b@example.com", "+49 (0)151 23456789", "0049 151 23456789", "0151 23456789", WEBHOOK),
        *("u1", "U1", "anna b", "ANNA BERG", "berg"),
    ],
)
def test_a_person_is_opened_by_user_name_or_address(anna: Client, settings: Settings, term: str) -> None:
    settings.DESK_PHONE_COUNTRY = "DE"
    devices = (("EMAIL", "anna.b@example.com"), ("SMS", "+4915123456789"), ("SLACK", WEBHOOK))
    person("u1", "Anna Berg", *devices)
    person("x2", "Ben Adler", ("EMAIL", "ben@example.com"))
    for channel, address in devices:
        letter(channel=channel, receiver=address, user="u1")
        notification(channel=channel, receiver=address, status=Status.SENT)
    assert opened(anna, term) == f"{reverse('admin:desk_person')}?user=u1"


def test_a_user_that_is_an_address_stands_in_no_url(anna: Client) -> None:
    user = person("anna@example.com", "Anna", ("EMAIL", "anna@example.com"))
    assert opened(anna, "anna@example.com") == f"{reverse('admin:desk_person')}?person={user.pk}"


def test_an_address_of_no_user_leads_to_everything_it_got(anna: Client) -> None:
    first = notification(receiver="lone@example.com", status=Status.SENT)
    assert opened(anna, "lone@example.com") == of_row(first)
    second = notification(receiver="lone@example.com", status=Status.SENT)
    assert opened(anna, "lone@example.com") == f"{reverse('admin:desk_person')}?notification={second.pk}"


def test_the_address_before_a_correction_finds_the_letter(anna: Client) -> None:
    dead = letter(receiver="anna@gmail.com")
    DeadLetter.objects.filter(pk=dead.pk).update(was_receiver_hash=receiver_hash("EMAIL", "anna@gmial.com"))
    assert opened(anna, "anna@gmial.com") == of_letter(dead)


def test_letters_are_found_by_their_domain(anna: Client) -> None:
    for _ in range(25):
        dead = letter(receiver="x@gmial.com")
        DeadLetter.objects.filter(pk=dead.pk).update(receiver_domain="gmial.com")
    shown = page(anna, "@GMIAL.com")
    assert "The newest 20 of more." in shown
    assert f"#{dead.pk} " in shown
    assert shown.count('class="desk-hit"') == 20
    more = anna.get(f"{opened(anna, '@gmial.com')}&most=all").content.decode()
    assert more.count('class="desk-hit"') == 25
    assert "of more" not in more


def test_a_page_is_found_by_its_name(anna: Client) -> None:
    assert opened(anna, "dead let") == reverse("admin:dlq_deadletter_changelist")


def test_several_kinds_are_grouped_and_a_case_is_shown_once(anna: Client) -> None:
    person("order-7", "Seven")
    dead = letter(user="u9", reference="order-7")
    row = notification(user="u8", reference="order-7", status=Status.SENT)
    shown = page(anna, "order-7")
    assert [shown.count(each) for each in (of_letter(dead), of_row(row), "?user=order-7")] == [1, 1, 1]


def test_nothing_found_says_what_was_looked_for_and_how(anna: Client) -> None:
    shown = page(anna, "nobody@example.com")
    assert "<bdi>nobody@example.com</bdi></strong> as an e-mail address, a user, " in shown
    assert "an idempotency key, a provider&#x27;s id: nothing." in shown
    letter(receiver="other@example.com")
    DeadLetter.objects.update(receiver_domain="example.com")
    assert "?domain=example.com&amp;state=all" in page(anna, "nobody@example.com")


def test_an_address_is_masked_for_whoever_may_not_see_it(viewer: Client) -> None:
    letter(receiver="secret@example.com", subject="The subject")
    for term in ("nobody.secret@example.com", "<script>@x", "https://a.example/secret"):
        answer = viewer.get(opened(viewer, term)).content.decode()
        assert "secret" not in answer
        assert "<script>@x" not in answer


def test_no_text_of_a_sensitive_category_is_shown(anna: Client) -> None:
    Category.objects.create(name="password-reset", sensitive=True)
    for _ in range(2):
        notification(category="password-reset", subject="Your link", message="code 4711", reference="r7")
    shown = page(anna, "r7")
    assert "password-reset" in shown
    assert "Your link" not in shown
    assert "4711" not in shown


def test_each_group_is_for_those_who_may_see_its_table() -> None:
    person("u1", "Anna Berg", ("EMAIL", "anna@example.com"))
    dead = letter(user="u1", receiver="anna@example.com")
    letters = logged_in(staff("letters", "dlq.view_deadletter"))
    assert opened(letters, "u1") == of_letter(dead)
    nobody = logged_in(staff("nobody"))
    assert "nothing." in page(nobody, "u1")
    assert opened(logged_in(member_of("Viewer")), "u1") == f"{reverse('admin:desk_person')}?user=u1"


def test_a_search_is_kept_for_its_session_and_ten_minutes(anna: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    where = opened(anna, "nobody@example.com")
    for _ in range(5):
        opened(anna, "somebody@example.com")
    assert "This search is over" in anna.get(where).content.decode()
    where = opened(anna, "nobody@example.com")
    before = Session.objects.count()
    assert "nobody@example.com" in anna.get(where).content.decode()
    assert Session.objects.count() == before
    monkeypatch.setattr("dlq.admin.finding.find_page.KEPT_SECONDS", -1)
    assert "This search is over" in anna.get(where).content.decode()
    opened(anna, "anybody@example.com")
    assert [typed for typed, _, _ in anna.session["find"].values()] == ["anybody@example.com"]


def test_a_search_looks_far_once(anna: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[FarLook] = []

    def look(ids: list[str], _trace: str) -> FarLook:
        looked.append(FarLook(since=datetime(2026, 3, 4, tzinfo=UTC)))
        return looked[-1]

    monkeypatch.setattr("dlq.admin.finding.hits.look_back", look)
    assert "back to 2026-03-04 00:00:00 UTC" in page(anna, "SM1234567")
    assert len(looked) == 1


@pytest.mark.parametrize("term", ["", "  ", "\x00", "x" * 1_025, "%", "_%", "\\", "'", "<" * 900, "1" * 400, "-" * 36])
def test_a_strange_search_is_answered(anna: Client, term: str) -> None:
    letter()
    assert anna.post(FIND, {"q": term}, follow=True).status_code == 200


def test_a_beginning_with_wildcards_means_itself(anna: Client) -> None:
    person("u1", "Anna Berg")
    person("u%2", "50% off")
    assert opened(anna, "u%") == f"{reverse('admin:desk_person')}?user=u%252"
    assert "nothing." in page(anna, "u_")


def test_only_staff_may_search(client: Client) -> None:
    answer = client.post(FIND, {"q": "anna@example.com"})
    assert answer["Location"] == f"{reverse('admin:login')}?next={quote(FIND, safe='')}"
    forged = Client(enforce_csrf_checks=True)
    forged.force_login(staff("forged", "view"))
    assert forged.post(FIND, {"q": "x"}).status_code == 403


def test_a_search_takes_as_many_statements_whatever_it_finds(anna: Client) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            anna.post(FIND, {"q": "hot@example.com"}, follow=True)
        return len(captured)

    person("u1", "Hot", ("EMAIL", "hot@example.com"))
    person("u2", "Hot", ("EMAIL", "hot@example.com"))
    letter(receiver="hot@example.com", user="u1")
    first = statements()
    for number in range(30):
        letter(receiver="hot@example.com", user=f"u{number}")
    assert statements() == first
