"""A list as CSV: for a right of its own, as the person may see it, harmless in a spreadsheet, and written down."""

from __future__ import annotations

import csv
from io import StringIO
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from notifications.channels.outcomes import Cause
from notifications.messages.words import StaffVerb, Status
from notifications.models import Category, StaffAction
from project.desk import export
from project.desk.export import harmless
from project.desk.rights import Right
from tests.desk import letter, notification, staff, unreadable

pytestmark = pytest.mark.django_db

LETTERS = "dlq_deadletter"
LEDGER = "notifications_notification"


def client_with(*rights: str) -> Client:
    client = Client()
    client.force_login(staff("eve", "dlq.view_deadletter", "notifications.view_notification", *rights))
    return client


def download(client: Client, name: str, query: str = "") -> list[dict[str, str]]:
    answer: Any = client.post(reverse(f"admin:{name}_export") + query)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].endswith('.csv"')
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(StringIO(text)))


def test_the_rows_of_the_filter_and_no_others(anna: Client) -> None:
    full = letter(last_cause=Cause.MAILBOX_FULL, receiver="anna@example.com", subject="Invoice")
    letter(last_cause=Cause.TIMEOUT)
    [line] = download(anna, LETTERS, "?cause=mailbox-full")
    assert line["letter"] == str(full.pk)
    assert line["notification"] == str(full.notification_id)
    assert (line["receiver"], line["about"], line["cause"]) == ("anna@example.com", "Invoice", "mailbox full")
    [other] = download(anna, LEDGER, f"?q={full.notification_id}")
    assert (other["receiver"], other["about"], other["status"]) == ("anna@example.com", "Invoice", "not delivered")


def test_nobody_without_the_right(viewer: Client) -> None:
    letter()
    address = reverse(f"admin:{LETTERS}_export")
    assert viewer.post(address).status_code == 403
    assert address not in viewer.get(reverse(f"admin:{LETTERS}_changelist")).content.decode()
    assert not StaffAction.objects.exists()


@pytest.mark.parametrize("name", [LETTERS, LEDGER])
def test_masked_as_the_rights_say(name: str) -> None:
    Category.objects.create(name="password-reset", sensitive=True)
    given = {"last_error": "no <anna.berg@example.com> here", "receiver": "anna.berg@example.com"}
    letter(**given, subject="Your invoice", message="a text")
    letter(**given, subject="A link", message="a link", category="password-reset")
    masked = str(download(client_with(Right.EXPORT), name))
    assert "anna.berg" not in masked
    assert "invoice" not in masked


def test_contents_of_a_sensitive_category_are_in_no_file(anna: Client) -> None:
    Category.objects.create(name="password-reset", sensitive=True)
    letter(subject="A secret link", message="a link", category="password-reset")
    for name in (LETTERS, LEDGER):
        [line] = download(anna, name)
        assert "secret" not in str(line)


def test_it_is_written_down_without_what_was_searched(anna: Client) -> None:
    letter(receiver="anna@example.com")
    download(anna, LETTERS, "?cause=connection&q=anna@example.com")
    download(anna, LETTERS, "?user=anna@example.com")
    action, other = StaffAction.objects.order_by("pk")
    assert other.note == "0 rows; state: open; user: a…@example.com"
    assert (action.actor, action.action, action.target) == ("anna", StaffVerb.EXPORT, "list of dead letters")
    assert action.note == "1 rows; cause: provider not reached; a search"


def test_a_file_has_an_end(anna: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "MOST_EXPORTED", 3)
    monkeypatch.setattr(export, "AT_ONCE", 2)
    letters = [letter() for _ in range(5)]
    assert [line["letter"] for line in download(anna, LETTERS)] == [str(each.pk) for each in letters[:1:-1]]


def test_reading_a_file_takes_the_same_queries_for_any_length(anna: Client) -> None:
    def queries(count: int) -> int:
        for _ in range(count):
            letter()
        with CaptureQueriesContext(connection) as captured:
            download(anna, LETTERS)
        return len(captured)

    assert queries(2) == queries(40)


def test_a_record_that_could_not_be_read_has_a_line(anna: Client) -> None:
    unreadable(b"{")
    assert download(anna, LETTERS)[0]["notification"] == ""


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_is_a_formula(anna: Client, begin: str) -> None:
    assert harmless(f"{begin}1+1") == f"'{begin}1+1"
    notification(status=Status.SENT, user=f"{begin}cmd|' /C calc'!A0", subject=f"{begin}HYPERLINK()")
    [line] = download(anna, LEDGER)
    assert all(not cell.startswith(begin) for cell in line.values())


def test_a_get_leads_to_the_list(anna: Client) -> None:
    answer = anna.get(reverse(f"admin:{LETTERS}_export") + "?cause=timeout")
    assert answer.headers["Location"] == reverse(f"admin:{LETTERS}_changelist") + "?cause=timeout"
    assert not StaffAction.objects.exists()


def test_filters_of_an_older_version_lead_to_the_list(anna: Client) -> None:
    answer = anna.post(reverse(f"admin:{LETTERS}_export") + "?receiver__startswith=a")
    assert answer.status_code == 302
