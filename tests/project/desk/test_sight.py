"""What a person may see of a notification, decided in one place."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from dlq.models import DeadLetter
from notifications.models import REMOVED, Category
from project.desk.rights import Right
from project.desk.sight import HIDDEN, Sight
from tests.desk import letter, logged_in, notification, staff, unreadable

pytestmark = pytest.mark.django_db

EVERYTHING = Sight(receivers=True, contents=True, asks=True)


def test_a_receiver_is_whole_only_for_whom_may_see_it() -> None:
    row = notification(receiver="joan.smith@example.org")
    assert EVERYTHING.receiver(row) == "joan.smith@example.org"
    assert "joan.smith" not in Sight(receivers=False, contents=True, asks=True).receiver(row)


def test_a_content_is_shown_asked_for_or_hidden() -> None:
    row = notification(subject="Your invoice", message="Pay 10", html="<b>Pay</b>")
    shown = EVERYTHING.content(row)
    assert (shown.subject, shown.message, shown.html, shown.hidden) == ("Your invoice", "Pay 10", "<b>Pay</b>", "")
    asking = Sight(receivers=True, contents=False, asks=True).content(row)
    assert (asking.subject, asking.message, asking.html) == ("Your invoice", "", "")
    assert (asking.hidden, asking.may_ask) == ("hidden, 6 characters", True)
    nothing = Sight(receivers=False, contents=False, asks=False).content(row)
    assert (nothing.subject, nothing.message, nothing.may_ask) == ("", "", False)


def test_what_a_sensitive_category_contains_is_shown_to_nobody() -> None:
    Category.objects.create(name="password-reset", sensitive=True)
    row = notification(category="password-reset", subject="Your link", message="x" * 812, html="<a>")
    sight = Sight(receivers=True, contents=True, asks=True)
    shown = sight.content(row)
    assert (shown.subject, shown.message, shown.html, shown.may_ask) == ("", "", "", False)
    assert shown.hidden == "hidden: password-reset, 812 characters"
    assert sight.about("password-reset", "Your link", "x") == HIDDEN
    assert sight.about("default", "Your link", "x") == "Your link"
    assert sight.texts(None, "a message whose row is gone").hidden


def test_a_list_names_the_subject_or_the_first_words() -> None:
    assert EVERYTHING.about("default", "", f"Your  code\n{'x' * 60}") == f"Your code {'x' * 50}…"
    assert Sight(receivers=True, contents=False, asks=True).about("default", "", "Your code") == HIDDEN


def test_an_answer_names_no_receiver_to_whom_may_not_see_it() -> None:
    answer = "552 5.2.2 <anna@example.com> or +14155550100: mailbox full"
    assert EVERYTHING.answer(answer, "anna@example.com") == answer
    masked = Sight(receivers=False, contents=True, asks=True).answer(answer, "+14155550100")
    assert "anna" not in masked
    assert "5550100" not in masked
    assert "mailbox full" in masked


def test_a_record_is_shown_to_whom_may_see_receivers_and_contents() -> None:
    Category.objects.create(name="password-reset", sensitive=True)
    sight = Sight(receivers=True, contents=True, asks=False)
    assert sight.raw(b'{"category": "news"}')
    assert not sight.raw(b'{"category": "password-\\u0072eset"}')
    for hidden in (
        b'{"category": "password-reset", "message": ',
        b'{"category": "password\\u002dreset", "message": ',
        b'[{"category": "password-reset", "message": "1234"}]',
        b'{"record": {"category": "password-reset"}, "message": "1234"}',
        '{"category": "password-reset"'.encode("utf-16"),
    ):
        assert not sight.raw(hidden)
    assert not Sight(receivers=True, contents=False, asks=True).raw(b"{}")
    assert not Sight(receivers=False, contents=True, asks=True).raw(b"{}")


def test_a_record_that_names_no_category_is_of_the_default_one() -> None:
    Category.objects.update_or_create(name="default", defaults={"sensitive": True})
    sight = Sight(receivers=True, contents=True, asks=False)
    assert not sight.raw(b'{"message": "1234"}')
    assert not sight.raw(b"\xff")
    assert sight.raw(b'{"category": "news"}')


def test_an_address_that_is_the_id_of_a_person_is_masked_as_a_receiver() -> None:
    blind = Sight(receivers=False, contents=True, asks=True)
    assert [blind.person(user) for user in ("", "u1", "4711", "UTA1234567")] == ["", "u1", "4711", "UTA1234567"]
    assert blind.person("joan.smith@example.org") == "j…@example.org"
    assert blind.person("+14155550100") == "+14…00"
    assert EVERYTHING.person("joan.smith@example.org") == "joan.smith@example.org"


def test_no_page_shows_such_an_id_to_whom_may_not_see_receivers(viewer: Client) -> None:
    found = letter(user="joan.smith@example.org")
    names = staff("names", "dlq.view_deadletter", "notifications.view_notification", Right.REDIRECT, Right.REVEAL)
    one, row = logged_in(names), found.notification_id
    for client, page in (
        (viewer, reverse("admin:notifications_notification_changelist")),
        (viewer, reverse("admin:notifications_notification_change", args=[row])),
        (viewer, f"{reverse('admin:desk_person')}?notification={row}"),
        (one, reverse("admin:dlq_deadletter_redirect", args=[found.pk])),
        (one, reverse("admin:notifications_notification_reveal", args=[row, "content"])),
    ):
        shown = client.get(page).content.decode()
        assert "joan.smith" not in shown
        assert "j…@example.org" in shown
    hits = viewer.post(reverse("admin:desk_find"), {"q": str(row)[:13]}, follow=True).content.decode()
    assert "joan.smith" not in hits


def test_a_list_shows_no_address_out_of_a_record_that_could_not_be_read(viewer: Client) -> None:
    found = unreadable(b"x")
    DeadLetter.objects.filter(pk=found.pk).update(error="joan.smith@example.org: Unknown field.")
    shown = viewer.get(reverse("admin:dlq_deadletter_changelist")).content.decode()
    assert "joan.smith" not in shown
    assert "Unknown field." in shown


def test_what_retention_removed_is_named() -> None:
    row = notification(receiver="", receiver_hash="x", message="")
    assert (EVERYTHING.receiver(row), EVERYTHING.content(row).message) == (REMOVED, REMOVED)


def test_the_sensitive_categories_are_read_once(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    sight = Sight(receivers=True, contents=True, asks=True)
    with django_assert_num_queries(1):
        assert not [sight.about("default", "", "x") for _ in range(50) if sight.is_sensitive("default")]
