"""GET, PUT and DELETE /categories/<name>, GET /categories."""

from __future__ import annotations

from typing import Any

import pytest

from notifications.messages.ids import receiver_hash
from notifications.messages.words import CategoryKind, SuppressedFor
from notifications.models import Category, StaffAction
from tests.caller import Api, issue, json_of
from users.access.models import ApiKey
from users.recipients.decide import Asked, decide
from users.recipients.facts import Receiver, facts_of
from users.recipients.known import Known
from users.recipients.person import cell
from users.recipients.preferences import Changes, Source, change
from users.recipients.suppression import address_of, suppress

PLAIN: dict[str, Any] = {
    "class": "transactional",
    "default": True,
    "channels": None,
    "cap": None,
    "overflow": "wait",
    "digest": None,
    "quiet": True,
    "late": "send",
    "on_uncertain": "resend",
    "sensitive": False,
    "passes": [],
}
NEWS: dict[str, Any] = {
    "class": "promotional",
    "default": True,
    "channels": ["EMAIL"],
    "cap": {"count": 3, "seconds": 3600},
    "overflow": "digest",
    "digest": {"at": "08:00"},
    "quiet": False,
    "late": "expire",
    "on_uncertain": "hold",
    "sensitive": True,
    "passes": ["bounced"],
}


def test_made_read_replaced_deleted(api: Api) -> None:
    made = api.put("/categories/news", NEWS)
    assert (made.status_code, json_of(made), json_of(api.get("/categories/news"))) == (201, NEWS, NEWS)
    replaced = api.put("/categories/news", {"digest": {"seconds": 600}})
    assert (replaced.status_code, json_of(replaced)) == (200, PLAIN | {"digest": {"seconds": 600}})
    listed = json_of(api.get("/categories"))["categories"]
    assert listed == [{"name": "default"} | PLAIN, {"name": "news"} | PLAIN | {"digest": {"seconds": 600}}]
    assert (api.delete("/categories/news").status_code, api.delete("/categories/news").status_code) == (204, 404)
    assert api.get("/categories/news").status_code == 404


@pytest.mark.parametrize("digest", [{"seconds": 60}, {"seconds": 60, "limit": 60}, {"at": "00:00"}, None])
def test_a_digest_is_shown_as_it_was_put(api: Api, digest: Any) -> None:
    assert json_of(api.put("/categories/news", {"digest": digest}))["digest"] == digest


def test_nobody_gets_what_is_promotional_unless_they_want_it_or_the_body_says_so(api: Api) -> None:
    assert json_of(api.put("/categories/a", {"class": "promotional"}))["default"] is False
    assert json_of(api.put("/categories/b", {"class": "promotional", "default": True}))["default"] is True
    assert json_of(api.put("/categories/c", {"class": "mandatory"}))["default"] is True


def test_a_category_that_is_deleted_and_made_again_is_stopped_for_those_who_stopped_it(api: Api) -> None:
    """Elsewhere, to delete a group of suppressions lets everybody be written to again."""
    receiver = Receiver("", "EMAIL", "bob@example.com", receiver_hash("EMAIL", "bob@example.com"))
    ann = Receiver("ann", "EMAIL", "ann@example.com", receiver_hash("EMAIL", "ann@example.com"))
    api.put("/categories/news", {})
    suppress(address_of("EMAIL", receiver.address), SuppressedFor.UNSUBSCRIBED, scope="news")
    change("ann", Changes(choices={cell("news", ""): False}), actor="ann", source=Source.PAGE)
    assert api.delete("/categories/news").status_code == 204
    assert api.put("/categories/news", {}).status_code == 201
    known = Known()
    known.refresh()
    facts = facts_of([receiver, ann])
    asked = Asked(known.rules("news"), "EMAIL")
    found = [decide(asked, facts.people[each], facts.now).suppressed_for for each in (receiver, ann)]
    assert found == [SuppressedFor.UNSUBSCRIBED, SuppressedFor.CHOICE]


