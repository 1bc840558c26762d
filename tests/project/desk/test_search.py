"""The search finds every usual spelling, and what the filters leave out never hides what they let through."""

from __future__ import annotations

import time
from urllib.parse import quote
from uuid import UUID

import pytest
import uuid_utils.compat
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from dlq.models import DeadLetter
from notifications.messages.ids import receiver_hash
from notifications.messages.words import Status, standing
from notifications.models import Notification
from project.desk.search import MOST_MATCHES, notification_matches
from tests.desk import letter

pytestmark = pytest.mark.django_db

LETTERS = reverse("admin:dlq_deadletter_changelist")
LEDGER = reverse("admin:notifications_notification_changelist")
WEBHOOK = "https://hooks.slack.com/services/T024BE7LD/B0AAAA/abcdefSECRET"
ID = "01936d2a-7c5e-7000-8000-0123456789ab"

SPELLINGS = [
    ("EMAIL", "anna@example.com", spelling)
    for spelling in (
        *("Anna@Example.com", "ANNA@EXAMPLE.COM", " anna@example.com ", "<anna@example.com>", "anna@example.com,"),
        *("mailto:anna@example.com", "MAILTO:Anna%40example.com?subject=Hi", "Anna Berg <anna@example.com>"),
        *('"anna@example.com"', "„anna@example.com“", "anna@example.com;", "\u200banna@example.com\u2060"),
    )
]
SPELLINGS += [
    ("EMAIL", "Anna.Berg@example.com", spelling) for spelling in ("anna.berg@example.com", "ANNA.BERG@example.com")
]
SPELLINGS += [
    ("SMS", "+14155550100", spelling)
    for spelling in (
        *("+1 (415) 555-0100", "+1-415-555-0100", "+1.415.555.0100", "0014155550100", "001 415 555 0100"),
        *("14155550100", "tel:+1-415-555-0100", "+1\u00a0415\u2011555\u20110100", "\u202a+14155550100\u202c"),
        *("＋１４１５５５５０１００", "+1/415/5550100", "1 415 555 0100"),
    )
]
SPELLINGS += [("SMS", "+493012345678", "+49 (0)30 12345678")]
SPELLINGS += [("SLACK", "C024BE91L", spelling) for spelling in ("c024be91l", "<#C024BE91L|general>", "#C024BE91L")]
SPELLINGS += [
    ("SLACK", WEBHOOK, spelling)
    for spelling in (
        *(
            WEBHOOK,
            WEBHOOK.replace("https://hooks.slack.com", "HTTPS://Hooks.Slack.com"),
            f"<{WEBHOOK}>",
            f"{WEBHOOK}/",
        ),
        WEBHOOK.replace(".com/", ".com:443/"),
    )
]
SPELLINGS += [
    ("EMAIL", "kasse@xn--bcher-kva.example", spelling) for spelling in ("kasse@bücher.example", "Kasse@Bücher.Example")
]
SPELLINGS += [("EMAIL", "kasse@bücher.example", "kasse@xn--bcher-kva.example")]


def listed(client: Client, page: str, term: str, more: str = "") -> list[object]:
    answer = client.get(f"{page}?q={quote(term)}{more}")
    assert answer.status_code == 200
    return [row.pk for row in answer.context["cl"].result_list]


@pytest.mark.parametrize(("channel", "receiver", "spelling"), SPELLINGS)
def test_a_receiver_is_found_by_every_usual_spelling(
    support: Client, channel: str, receiver: str, spelling: str
) -> None:
    dead = letter(channel=channel, receiver=receiver)
    letter(channel=channel, receiver={"EMAIL": "other@example.com", "SMS": "+14155550199"}.get(channel, "C0000000X"))
    assert listed(support, LETTERS, spelling) == [dead.pk]
    assert listed(support, LEDGER, spelling) == [dead.notification_id]


@pytest.mark.parametrize(
    "spelling",
    [
        *(ID, ID.upper(), ID.replace("-", ""), f"{{{ID}}}", f" {ID} ", f'"{ID}"', f"urn:uuid:{ID}"),
        *(f"https://notify.example.com/notification/{ID}", f"https://notify.example.com/notification/{ID}/"),
    ],
)
def test_an_id_is_found_by_every_usual_spelling(support: Client, spelling: str) -> None:
    dead = letter(id=UUID(ID))
    letter()
    assert listed(support, LETTERS, spelling) == [dead.pk]
    assert listed(support, LEDGER, spelling) == [dead.notification_id]


@pytest.mark.parametrize("term", ["<" * 900, "(0)" * 300, "@" * 1_000, "+" + "1" * 1_000, "mailto:" * 140, "é" * 1_024])
def test_a_strange_search_is_cheap_and_finds_nothing(support: Client, term: str) -> None:
    letter()
    began = time.process_time()
    list(notification_matches(term))
    assert time.process_time() - began < 0.5
    assert listed(support, LETTERS, term) == listed(support, LETTERS, term * 20) == []


def many(count: int, *, state: str, status: Status) -> None:
    """Letters to one receiver, newer than those before."""
    rows = Notification.objects.bulk_create(
        Notification(
            id=uuid_utils.compat.uuid7(),
            channel="EMAIL",
            receiver="hot@example.com",
            receiver_hash=receiver_hash("EMAIL", "hot@example.com"),
            message="Hi",
            client="shop",
            **standing(status),
            accepted_at=timezone.now(),
        )
        for _ in range(count)
    )
    DeadLetter.objects.bulk_create(
        DeadLetter(notification=row, channel="EMAIL", cause="bug", state=state, receiver_hash=row.receiver_hash)
        for row in rows
    )


def test_the_filters_come_before_the_bound_of_the_search(support: Client) -> None:
    many(1_003, state="open", status=Status.DEAD)
    many(MOST_MATCHES + 500, state="resolved", status=Status.SENT)
    answer = support.get(f"{LEDGER}?q=hot@example.com&status=dead")
    assert answer.context["cl"].result_count == MOST_MATCHES
    assert "The newest 1,000 of more" in answer.content.decode()
    assert len(support.get(f"{LEDGER}?q=hot@example.com&status=dead&p=20").context["cl"].result_list) == 50
    for narrowed, found in (("&state=open", 1_003), ("&state=resolved", MOST_MATCHES + 500), ("", 2 * 1_000 + 503)):
        answer = support.get(f"{LETTERS}?q=hot@example.com{narrowed}")
        assert answer.context["cl"].result_count == found
    for page in (LETTERS, LEDGER):
        assert "of more" not in support.get(f"{page}?q=hot@example.com&channel=SMS").content.decode()


def test_all_that_match_a_search_reaches_the_open_ones(support: Client) -> None:
    many(1_003, state="open", status=Status.DEAD)
    many(MOST_MATCHES + 500, state="resolved", status=Status.SENT)
    page = support.get(f"{reverse('admin:dlq_run_ask')}?q=hot@example.com")
    assert page.context["going"] == 1_003


def test_a_search_that_is_not_bounded_says_how_many_there_are(support: Client) -> None:
    many(3, state="open", status=Status.DEAD)
    assert "of more" not in support.get(f"{LETTERS}?q=hot@example.com&state=open").content.decode()


def test_a_search_takes_a_query_for_each_kind_whatever_it_finds(support: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            support.get(f"{LETTERS}?q=hot@example.com&state=open")
        return len(captured)

    many(1, state="open", status=Status.DEAD)
    first = queries()
    many(150, state="open", status=Status.DEAD)
    assert queries() == first
