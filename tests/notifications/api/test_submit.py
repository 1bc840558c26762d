"""Notifications come in: what is accepted, what is answered, and in which order a request is judged."""

from __future__ import annotations

from unittest.mock import patch
from uuid import UUID

import pytest
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import OperationalError
from django.test import Client
from pytest_django import Settings

from notifications.brokers import ledger_queue
from notifications.models import IdempotencyKey, Notification
from tests.caller import EMAIL, Api, issue, json_of, stored
from users.people.models import Device, User

SMS = {"type": "SMS", "message": " Hello ", "receiver": "+4915112345678"}


def test_accepted_and_in_the_ledger(api: Api) -> None:
    answer = api.post("/notification", EMAIL | {"subject": " Hi ", "reference": "r", "html": "<b>Hi</b>"})
    assert answer.status_code == 202
    assert set(json_of(answer)) == {"id", "status"}
    assert json_of(answer)["status"] == "accepted"
    assert answer.headers["Location"] == f"/notification/{json_of(answer)['id']}"
    row = Notification.objects.get()
    assert (str(row.id), row.id.version, row.client) == (json_of(answer)["id"], 7, "shop")
    assert (row.channel, row.receiver, row.message) == ("EMAIL", "ann@example.com", "Hello World")
    assert (row.subject, row.reference, row.html) == (" Hi ", "r", "<b>Hi</b>")


def test_nothing_is_trimmed_or_changed(api: Api) -> None:
    text = " \u200d👩\u200d🚀 \t\r\nno\u00a0break \\ \" ' </script> "
    api.post("/notification", SMS | {"message": text})
    assert Notification.objects.get().message == text


def test_batch_in_order(api: Api) -> None:
    answer = api.post("/notifications", {"notifications": [EMAIL | {"reference": str(n)} for n in range(20)]})
    assert answer.status_code == 202
    rows = {str(row.id): row.reference for row in Notification.objects.all()}
    assert [rows[item["id"]] for item in json_of(answer)["notifications"]] == [str(n) for n in range(20)]
    assert {item["status"] for item in json_of(answer)["notifications"]} == {"accepted"}


def test_to_a_user(api: Api) -> None:
    ann = User.objects.create(username="ann")
    Device.objects.create(user=ann, channel="SMS", address="+4915112345678", position=0)
    Device.objects.create(user=ann, channel="EMAIL", address="ann@example.com", position=1)
    first = api.post("/notification", {"user": "ann", "message": "Hello"})
    typed = api.post("/notification", {"user": "ann", "type": "EMAIL", "message": "Hello"})
    assert (first.status_code, typed.status_code) == (202, 202)
    assert list(Notification.objects.order_by("id").values_list("channel", "receiver", "user")) == [
        ("SMS", "+4915112345678", "ann"),
        ("EMAIL", "ann@example.com", "ann"),
    ]


def test_user_without_such_a_device(api: Api) -> None:
    User.objects.create(username="ann")
    answer = api.post("/notification", {"user": "ann", "type": "SMS", "message": "Hello"})
    assert (answer.status_code, list(json_of(answer))) == (400, ["user"])


def test_key_is_checked_before_the_body_is_looked_at(keys_required: None, db: None) -> None:
    for path in ("/notification", "/notifications"):
        answer = Api().request("POST", path, b"[" * 1000, content_type="text/plain")
        assert (answer.status_code, json_of(answer)["code"]) == (401, "not_authenticated")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        answer = Api(issue("read")).request("POST", path, b"[" * 1000, content_type="text/plain")
        assert (answer.status_code, json_of(answer)["code"]) == (403, "permission_denied")
        assert "send" in json_of(answer)["detail"]
    assert stored() == {}


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/vnd.api+json",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
        "application/json, application/json",
    ],
)
def test_other_media_types(api: Api, content_type: str) -> None:
    for method, path in (("POST", "/notification"), ("POST", "/notifications"), ("PUT", "/users/ann")):
        answer = api.request(method, path, EMAIL, content_type=content_type)
        assert (answer.status_code, json_of(answer)["code"]) == (415, "unsupported_media_type")
    assert stored() == {}