def test_what_is_put_is_what_senders_know(api: Api) -> None:
    api.put("/categories/news", NEWS)
    known = Known()
    known.refresh()
    rules = known.rules("news")
    assert rules.kind is CategoryKind.PROMOTIONAL
    assert (rules.channels, rules.passes) == (frozenset({"EMAIL"}), frozenset({"bounced"}))
    assert rules.cap is not None
    assert (rules.cap.count, rules.cap.seconds, rules.digest_at is not None) == (3, 3600, True)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"class": "urgent"}, "class"),
        ({"kind": "mandatory"}, "kind"),
        ({"default": None}, "default"),
        ({"channels": ["PIGEON"]}, "channels"),
        ({"channels": []}, "channels"),
        ({"channels": ["EMAIL", "EMAIL"]}, "channels"),
        ({"cap": {"count": -1, "seconds": 60}}, "cap"),
        ({"cap": {"count": 1, "seconds": 0}}, "cap"),
        ({"cap": {"count": 10**30, "seconds": 60}}, "cap"),
        ({"cap": {"count": 1}}, "cap"),
        ({"digest": {"seconds": 60, "at": "08:00"}}, "digest"),
        ({"digest": {}}, "digest"),
        ({"digest": {"at": "25:00"}}, "digest"),
        ({"digest": {"seconds": 0}}, "digest"),
        ({"digest": {"limit": 60}}, "digest"),
        ({"digest": {"at": "08:00", "limit": 60}}, "digest"),
        ({"digest": {"seconds": 60, "limit": 59}}, "digest"),
        ({"digest": {"seconds": 60, "limit": 7 * 86_400 + 1}}, "digest"),
        ({"overflow": "drop"}, "overflow"),
        ({"late": "drop"}, "late"),
        ({"on_uncertain": "drop"}, "on_uncertain"),
        ({"sensitive": "yes"}, "sensitive"),
        ({"passes": ["stop"]}, "passes"),
        ({"passes": ["choice"]}, "passes"),
    ],
)
def test_what_is_wrong_is_refused_by_field(api: Api, body: Any, field: str) -> None:
    answer = api.put("/categories/news", body)
    assert (answer.status_code, list(json_of(answer))) == (400, [field])
    assert not Category.objects.filter(name="news").exists()


@pytest.mark.parametrize("name", ["%20", "a%00b", "x" * 101])
def test_a_name_that_none_can_have_is_refused(api: Api, name: str) -> None:
    answer = api.put(f"/categories/{name}", {})
    assert (answer.status_code, list(json_of(answer))) == (400, ["name"])
    assert (api.get(f"/categories/{name}").status_code, api.delete(f"/categories/{name}").status_code) == (404, 404)


@pytest.mark.parametrize("name", ["orders/eu", "Bestellungen für März", "x" * 100])
def test_a_name_may_be_whatever_a_notification_can_say(api: Api, name: str) -> None:
    assert api.put(f"/categories/{name}", {}).status_code == 201
    assert api.get(f"/categories/{name}").status_code == 200
    assert Category.objects.filter(name=name).exists()


def test_the_default_category_can_be_changed_and_stays(api: Api) -> None:
    assert api.put("/categories/default", {"on_uncertain": "hold"}).status_code == 200
    refused = api.delete("/categories/default")
    assert (refused.status_code, list(json_of(refused))) == (400, ["name"])


def test_each_change_is_recorded_with_its_key_and_a_mandatory_one_flagged(api: Api) -> None:
    for body in ({}, {}, {"class": "mandatory"}, {"class": "promotional", "default": True}):
        api.put("/categories/news", body)
    api.delete("/categories/news")
    actions = StaffAction.objects.order_by("id").values_list("action", "before", "after", "flagged", "note")
    plain, mandatory, promotional = (f"resend, not sensitive{kind}" for kind in ("", ", mandatory", ", promotional"))
    assert list(actions) == [
        ("set-category", "", plain, False, ""),
        ("set-category", plain, mandatory, True, "made mandatory: it is sent whatever people chose"),
        (
            *("set-category", mandatory, promotional, True),
            "mandatory no longer: people can switch it off; promotional, and sent to people who did not ask for it",
        ),
        ("delete-category", promotional, "", False, ""),
    ]
    targets = set(StaffAction.objects.values_list("actor", "target"))
    assert targets == {(f"API key {ApiKey.objects.get().prefix}… (shop)", "category news")}


def test_only_configure_may_see_and_change_categories(db: None, keys_required: None) -> None:
    api = Api(issue("send", "read", "users", "metrics"))
    answers = [api.get("/categories"), api.get("/categories/default"), api.put("/categories/default", {})]
    assert [answer.status_code for answer in answers] == [403] * 3
    assert api.delete("/categories/default").status_code == 403


def test_there_are_only_so_many(api: Api) -> None:
    Category.objects.bulk_create(Category(name=f"c{number}") for number in range(499))
    assert (api.put("/categories/c1", NEWS).status_code, api.put("/categories/news", {}).status_code) == (200, 400)
