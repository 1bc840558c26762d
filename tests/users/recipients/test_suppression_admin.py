"""The admin's pages of suppressed addresses."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from notifications.messages.words import SuppressedFor
from notifications.models import StaffAction
from users.recipients.models import Suppression
from users.recipients.suppression import address_of, suppress

pytestmark = pytest.mark.django_db

LIST, FIND, SUPPRESS = (reverse(f"admin:users_suppression_{name}") for name in ("changelist", "find", "suppress"))
ANN = {"channel": "EMAIL", "receiver": "ann@example.com"}
FULL = ANN | {"reason": "by-staff", "category": "", "why": "She asked by telephone."}


def suppressed() -> Suppression:
    suppress(address_of("EMAIL", "ann@example.com"), SuppressedFor.BOUNCED, evidence="550 5.1.1")
    return Suppression.objects.get()


def lift_page(row: Suppression) -> str:
    return reverse("admin:users_suppression_lift", args=[row.pk])


def test_an_address_is_found_by_a_post_and_is_in_no_url(supervisor: Client) -> None:
    row = suppressed()
    suppress(address_of("EMAIL", "bob@example.com"), SuppressedFor.COMPLAINED)
    other = Suppression.objects.get(reason="complained")
    assert "Is this address suppressed?" in supervisor.get(FIND).content.decode()
    answer = supervisor.post(FIND, ANN | {"receiver": "ann@EXAMPLE.com"})
    assert answer.status_code == 302
    assert "ann" not in answer.headers["Location"]
    found = supervisor.get(answer.headers["Location"]).content.decode()
    page = reverse("admin:users_suppression_change", args=[row.pk])
    assert page in found
    assert reverse("admin:users_suppression_change", args=[other.pk]) not in found
    assert "550 5.1.1" in supervisor.get(page).content.decode()


@pytest.mark.parametrize("changed", [{"receiver": "ann"}, {"channel": "FAX"}, {"receiver": ""}])
def test_what_is_no_address_is_named(supervisor: Client, changed: dict[str, str]) -> None:
    assert supervisor.post(FIND, ANN | changed).status_code == 200
    assert supervisor.post(SUPPRESS, FULL | changed).status_code == 200
    assert not Suppression.objects.exists()


def test_staff_suppress_an_address_with_a_reason_that_is_recorded(supervisor: Client) -> None:
    assert supervisor.post(SUPPRESS, FULL | {"why": ""}).status_code == 200
    assert not Suppression.objects.exists()
    assert supervisor.post(SUPPRESS, FULL).status_code == 302
    assert Suppression.objects.get().reason == "by-staff"
    action = StaffAction.objects.get()
    assert (action.actor, action.action, action.reason) == ("supervisor", "suppress", "She asked by telephone.")
    assert "ann@" not in f"{action.target}{action.note}{action.after}"


def test_staff_lift_one_with_a_reason_that_is_recorded(supervisor: Client) -> None:
    row = suppressed()
    assert "Send to this address again?" in supervisor.get(lift_page(row)).content.decode()
    assert supervisor.post(lift_page(row), {"why": ""}).status_code == 200
    assert Suppression.objects.exists()
    assert supervisor.post(lift_page(row), {"why": "The mailbox is back."}).status_code == 302
    assert not Suppression.objects.exists()
    action = StaffAction.objects.get()
    assert (action.action, action.reason, action.before) == ("lift", "The mailbox is back.", "bounced")
    assert supervisor.post(lift_page(row), {"why": "Again."}).status_code == 404


def test_who_may_only_look_changes_nothing(agent: Client) -> None:
    row = suppressed()
    listed = agent.get(LIST)
    assert listed.status_code == 200
    assert "Suppress an address" not in listed.content.decode()
    assert agent.post(FIND, ANN).status_code == 302
    assert [agent.post(SUPPRESS, FULL).status_code, agent.post(lift_page(row), {"why": "Why not"}).status_code] == [
        403,
        403,
    ]
    assert Suppression.objects.count() == 1
    assert not StaffAction.objects.exists()


def test_one_without_the_right_sees_nothing(support: Client) -> None:
    assert [support.get(page).status_code for page in (LIST, FIND, SUPPRESS)] == [403, 403, 403]
