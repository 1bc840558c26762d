"""GET, PUT and DELETE /suppressions, as a caller sees them."""

from __future__ import annotations

from typing import Any

import pytest

from notifications.messages.words import SuppressedFor
from notifications.models import StaffAction
from tests.caller import Api, issue, json_of
from users.recipients.models import Suppression
from users.recipients.suppression import SOFT, address_of, score, suppress

ANN: dict[str, Any] = {"type": "EMAIL", "receiver": "ann@example.com", "reason": "complained"}


def test_suppressed_listed_lifted(api: Api) -> None:
    made = api.put("/suppressions", ANN)
    assert made.status_code == 201
    shown = json_of(made)
    assert shown.pop("since")
    expected = {
        "type": "EMAIL",
        "reason": "complained",
        "category": None,
        "until": None,
        "provider": "",
        "evidence": "",
    }
    assert shown == expected | {"receiver_hash": address_of("EMAIL", "ann@example.com").hash}
    again = api.put("/suppressions", ANN | {"receiver": "ann@EXAMPLE.com"})
    assert again.status_code == 200
    assert json_of(again) == json_of(made)
    listed = json_of(api.get("/suppressions", type="EMAIL", receiver="ann@example.com"))
    assert listed == {"next": None, "previous": None, "results": [json_of(made)]}
    assert (api.delete_with("/suppressions", ANN).status_code, Suppression.objects.count()) == (204, 0)
    assert api.delete_with("/suppressions", ANN).status_code == 404


def test_one_category_is_lifted_by_itself(api: Api) -> None:
    of_news = ANN | {"reason": "unsubscribed", "category": "news"}
    assert json_of(api.put("/suppressions", of_news))["category"] == "news"
    assert api.delete_with("/suppressions", ANN | {"reason": "unsubscribed"}).status_code == 404
    assert api.delete_with("/suppressions", of_news).status_code == 204


def test_each_change_is_recorded_with_its_key_and_with_a_masked_address(db: None, keys_required: None) -> None:
    shop = Api(issue("users", client="shop"))
    shop.put("/suppressions", ANN)
    shop.put("/suppressions", ANN)  # which changes nothing
    shop.delete_with("/suppressions", ANN)
    shop.delete_with("/suppressions", ANN)
    hash = address_of("EMAIL", "ann@example.com").hash
    suppressed, lifted = StaffAction.objects.order_by("id")
    for action in (suppressed, lifted):
        assert action.actor.endswith("(shop)")
        assert (action.target, action.note) == (f"address {hash}", "a…@example.com")
    assert (suppressed.action, suppressed.after, suppressed.after_hash) == ("suppress", "complained", hash)
    assert (lifted.action, lifted.before, lifted.before_hash) == ("lift", "complained", hash)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"type": "FAX"}, "type"),
        ({"type": ""}, "type"),
        ({"type": None}, "type"),
        ({"receiver": "ann"}, "receiver"),
        ({"receiver": "a" * 2_000}, "receiver"),
        ({"receiver": ["ann@example.com"]}, "receiver"),
        ({"receiver": "ann@example.com\x00"}, "receiver"),
        ({"reason": "choice"}, "reason"),
        ({"reason": "why not"}, "reason"),
        ({"category": " "}, "category"),
        ({"category": "c" * 101}, "category"),
        ({"scope": "news"}, "scope"),
    ],
)
def test_what_is_wrong_is_named_and_changes_nothing(api: Api, changed: dict[str, Any], field: str) -> None:
    for answer in (api.put("/suppressions", ANN | changed), api.delete_with("/suppressions", ANN | changed)):
        assert answer.status_code == 400
        assert list(json_of(answer)) == [field]
    assert not Suppression.objects.exists()


def test_what_is_missing_is_named(api: Api) -> None:
    assert set(json_of(api.put("/suppressions", {}))) == {"type", "receiver", "reason"}
    assert json_of(api.put("/suppressions", b"{"))["code"] == "malformed"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"receiver": "ann@example.com"}, "type"),
        ({"type": "EMAIL", "receiver": "ann"}, "receiver"),
        ({"type": "SMS", "receiver": " 4915112345678"}, "receiver"),
        ({"type": "FAX"}, "type"),
        ({"user": "ann"}, "user"),
        ({"cursor": "after.x"}, "cursor"),
    ],
)
def test_a_query_that_is_wrong_is_refused(api: Api, query: dict[str, str], field: str) -> None:
    answer = api.get("/suppressions", **query)
    assert (answer.status_code, list(json_of(answer))) == (400, [field])


def test_only_what_is_in_force_is_listed_in_pages(api: Api) -> None:
    score(address_of("EMAIL", "soft@example.com"), SOFT)
    for number in range(5):
        suppress(address_of("EMAIL", f"a{number}@example.com"), SuppressedFor.BOUNCED)
    suppress(address_of("SMS", "+4915112345678"), SuppressedFor.STOP)
    first = json_of(api.get("/suppressions", page_size="4"))
    second = json_of(api.get(first["next"]))
    assert (len(first["results"]), len(second["results"]), second["next"]) == (4, 2, None)
    assert first["results"][0]["type"] == "SMS"
    assert [each["reason"] for each in json_of(api.get("/suppressions", type="SMS"))["results"]] == ["stop"]


def test_the_scope_users_is_needed(db: None, keys_required: None) -> None:
    caller = Api(issue("send", "read", "configure", "metrics"))
    answers = [caller.get("/suppressions"), caller.put("/suppressions", ANN), caller.delete_with("/suppressions", ANN)]
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert caller.post("/suppressions", ANN).status_code == 405
