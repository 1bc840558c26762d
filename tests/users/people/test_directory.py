"""PUT, GET and DELETE /users/<username>, GET /users."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User as Account
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from notifications.models import Notification, StaffAction
from tests.caller import EMAIL, Api, issue, json_of, stored
from users.access.models import ApiKey
from users.people.models import Device

MAIL = {"type": "EMAIL", "address": "ann@example.com"}
SMS = {"type": "SMS", "address": "+4915112345678"}
ANN: dict[str, Any] = {"name": "Ann", "devices": [MAIL, SMS]}


def test_made_read_replaced_deleted(api: Api) -> None:
    made = api.put("/users/ann", ANN)
    assert (made.status_code, json_of(made)) == (201, {"username": "ann"} | ANN)
    assert json_of(api.get("/users/ann")) == {"username": "ann"} | ANN
    assert list(Device.objects.values_list("channel", "position")) == [("EMAIL", 0), ("SMS", 1)]
    turned = {"name": "Ann B.", "devices": [SMS, MAIL, MAIL]}
    replaced = api.put("/users/ann", turned)
    assert (replaced.status_code, json_of(replaced)) == (200, {"username": "ann"} | turned)
    assert json_of(api.get("/users/ann")) == {"username": "ann"} | turned
    gone = api.delete("/users/ann")
    assert (gone.status_code, gone.content) == (204, b"")
    assert (api.get("/users/ann").status_code, api.delete("/users/ann").status_code) == (404, 404)
    assert stored() == {"StaffAction": 3}


def test_each_change_is_recorded_with_its_key_and_without_an_address(db: None, keys_required: None) -> None:
    """Clients share the directory, so whoever turns a user's notifications to another address can be found."""
    shop, bank = Api(issue("users", client="shop")), Api(issue("users", client="bank"))
    shop.put("/users/ann", ANN)
    shop.put("/users/ann", ANN)  # which changes nothing
    bank.put("/users/ann", {"name": "Ann", "devices": [{"type": "SMS", "address": "+15005550006"}]})
    bank.put("/users/ann", {"name": "Ann B.", "devices": "wrong"})
    shop.put("/users/ann", {"name": "Ann B.", "devices": [{"type": "SMS", "address": "+15005550006"}]})
    shop.delete("/users/ann")
    shop.delete("/users/ann")
    prefixes = dict(ApiKey.objects.values_list("client", "prefix"))
    actions = StaffAction.objects.order_by("id").values_list("actor", "action", "target", "note")
    assert list(actions) == [
        (f"API key {prefixes[client]}… ({client})", action, "user ann", note)
        for client, action, note in [
            ("shop", "put-user", "new: name, EMAIL, SMS"),
            ("bank", "put-user", "changed: EMAIL, SMS"),
            ("shop", "put-user", "changed: name"),
            ("shop", "delete-user", ""),
        ]
    ]


def test_the_longest_names_are_recorded_too(db: None, keys_required: None) -> None:
    api = Api(issue("users", client="c" * 100))
    assert api.put(f"/users/{'u' * 150}", ANN).status_code == 201
    assert api.delete(f"/users/{'u' * 150}").status_code == 204
    assert StaffAction.objects.count() == 2


def test_name_may_be_left_out_and_devices_may_be_none(api: Api) -> None:
    assert json_of(api.put("/users/ann", {"devices": []})) == {"username": "ann", "name": "", "devices": []}


def test_order_is_the_preference(api: Api) -> None:
    api.put("/users/ann", {"devices": [SMS, MAIL]})
    api.post("/notification", {"user": "ann", "message": "Hello"})
    api.put("/users/ann", {"devices": [MAIL, SMS]})
    api.post("/notification", {"user": "ann", "message": "Hello"})
    assert list(Notification.objects.order_by("id").values_list("channel", flat=True)) == ["SMS", "EMAIL"]


def test_deleting_a_user_leaves_the_ledger(api: Api) -> None:
    api.put("/users/ann", ANN)
    api.post("/notification", {"user": "ann", "message": "Hello"})
    api.delete("/users/ann")
    assert Notification.objects.get().user == "ann"
    assert api.post("/notification", {"user": "ann", "message": "Hello"}).status_code == 400


@pytest.mark.parametrize("flags", [{"is_staff": True}, {"is_superuser": True}, {}])
def test_an_account_is_no_user_and_a_user_of_its_name_is_somebody_else(api: Api, flags: dict[str, Any]) -> None:
    boss = Account.objects.create_user("boss", password="a-long-enough-password-7", **flags)
    assert (api.get("/users/boss").status_code, api.delete("/users/boss").status_code) == (404, 404)
    assert json_of(api.get("/users"))["results"] == []
    before = Account.objects.values().get()
    assert api.put("/users/boss", ANN).status_code == 201
    assert json_of(api.get("/users/boss")) == {"username": "boss"} | ANN
    assert api.delete("/users/boss").status_code == 204
    assert Account.objects.values().get() == before
    assert Account.objects.get() == boss


