"""Under which names the web answers, and what its answers say to browsers and caches."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import Settings

from notifications.models import Notification
from tests.caller import EMAIL, Api, json_of

FOREIGN = ["evil.example", "evil.example:8020", "127.0.0.1.evil.example", "localhost@evil.example", "a b", "\n",
           "[::1", "x" * 20_000, "10.1.2.3", "\xff", "localhost:x", ".localhost"]  # fmt: skip
PATHS = ["/notification", "/notifications", "/users", "/users/ann", "/schema", "/docs", "/", "/nowhere", "/admin/",
         "/admin/login/", "/static/nowhere"]  # fmt: skip


@pytest.mark.parametrize("keys_required", [True, False])
@pytest.mark.parametrize("host", FOREIGN)
def test_a_foreign_host_is_refused_with_one_line(
    api: Api, settings: Settings, caplog: pytest.LogCaptureFixture, host: str, keys_required: bool
) -> None:
    settings.API_KEYS_REQUIRED = keys_required
    settings.DEBUG = not keys_required
    for path in PATHS:
        for answer in (api.request("GET", path, Host=host), api.post(path, EMAIL, Host=host)):
            assert answer.status_code == 400
            if path.startswith("/admin/"):
                assert answer.headers["Content-Type"].startswith("text/html")
            else:
                assert json_of(answer)["code"] == "bad_request"
    assert Notification.objects.count() == 0
    lines = [
        record for record in caplog.records if not record.name.startswith("notifications.brokers")
    ]  # of other tests
    assert len(lines) == 2 * len(PATHS)
    assert not any(record.exc_info or len(record.getMessage()) > 200 for record in lines)


def test_a_host_that_is_allowed_is_taken_in_every_spelling(api: Api, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["notifications.example", ".internal.example"]
    for host in ("notifications.example", "NOTIFICATIONS.example:8020", "notifications.example.", "a.internal.example"):
        assert api.request("GET", "/notifications", Host=host).status_code == 200
    assert api.request("GET", "/notifications", Host="testserver").status_code == 400


def test_probes_and_scrapes_ask_by_address(api: Api, settings: Settings) -> None:
    assert api.request("GET", "/health/live", Host="anything").status_code == 200
    for address in ("10.1.2.3:8020", "[2001:db8::1]:8020", "10.1.2.3"):
        assert api.request("GET", "/metrics", Host=address).status_code == 200
    assert api.request("GET", "/metrics", Host="evil.example").status_code == 400
    settings.API_KEYS_REQUIRED = False
    assert api.request("GET", "/metrics", Host="10.1.2.3").status_code == 400


@pytest.mark.parametrize("path", [*PATHS, "/metrics", "/health/live"])
def test_every_answer_bounds_what_a_browser_does_with_it(api: Api, path: str) -> None:
    for client in (api, Api()):
        for answer in (client.get(path), client.post(path, EMAIL), client.request("OPTIONS", path)):
            policy = answer.headers["Content-Security-Policy"]
            assert ("default-src 'self'" if page(path) else "default-src 'none'") in policy
            assert "frame-ancestors 'none'" in policy
            assert ("'unsafe-eval'" in policy) is path.startswith("/admin/")
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


def page(path: str) -> bool:
    return path.startswith(("/admin/", "/docs", "/static/"))


@pytest.mark.parametrize("path", ["/notifications", "/users", "/users/ann", "/metrics", "/schema", "/docs", "/nowhere"])
def test_what_is_made_for_a_key_is_not_stored(api: Api, path: str) -> None:
    api.put("/users/ann", {"devices": [{"type": "EMAIL", "address": "ann@example.com"}]})
    assert api.get(path).headers["Cache-Control"] == "no-store"
    assert api.post("/notification", EMAIL).headers["Cache-Control"] == "no-store"


def test_pages_of_the_admin_are_not_stored(db: None) -> None:
    assert "no-store" in Client().get("/admin/login/").headers["Cache-Control"]