@pytest.mark.parametrize(
    "content_type",
    ["application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"', "application/json ; x=y"],
)
def test_json_in_other_words(api: Api, content_type: str) -> None:
    assert api.request("POST", "/notification", EMAIL, content_type=content_type).status_code == 202


def test_media_type_comes_before_length_and_length_before_content(api: Api) -> None:
    large = b"[" * (6 * 1024 * 1024 + 1)
    assert api.request("POST", "/notification", large, content_type="text/plain").status_code == 415
    assert api.post("/notification", large).status_code == 413


def test_same_key_and_body_is_one_notification(api: Api) -> None:
    first = api.post("/notification", EMAIL, Idempotency_Key="order 4711")
    second = api.post("/notification", dict(reversed(EMAIL.items())), Idempotency_Key="order 4711")
    assert (first.status_code, second.status_code) == (202, 202)
    assert json_of(first) == json_of(second)
    assert (Notification.objects.count(), IdempotencyKey.objects.count()) == (1, 1)


def test_same_key_and_another_body_is_a_conflict(api: Api) -> None:
    api.post("/notification", EMAIL, Idempotency_Key="k")
    answer = api.post("/notification", EMAIL | {"message": "Other"}, Idempotency_Key="k")
    assert (answer.status_code, list(json_of(answer))) == (409, ["idempotency_key"])
    assert Notification.objects.get().message == "Hello World"


def test_keys_of_two_clients_are_two(api: Api) -> None:
    other = Api(issue(client="bank"))
    assert json_of(api.post("/notification", EMAIL, Idempotency_Key="k")) != json_of(
        other.post("/notification", EMAIL, Idempotency_Key="k")
    )


def test_conflict_in_a_batch_is_named_and_nothing_is_accepted(api: Api) -> None:
    items = [EMAIL, EMAIL | {"idempotency_key": "k"}, EMAIL | {"idempotency_key": "k", "message": "Other"}]
    answer = api.post("/notifications", {"notifications": items})
    assert answer.status_code == 409
    assert json_of(answer)["notifications"]["2"]["idempotency_key"]
    assert stored() == {}


@pytest.mark.parametrize("key", ["", "  ", "x" * 256, "a\tb", "a\x7f", "a\x00", "ключ", "\u00e9"])
def test_unusable_key(api: Api, key: str) -> None:
    answer = api.post("/notification", EMAIL, Idempotency_Key=key)
    assert (answer.status_code, list(json_of(answer))) == (400, ["Idempotency-Key"])
    assert stored() == {}


def test_longest_key(api: Api) -> None:
    assert api.post("/notification", EMAIL, Idempotency_Key="x" * 255).status_code == 202


def test_key_header_on_a_batch(api: Api) -> None:
    answer = api.post("/notifications", {"notifications": [EMAIL]}, Idempotency_Key="k")
    assert (answer.status_code, list(json_of(answer))) == (400, ["Idempotency-Key"])
    assert stored() == {}


def test_trace_goes_on(api: Api) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    api.post("/notification", EMAIL, traceparent=f"00-{trace}-00f067aa0ba902b7-01")
    assert Notification.objects.get().trace_id == trace


@pytest.mark.parametrize("traceparent", ["", "x", "00-zz", "\u00e9" * 5000, f"00-{'0' * 32}-{'1' * 16}-01"])
def test_strange_trace_is_dropped(api: Api, traceparent: str) -> None:
    assert api.post("/notification", EMAIL, traceparent=traceparent).status_code == 202
    assert Notification.objects.get().trace_id.strip("0"), "it began one of its own"


def test_nobody_can_take_it(api: Api) -> None:
    with patch.object(ledger_queue.EmbeddedBroker, "publish", side_effect=OperationalError("disk full")):
        for path, body in (("/notification", EMAIL), ("/notifications", {"notifications": [EMAIL]})):
            answer = api.post(path, body)
            assert (answer.status_code, json_of(answer)["code"]) == (503, "unavailable")
            assert int(answer.headers["Retry-After"]) > 0
    assert stored() == {}


def test_local_caller_needs_no_key_in_the_embedded_default(db: None, settings: Settings) -> None:
    settings.API_KEYS_REQUIRED = False
    answer = Api().post("/notification", EMAIL)
    assert answer.status_code == 202
    assert Notification.objects.get(id=UUID(json_of(answer)["id"])).client == "local"


def test_api_calls_go_past_what_only_pages_need(api: Api) -> None:
    with patch.object(SessionMiddleware, "__call__", side_effect=AssertionError("a session for an API call")):
        assert api.post("/notification", EMAIL).status_code == 202
        for path in ("/notifications", "/users", "/health/live", "/metrics"):
            assert api.get(path).status_code == 200
        assert api.get("/docs").status_code == 500  # what a page would meet


def test_csrf_token_is_not_asked_for(api: Api) -> None:
    api.client = Client(enforce_csrf_checks=True)
    assert api.post("/notification", EMAIL).status_code == 202
