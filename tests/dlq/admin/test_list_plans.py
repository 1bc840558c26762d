"""What the lists' filters read on PostgreSQL: an index for each that can be rare, and no walk through the ledger."""

from __future__ import annotations

from functools import partial

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse

from dlq.admin.choosing.letter_filters import selection_of
from dlq.admin.lists.letter_list import DeadLetterAdmin
from dlq.admin.lists.notification_filters import FILTERS
from dlq.models import DeadLetter
from notifications.messages.words import Status
from notifications.models import Notification
from project.database.dialects import bounded_reading, fetch
from project.desk import base
from project.desk.listing import BoundedPaginator
from tests.desk import letter
from tests.notifications.ledger.plans import Explain, assert_no_scan, explain, full_ledger, indexes

__all__ = ["explain", "full_ledger"]  # fixtures
pytestmark = [pytest.mark.postgresql, pytest.mark.django_db]

LETTERS = reverse("admin:dlq_deadletter_changelist")
LEDGER = reverse("admin:notifications_notification_changelist")


@pytest.mark.parametrize(
    ("name", "word", "index"),
    [
        ("status", "queued", "ledger_listed"),
        ("status", "dead", "ledger_listed"),
        ("cause", "throttled", "ledger_cause"),
        ("reason", "parked", "ledger_reason"),
    ],
)
def test_a_filter_of_notifications_uses_its_index(explain: Explain, name: str, word: str, index: str) -> None:
    [kind] = [kind for kind in FILTERS if not isinstance(kind, tuple) and kind.parameter_name == name]
    request = RequestFactory().get(LEDGER, {name: word})
    spec = kind(request, {name: [word]}, Notification, None)
    nodes = explain(spec.queryset(request, Notification.objects.all())[:10_001].count)
    assert index in indexes(nodes)
    assert_no_scan(nodes)


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("uncertain=yes", "letter_uncertain"),
        ("again=yes", "letter_died_again"),
        ("again=same", "letter_of_the_same_cause"),
        ("domain=gmial.com", "letter_domain"),
        ("user=u7", "letter_open_user"),
        ("expired=yes", "letter_expires"),
    ],
)
def test_a_filter_of_letters_uses_its_index(db: None, query: str, index: str) -> None:
    DeadLetter.objects.bulk_create(
        DeadLetter(channel="EMAIL", cause="timeout", receiver_domain="a.example") for _ in range(20_000)
    )
    fetch("ANALYZE dlq_deadletter")
    plan = selection_of(RequestFactory().get(f"{LETTERS}?{query}")).rows().order_by("-id")[:51].explain()
    assert index in plan
    assert "Seq Scan" not in plan


def test_a_list_that_takes_too_long_says_so(anna: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    letter()
    asked: list[object] = []

    def slow_once(_: object, __: object, rows: object) -> list[object]:
        asked.append(rows)
        if len(asked) == 1:
            fetch("SELECT pg_sleep(60)")
        return []

    monkeypatch.setattr(base, "bounded_reading", partial(bounded_reading, 0.1))
    monkeypatch.setattr(DeadLetterAdmin, "rows_of_page", slow_once)
    answer = anna.get(f"{LETTERS}?cause=connection")
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "This takes too long to find" in page
    assert "Choose a shorter time" in page
    assert "provider not reached" in page  # the filter is still there


def test_what_takes_long_to_count_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("project.desk.listing.COUNT_SECONDS", 0.05)
    rows = Notification.objects.extra(where=["pg_sleep(10) IS NOT NULL"])
    letter()
    with bounded_reading():
        paginator = BoundedPaginator(rows.order_by("-id"), 50)
        assert (paginator.counted, paginator.more, paginator.count_in_words) == (None, True, "not counted")
        assert fetch("SHOW statement_timeout") == [("5s",)]
    assert Notification.objects.filter(status=Status.DEAD).count() == 1
