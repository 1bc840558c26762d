"""A page names what is gone, taken, expired or never existed, and the person stays where they were."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin import site
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from dlq.models import DeadLetter
from dlq.verbs import replay
from notifications.channels.outcomes import Cause
from notifications.messages.words import Status
from notifications.models import Category, Notification, StaffAction
from project.desk.audit import printed
from tests.desk import letter, notification, row_of

pytestmark = pytest.mark.django_db

LIST = reverse("admin:dlq_deadletter_changelist")
REPLAY = reverse("admin:dlq_deadletter_verb", args=["replay"])
AN_HOUR = timedelta(hours=1)


def json_of(client: Client, address: str, data: dict[str, Any] | None = None) -> str:
    """What the page says in the end; the redirects on the way are followed."""
    answer = client.post(address, data, follow=True) if data is not None else client.get(address, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def expired(**fields: Any) -> DeadLetter:
    return letter(expires_at=timezone.now() - AN_HOUR, **fields)


def test_a_ticked_letter_that_somebody_took_is_named(support: Client) -> None:
    taken, left = letter(), letter()
    replay([taken.pk], "bert")
    ticked = {"action": "replay_selected", "_selected_action": [taken.pk], "index": 0}
    answer = support.post(f"{LIST}?channel=EMAIL", ticked, follow=True)
    assert f"Dead letter {taken.pk} was already replayed by bert" in answer.content.decode()
    assert answer.redirect_chain[-1][0] == f"{LIST}?channel=EMAIL"
    page = json_of(support, f"{LIST}?channel=EMAIL", ticked | {"_selected_action": [taken.pk, left.pk]})
    assert "<strong>1</strong> fresh" in page
    assert "<strong>1</strong> Already on their way again." in page


def test_a_ticked_notification_that_was_sent_is_said(support: Client) -> None:
    row = notification(status=Status.SENT)
    ticked = {"action": "try_selected_now", "_selected_action": [row.pk], "index": 0}
    page = json_of(support, reverse("admin:notifications_notification_changelist") + "?status=waiting", ticked)
    assert "None of the 1 you chose waits for a try that could be now." in page


@pytest.mark.parametrize("name", ["replay", "discard", "mark-sent"])
@pytest.mark.parametrize(
    ("ids", "sentence"),
    [
        ("99999999", "Dead letter 99999999 does not exist."),
        ("", "No dead letter is chosen."),
        ("abc,-1,1e3,9" + "9" * 40, "No dead letter is chosen."),
        (",".join(map(str, range(1, 5_002))), "Choose at most 5,000 dead letters at once."),
    ],
    ids=["not there", "none", "no numbers", "too many"],
)
def test_letters_that_are_not_there_are_not_asked_about(support: Client, name: str, ids: str, sentence: str) -> None:
    address = reverse("admin:dlq_deadletter_verb", args=[name])
    if name == "replay" and sentence.startswith("Choose"):  # which is a run
        sentence = "No letter matches any more."
    for page in (json_of(support, f"{address}?ids={ids}"), json_of(support, address, {"ids": ids, "reason": "x"})):
        assert sentence in page


@pytest.mark.parametrize(("asked", "last"), [("9999", 3), ("0", 3), ("-1", 3), ("9" * 40, 3)])
def test_a_page_that_is_not_there_is_said_and_the_filters_stay(
    support: Client, monkeypatch: pytest.MonkeyPatch, asked: str, last: int
) -> None:
    for _ in range(3):
        letter(last_cause=Cause.TIMEOUT)
    letter(last_cause=Cause.BUG)
    monkeypatch.setattr(site._registry[DeadLetter], "list_per_page", 1)
    answer = support.get(f"{LIST}?cause=timeout&p={asked}", follow=True)
    assert f"There is no page {asked[:20]}; the last is {last}." in answer.content.decode()
    assert {row.cause for row in answer.context["cl"].result_list} == {"timeout"}
    assert answer.context["cl"].page_num == last


@pytest.mark.parametrize("asked", ["2", "abc", "0"])
def test_a_list_of_one_page_says_it_too(support: Client, asked: str) -> None:
    letter()
    assert f"There is no page {asked}; the last is 1." in json_of(support, f"{LIST}?cause=connection&p={asked}")


def test_an_expired_letter_is_replayed_with_a_new_expiry_only(support: Client) -> None:
    old = expired()
    address = f"{REPLAY}?ids={old.pk}"
    for data in ({}, {"never": "on", "expires_at": "2090-01-01T00:00"}, {"expires_at": "2020-01-01T00:00"}):
        page = json_of(support, address, {"ids": old.pk, "confirm": "yes", **data})
        assert "The new expiry" in page
    assert row_of(old).generation == 0
    json_of(support, address, {"ids": old.pk, "confirm": "yes", "expires_at": "2090-01-01T00:00"})
    assert printed(row_of(old).expires_at).startswith("2090-01-01 00:00:00")
    assert "new expiry: 2090-01-01" in StaffAction.objects.get().note


def test_what_expired_between_the_question_and_the_answer_is_asked_again(support: Client) -> None:
    dead = letter(expires_at=timezone.now() + AN_HOUR)
    page = support.get(f"{REPLAY}?ids={dead.pk}")
    assert "The new expiry" not in page.content.decode()
    Notification.objects.update(expires_at=timezone.now() - AN_HOUR)
    answer = json_of(support, page.context["action"], {**page.context["hidden"], "confirm": "yes"})
    assert "It has expired: give a new expiry" in answer
    assert row_of(dead).generation == 0


def test_what_has_expired_of_a_sensitive_category_is_never_sent_again(support: Client) -> None:
    Category.objects.create(name="password", sensitive=True)
    old = expired(category="password")
    assert "it is never sent again" in json_of(support, f"{REPLAY}?ids={old.pk}")
    answer = json_of(support, REPLAY, {"ids": str(old.pk), "never": "on", "confirm": "yes"})
    assert "it is never sent again" in answer
    assert row_of(old).generation == 0


def test_edit_and_replay_of_an_expired_letter_asks_for_an_expiry_too(support: Client) -> None:
    old = expired(message="one")
    page = reverse("admin:dlq_deadletter_repair", args=[old.pk])
    edit = {"receiver": row_of(old).receiver, "message": "two", "subject": "", "html": "", "generation": 0}
    assert "It has expired: give a new expiry" in json_of(support, page, edit | {"confirm": "yes"})
    assert (row_of(old).message, row_of(old).generation) == ("one", 0)
    json_of(support, page, edit | {"confirm": "also"})
    assert (row_of(old).message, row_of(old).generation) == ("two", 0)
    json_of(support, page, edit | {"confirm": "yes", "never": "on"})
    assert (row_of(old).generation, row_of(old).expires_at) == (1, None)
    assert StaffAction.objects.filter(note__contains="new expiry: never").count() == 1
