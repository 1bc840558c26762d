"""Which rows have a link by which their reader unsubscribes, and what it is about."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from notifications.ledger.rows import Claimed
from notifications.messages.ids import receiver_hash
from notifications.messages.words import CategoryKind
from notifications.models import Category
from notifications.sending.unsubscribing import LONGEST, with_link
from tests.notifications.rows import claimed
from users.recipients.known import Known
from users.recipients.unsubscribing.tokens import Link, read

pytestmark = pytest.mark.django_db

HASH = receiver_hash("EMAIL", "bob@example.com")


@pytest.fixture
def known(settings: Settings) -> Known:
    settings.PUBLIC_URL = "https://notifications.example.com"
    Category.objects.create(name="security", kind=CategoryKind.MANDATORY)
    Category.objects.create(name="offers", kind=CategoryKind.PROMOTIONAL)
    known = Known()
    known.refresh()
    return known


def mail(category: str, user: str = "") -> Claimed:
    return claimed(1, category=category, user=user, receiver="bob@example.com", receiver_hash=HASH)


def link_of(row: Claimed) -> Link | None:
    base, _, token = row.unsubscribe.rpartition("/u/")
    assert base == "https://notifications.example.com"
    return read(token)


@pytest.mark.parametrize("category", ["offers", "default", "a category that nobody has described"])
def test_what_is_not_mandatory_has_one_for_its_person_or_its_address(known: Known, category: str) -> None:
    linked = with_link("EMAIL", known)
    assert link_of(linked(mail(category, "ann"))) == Link("EMAIL", category, "ann")
    assert link_of(linked(mail(category))) == Link("EMAIL", category, "", HASH)


def test_what_is_mandatory_has_none(known: Known) -> None:
    row = mail("security", "ann")
    assert with_link("EMAIL", known)(row) is row


def test_no_other_channel_and_no_site_without_an_address_has_any(known: Known, settings: Settings) -> None:
    row = mail("offers")
    for channel in ("SMS", "SLACK"):
        assert with_link(channel, known)(row) is row
    settings.PUBLIC_URL = ""
    assert with_link("EMAIL", known)(row) is row


def test_it_asks_no_database(known: Known) -> None:
    with CaptureQueriesContext(connection) as queries:
        linked = with_link("EMAIL", known)
        for number in range(10):
            linked(mail("offers", f"user {number}"))
    assert not queries


def test_a_name_without_end_gives_way_to_the_address(known: Known) -> None:
    row = with_link("EMAIL", known)(mail("😀" * 100, "😀" * 150))
    assert len(row.unsubscribe) <= LONGEST
    assert link_of(row) == Link("EMAIL", "😀" * 100, "", HASH)