def test_a_user_is_no_account(api: Api, client: Client) -> None:
    api.put("/users/ann", ANN)
    assert not Account.objects.exists()
    login = {"username": "ann", "password": ""}
    assert client.post("/admin/login/", login | {"password": "x"}).status_code == 200
    assert client.post("/admin/login/", login).status_code == 200
    assert SESSION_KEY not in client.session


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"devices": ...}),
        ({"name": "Ann"}, {"devices": ...}),
        ({"name": 1, "devices": []}, {"name": ...}),
        ({"name": None, "devices": []}, {"name": ...}),
        ({"name": "x" * 256, "devices": []}, {"name": ...}),
        ({"name": "a\x00", "devices": []}, {"name": ...}),
        ({"devices": None}, {"devices": ...}),
        ({"devices": MAIL}, {"devices": ...}),
        ({"devices": [MAIL] * 51}, {"devices": ...}),
        ({"devices": [MAIL, SMS, {"type": "SMS", "address": "x"}]}, {"devices": {"2": {"address": ...}}}),
        ({"devices": [{"type": "FAX", "address": "x"}]}, {"devices": {"0": {"type": ...}}}),
        ({"devices": [{"type": ["SMS"], "address": "x"}]}, {"devices": {"0": {"type": ...}}}),
        ({"devices": [{"type": None, "address": "x"}]}, {"devices": {"0": {"type": ...}}}),
        ({"devices": [{"type": {}, "address": None}]}, {"devices": {"0": {"type": ..., "address": ...}}}),
        ({"devices": [{"type": "SMS", "address": 4915112345678}]}, {"devices": {"0": {"address": ...}}}),
        ({"devices": [{"type": "SMS", "address": None}]}, {"devices": {"0": {"address": ...}}}),
        ({"devices": [{"type": "EMAIL", "address": "a@b.example\x00"}]}, {"devices": {"0": {"address": ...}}}),
        ({"devices": [{"type": "EMAIL", "address": "x" * 5000}]}, {"devices": {"0": {"address": ...}}}),
        ({"devices": [{"type": "SMS"}, {"address": "x"}]}, {"devices": {"0": {"address": ...}, "1": {"type": ...}}}),
        ({"devices": [MAIL | {"id": 1}]}, {"devices": {"0": {"id": ...}}}),
        ({"devices": ["x", 1, None, []]}, {"devices": {place: {"detail": ...} for place in "0123"}}),
        (ANN | {"is_staff": True, "password": "x"}, {"is_staff": ..., "password": ...}),
    ],
    ids=lambda value: json.dumps(value, default=str)[:50],
)
def test_wrong_bodies(api: Api, body: object, errors: object) -> None:
    answer = api.put("/users/ann", body)
    assert answer.status_code == 400
    assert shape(json_of(answer)) == errors
    assert stored() == {}


def shape(errors: Any) -> Any:
    """The errors without their words."""
    if isinstance(errors, dict):
        return {name: shape(inner) for name, inner in errors.items()}
    assert errors
    assert all(isinstance(why, str) and why for why in errors)
    return ...


def test_a_wrong_replacement_changes_nothing(api: Api) -> None:
    api.put("/users/ann", ANN)
    assert api.put("/users/ann", {"name": "B", "devices": [SMS, {"type": "SMS", "address": "x"}]}).status_code == 400
    assert json_of(api.get("/users/ann")) == {"username": "ann"} | ANN


@pytest.mark.parametrize("username", ["a b", "a\tb", "a\n", "a\x00b", "a\x7f", "x" * 151, "\u00a0"])
def test_impossible_usernames(api: Api, username: str) -> None:
    path = f"/users/{quote(username)}"
    answer = api.put(path, ANN)
    assert (answer.status_code, list(json_of(answer))) == (400, ["username"])
    assert (api.get(path).status_code, api.delete(path).status_code) == (404, 404)
    assert stored() == {}


@pytest.mark.parametrize(
    "username", ["42", "ann@example.com", "Ünïcödé", "👩‍🚀", "a%b", "a+b", "..a", "x" * 150, "a?b"]
)
def test_possible_usernames(api: Api, username: str) -> None:
    path = f"/users/{quote(username)}"
    assert api.put(path, ANN).status_code == 201
    assert json_of(api.get(path))["username"] == username
    assert [user["username"] for user in json_of(api.get("/users"))["results"]] == [username]


def test_list_pages(api: Api, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(7):
        api.put(f"/users/u{number}", ANN)
    with django_assert_max_num_queries(7):  # users, devices, and the transaction around them with its limit of time
        first = json_of(api.get("/users?page_size=3"))
    second = json_of(api.get(first["next"]))
    last = json_of(api.get(second["next"]))
    names = [user["username"] for page in (first, second, last) for user in page["results"]]
    assert names == [f"u{number}" for number in range(7)]
    assert (first["previous"], last["next"]) == (None, None)
    assert json_of(api.get(last["previous"]))["results"] == second["results"]
    assert first["results"][0] == {"username": "u0"} | ANN


def test_directory_needs_its_scope(db: None, keys_required: None) -> None:
    other = Api(issue("send", "read", "metrics"))
    answers = [other.get("/users"), other.get("/users/a"), other.put("/users/a", {}), other.delete("/users/a")]
    assert [answer.status_code for answer in answers] == [403] * 4
    assert Api().put("/users/a", ANN).status_code == 401
    assert stored() == {}


def test_hostile_put(api: Api) -> None:
    assert api.request("PUT", "/users/ann", json.dumps(ANN).encode("utf-16")).status_code == 400
    assert api.put("/users/ann", EMAIL).status_code == 400
    assert api.put("/users/ann", {"name": "x" * 7_000_000, "devices": []}).status_code == 413
    lone = b'{"name": "\\ud800", "devices": []}'
    assert api.request("PUT", "/users/ann", lone).status_code == 400
    assert stored() == {}
