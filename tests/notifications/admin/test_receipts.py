"""The admin's list of what providers reported and belongs to no notification."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from notifications.messages.words import SuppressedFor
from notifications.models import Receipt
from users.recipients.models import Suppression
from users.recipients.suppression import address_of, suppress

pytestmark = pytest.mark.django_db

LIST = reverse("admin:notifications_receipt_changelist")
FIND = reverse("admin:desk_find")
ANN = address_of("EMAIL", "ann@example.com")
KEYS = count()


def receipt(message_id: str = "", **fields: Any) -> Receipt:
    given = {"provider": "postmark", "channel": "EMAIL", "receiver_hash": ANN.hash, "type": "bounced"} | fields
    return Receipt.objects.create(key=str(next(KEYS)), provider_message_id=message_id, at=timezone.now(), **given)


def page_of(row: Receipt) -> str:
    return reverse("admin:notifications_receipt_change", args=[row.pk])


def listed(client: Client, query: str = "") -> str:
    answer = client.get(f"{LIST}{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_it_lists_those_without_a_notification(viewer: Client) -> None:
    without, found = receipt("m-1"), receipt("m-2", notification_id=uuid4())
    shown = listed(viewer)
    assert page_of(without) in shown
    assert page_of(found) not in shown
    assert viewer.get(page_of(found)).status_code == 302
    page = viewer.get(page_of(without)).content.decode()
    assert ANN.hash in page
    assert "ann@" not in page


@pytest.mark.parametrize("typed", ["<m-1@mail.example.com>", "m-1@mail.example.com", " m-1@mail.example.com "])
def test_it_is_found_by_the_id_of_the_provider(viewer: Client, typed: str) -> None:
    wanted, other = receipt("<m-1@mail.example.com>"), receipt("m-2")
    answer = viewer.get(LIST, {"q": typed}).content.decode()
    assert page_of(wanted) in answer
    assert page_of(other) not in answer


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"message_id": "m-1"}, "For 24 hours none with this id"),
        ({"message_id": "m-1", "look_at": datetime(2030, 1, 31, tzinfo=UTC)}, "looked for again at 2030-01-31"),
        ({}, "The provider names no message."),
        ({"message_id": "m-1", "type": "unsubscribed"}, "It is about the address"),
        ({"message_id": "m-1", "type": "stop"}, "own, and about no notification"),
    ],
)
def test_it_says_why(viewer: Client, fields: dict[str, Any], why: str) -> None:
    row = receipt(**fields)
    assert why in listed(viewer)
    assert why in viewer.get(page_of(row)).content.decode()


def test_the_box_of_the_desk_leads_there(viewer: Client) -> None:
    receipt("SM0123456789abcdef")
    receipt("SM9999999999999999", notification_id=uuid4())
    answer = viewer.post(FIND, {"q": "SM0123456789abcdef"}, follow=True)
    assert answer.redirect_chain[-1][0] == f"{LIST}?q=SM0123456789abcdef"
    nothing = viewer.post(FIND, {"q": "SM9999999999999999"}, follow=True).content.decode()
    assert "Receipts without a notification" not in nothing


def test_the_page_of_a_suppression_leads_to_those_of_its_address(viewer: Client) -> None:
    suppress(ANN, SuppressedFor.BOUNCED)
    page = reverse("admin:users_suppression_change", args=[Suppression.objects.get().pk])
    where = f"{LIST}?receiver_hash={ANN.hash}"
    assert where not in viewer.get(page).content.decode()
    theirs, other = receipt("m-1"), receipt("m-2", receiver_hash="ab" * 16)
    assert where in viewer.get(page).content.decode()
    shown = listed(viewer, f"?receiver_hash={ANN.hash}")
    assert page_of(theirs) in shown
    assert page_of(other) not in shown


def test_nobody_changes_one(administrator: Client) -> None:
    row = receipt("m-1")
    assert administrator.post(page_of(row), {"type": "delivered"}).status_code == 403
    assert administrator.post(LIST, {"action": "delete_selected", "_selected_action": [row.pk]}).status_code == 403
    assert Receipt.objects.get().type == "bounced"
