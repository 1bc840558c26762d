"""Errors that are nobody's field: unknown paths, methods, hosts, failing parts. All in JSON."""

from __future__ import annotations

from unittest.mock import patch

import pytest
from django.db import OperationalError
from django.test import Client
from pytest_django import Settings

from notifications.api import submit
from notifications.models import NotificationQuerySet
from tests.caller import EMAIL, Api, json_of


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize(
    "path",
    ["/nothing", "/notification/", "/notifications/", "/notification/a/b", "/users/", "/users/a/b", "/health",
     "/metrics/", "/administration", "/%00", "/%FF", "/notification%00", "/.env", "/notificationsx"],
)  # fmt: skip
def test_unknown_path(api: Api, settings: Settings, path: str, debug: bool) -> None:
    settings.DEBUG = debug
    for answer in (api.get(path), api.post(path, EMAIL)):
        assert (answer.status_code, json_of(answer)["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/notification", {"POST"}),
        ("/notifications", {"GET", "POST"}),
        ("/notification/019a3c5e-7b1f-7cc2-9d0e-3f5a6b7c8d9e", {"GET", "DELETE"}),
        ("/users", {"GET"}),
        ("/users/ann", {"GET", "PUT", "DELETE"}),
        ("/health/live", {"GET"}),
        ("/metrics", {"GET"}),
        ("/schema", {"GET"}),
    ],
)
def test_other_methods(api: Api, path: str, allowed: set[str]) -> None:
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} - allowed:
        answer = api.request(method, path, {})
        assert (answer.status_code, json_of(answer)["code"]) == (405, "method_not_allowed")
        assert set(answer.headers["Allow"].split(", ")) - {"HEAD", "OPTIONS"} == allowed


def test_other_methods_need_a_key_too(api: Api) -> None:
    assert Api().request("PATCH", "/notification", {}).status_code == 401


def test_options_and_head(api: Api) -> None:
    answer = api.request("OPTIONS", "/notifications")
    assert (answer.status_code, json_of(answer)) == (200, {})
    head = api.request("HEAD", "/notifications")
    assert (head.status_code, head.content) == (200, b"")


def test_accept_header_does_not_matter(api: Api) -> None:
    for accept in ("text/html", "application/xml", "nonsense", "*/*;q=0"):
        assert json_of(api.request("GET", "/notifications", Accept=accept))["results"] == []


def test_a_bug_is_a_json_500_and_logged(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with patch.object(submit, "accept", side_effect=ZeroDivisionError("secret detail")):
        answer = api.post("/notification", EMAIL)
    assert (answer.status_code, json_of(answer)["code"]) == (500, "error")
    assert "secret" not in answer.content.decode()
    assert "ZeroDivisionError" in caplog.text


def test_addresses_stay_out_of_the_log(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    assert api.get("/users/ann@example.com").status_code == 404
    assert api.get("/notifications?receiver=ann@example.com&x=1").status_code == 400
    assert api.post("/notification", EMAIL | {"receiver": "ann@example.com\n"}).status_code == 400
    assert "ann" not in caplog.text


def test_a_database_that_is_down(api: Api) -> None:
    api.get("/notifications")  # the API key is read
    with patch.object(NotificationQuerySet, "order_by", side_effect=OperationalError("no route to 10.1.2.3")):
        answer = api.get("/notifications")
    assert (answer.status_code, json_of(answer)["code"]) == (503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert "10.1.2.3" not in answer.content.decode()


def test_admin_keeps_its_pages(db: None) -> None:
    answer = Client().get("/admin/nothing/")
    assert answer.headers["Content-Type"].startswith("text/html")
    redirect = Client().get("/admin")
    assert (redirect.status_code, redirect.headers["Location"]) == (302, "/admin/")


def test_the_bare_address_leads_to_the_docs(api: Api) -> None:
    assert api.get("/").headers["Location"] == "/docs"
