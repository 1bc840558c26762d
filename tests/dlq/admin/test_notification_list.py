"""The ledger in the admin: to read, exact search, and "try now"."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from notifications.channels.outcomes import Cause
from notifications.messages.words import Reason, Status
from notifications.models import Notification, StaffAction
from tests.desk import letter, notification

pytestmark = pytest.mark.django_db

LIST = reverse("admin:notifications_notification_changelist")
TRY_NOW = reverse("admin:notifications_notification_try_now")


def page_of(row: Notification) -> str:
    return reverse("admin:notifications_notification_change", args=[row.pk])


def listed(client: Client, query: str) -> set[object]:
    answer = client.get(f"{LIST}{query}")
    assert answer.status_code == 200
    return {row.pk for row in answer.context["cl"].result_list}


def waiting(minutes: int = 120) -> Notification:
    due_at = timezone.now() + timedelta(minutes=minutes)
    return notification(status=Status.WAITING, reason=Reason.RETRY, due_at=due_at, last_cause=Cause.TIMEOUT)


def test_search_is_exact(support: Client) -> None:
    wanted = notification(receiver="+14155550123", channel="SMS", user="u7", reference="order-7")
    notification(user="u77", reference="order-77")
    for term in ("%2B14155550123", "u7", "order-7", str(wanted.pk), wanted.pk.hex):
        assert listed(support, f"?q={term}") == {wanted.pk}, term
    assert listed(support, "?q=order") == set()


def test_filters(support: Client) -> None:
    retry, dead, sent = waiting(), notification(), notification(status=Status.SENT, last_cause=Cause.TIMEOUT)
    assert listed(support, "?status=dead") == {dead.pk}
    assert listed(support, "?reason=retry") == {retry.pk}
    assert listed(support, "?cause=timeout") == {retry.pk}
    assert listed(support, "?channel=SMS") == set()
    assert listed(support, "?channel=%00") == set()
    tomorrow = (timezone.now() + timedelta(days=1)).date().isoformat()
    assert listed(support, f"?accepted_at_from_0={tomorrow}&accepted_at_from_1=00:00") == set()
    assert listed(support, f"?accepted_at_to_0={tomorrow}&accepted_at_to_1=00:00") == {retry.pk, dead.pk, sent.pk}


def test_a_list_takes_the_same_number_of_queries_for_any_length(support: Client) -> None:
    def queries(number: int) -> int:
        for _ in range(number):
            notification()
        with CaptureQueriesContext(connection) as captured:
            assert support.get(LIST).status_code == 200
        return len(captured)

    assert queries(2) == queries(60)


def test_a_notification_is_shown_with_its_attempts_and_its_letter(support: Client) -> None:
    dead = letter(html="<script>alert(1)</script>")
    shown = support.get(
        reverse("admin:notifications_notification_change", args=[dead.notification_id])
    ).content.decode()
    assert "&lt;script&gt;alert(1)" in shown
    assert "<script>alert(1)" not in shown
    assert f"Dead letter {dead.pk} (open)" in shown
    assert "we could not reach the provider after 12 ms" in shown
    assert 'name="receiver"' not in shown


def test_nobody_edits_adds_or_deletes(anna: Client) -> None:
    row = notification()
    for name, args in (("change", [row.pk]), ("delete", [row.pk]), ("add", [])):
        page = reverse(f"admin:notifications_notification_{name}", args=args)
        assert anna.post(page, {"message": "changed", "post": "yes"}).status_code == 403
    assert Notification.objects.get().message == "Hello"


def test_try_now_asks_first_and_is_recorded(support: Client) -> None:
    row, dead = waiting(), notification()
    assert "/try-now/?ids=" in support.get(page_of(row)).content.decode()
    assert "/try-now/?ids=" not in support.get(page_of(dead)).content.decode()
    asked = support.get(f"{TRY_NOW}?ids={row.pk.hex}")
    assert "Try this notification now?" in asked.content.decode()
    before = row.due_at
    row.refresh_from_db()
    assert row.due_at == before
    answer = support.post(TRY_NOW, {**asked.context["hidden"], "confirm": "yes"}, follow=True)
    assert "1 due now" in answer.content.decode()
    row.refresh_from_db()
    assert row.due_at is not None
    assert row.due_at <= timezone.now() + timedelta(minutes=1)
    assert StaffAction.objects.get().actor == "support"


def test_try_now_for_a_selection_leaves_the_others_alone(support: Client) -> None:
    rows = [waiting(), waiting(), notification()]
    ticked = {"action": "try_selected_now", "_selected_action": [row.pk for row in rows], "index": 0}
    asked = support.post(LIST, ticked)
    assert "2 of 3 wait for a try" in asked.content.decode()
    answer = support.post(TRY_NOW, {**asked.context["hidden"], "confirm": "yes"}, follow=True).content.decode()
    assert "2 due now" in answer
    assert "1 left alone" in answer
