"""What staff did: found by person, verb and object, with reasons and links, and changed by nobody."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from dlq.repair import repair
from dlq.verbs import discard, replay
from notifications.admin.staff_actions import address_of
from notifications.messages.words import StaffVerb
from notifications.models import StaffAction
from project.desk.audit import write_actions
from tests.desk import letter, notification

pytestmark = pytest.mark.django_db

LIST = reverse("admin:notifications_staffaction_changelist")


def listed(client: Client, **query: Any) -> list[StaffAction]:
    return list(client.get(LIST, query).context["cl"].result_list)


def test_it_is_filtered_by_person_verb_and_flag(anna: Client) -> None:
    one, other = letter(), letter()
    replay([one.pk], "sam")
    discard([other.pk], "alex", "out of date")
    repair(letter().pk, "sam", {"receiver": "new@example.org"}, reason="she called")
    assert {each.actor for each in listed(anna, actor="sam")} == {"sam"}
    assert [each.actor for each in listed(anna, action="discard")] == ["alex"]
    assert [each.action for each in listed(anna, flagged="yes")] == ["redirect"]
    assert len(listed(anna)) == 3


@pytest.mark.parametrize("term", ["{letter}", "#{letter}", "dead letter {letter}", "{id}", "u7", "joan@example.org"])
def test_it_is_searched_by_what_it_was_about(anna: Client, term: str) -> None:
    dead = letter(user="u7", receiver="joan@example.org", reference="")
    replay([letter().pk, dead.pk], "sam")
    found = listed(anna, q=term.format(letter=dead.pk, id=dead.notification_id))
    assert [each.target for each in found] == [f"dead letter {dead.pk}"]


def test_a_row_shows_from_what_to_what_and_why_and_links_to_it(anna: Client) -> None:
    dead = letter(receiver="old@example.org")
    repair(dead.pk, "sam", {"receiver": "new@example.org"}, reason="she called")
    page = anna.get(LIST).content.decode()
    for part in ("o…@example.org → n…@example.org", "because: she called", "look at it", "changed its receiver"):
        assert part in page, part
    assert f'href="{reverse("admin:dlq_deadletter_change", args=[dead.pk])}"' in page
    one = anna.get(reverse("admin:notifications_staffaction_change", args=[StaffAction.objects.get().pk]))
    shown = one.content.decode()
    assert f'href="{reverse("admin:notifications_notification_change", args=[dead.notification_id])}"' in shown
    assert StaffAction.objects.get().before_hash in shown
    assert "old@example.org" not in page + shown


def test_a_reason_with_an_address_is_masked_for_whom_may_not_see_it(anna: Client, viewer: Client) -> None:
    write_actions("sam", StaffVerb.REPLAY, [("dead letter 1", None)], reason="joan@example.org called")
    write_actions("sam", StaffVerb.PUT_USER, [("user joan@example.org", None)])
    assert "joan@example.org" in anna.get(LIST).content.decode()
    assert "joan@example.org" not in viewer.get(LIST).content.decode()


@pytest.mark.parametrize(
    ("target", "page"),
    [
        ("dead letter 17", "/admin/dlq/deadletter/17/change/"),
        ("notification 01", "/admin/notifications/notification/01/change/"),
        ("job 4", "/admin/notifications/job/4/change/"),
        ("user joan&", "/admin/users/user/?q=joan%26"),
        ("device of joan@example.org", "/admin/users/device/"),
        ("user +14155550100", "/admin/users/user/"),
        ("API key abc", "/admin/users/apikey/"),
        ("category default", "/admin/notifications/category/?q=default"),
        ("account sam", "/admin/auth/user/?q=sam"),
        ("nothing that has a page", ""),
    ],
)
def test_each_kind_of_object_has_its_page(target: str, page: str) -> None:
    assert address_of(target) == page


@pytest.mark.parametrize("name", ["change", "delete", "history"])
def test_nobody_changes_the_record_also_no_superuser(anna: Client, name: str) -> None:
    write_actions("sam", StaffVerb.REPLAY, [("dead letter 1", None)])
    action = StaffAction.objects.get()
    before = StaffAction.objects.values().get()
    page = reverse(f"admin:notifications_staffaction_{name}", args=[action.pk])
    forged = {"actor": "anna", "post": "yes", "note": "", "_save": "Save"}
    assert anna.post(page, forged).status_code == 403
    bulk: dict[str, Any] = {"action": "delete_selected", "_selected_action": [action.pk], "index": 0, "post": "yes"}
    anna.post(LIST, bulk)
    assert anna.post(reverse("admin:notifications_staffaction_add"), forged).status_code == 403
    assert StaffAction.objects.values().get() == before


def test_a_search_reads_no_row_of_the_ledger_for_a_number(anna: Client) -> None:
    notification(reference="12")
    replay([letter().pk], "sam")
    assert listed(anna, q="999999") == []
