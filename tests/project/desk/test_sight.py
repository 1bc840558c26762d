"""What a person may see of a notification, decided in one place."""

from __future__ import annotations

import pytest
from pytest_django import DjangoAssertNumQueries

from notifications.models import REMOVED, Category
from project.desk.sight import HIDDEN, Sight
from tests.desk import notification

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


def test_what_retention_removed_is_named() -> None:
    row = notification(receiver="", receiver_hash="x", message="")
    assert (EVERYTHING.receiver(row), EVERYTHING.content(row).message) == (REMOVED, REMOVED)


def test_the_sensitive_categories_are_read_once(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    sight = Sight(receivers=True, contents=True, asks=True)
    with django_assert_num_queries(1):
        assert not [sight.about("default", "", "x") for _ in range(50) if sight.is_sensitive("default")]
