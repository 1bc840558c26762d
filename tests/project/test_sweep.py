"""Every method on every URL, with and without a key or a session, with strange headers and queries.

Never a 500, never anything for a stranger or a key of another scope, and never without the headers of every answer.
The sweeps run on PostgreSQL alone, the stricter one: it takes no NUL and no number out of range.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.caller import EMAIL, issue
from tests.desk import letter, superuser
from users.access.models import SCOPES

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
TYPES = ("application/json", "text/html", "", "application/x-www-form-urlencoded; charset=nonsense",
         "multipart/form-data", "multipart/form-data; boundary=\xff", "application/x-www-form-urlencoded")  # fmt: skip
QUERIES = ("", "?page=x", "?p=99999999999999999999", "?o=9.-9.x", "?%00=%00", "?q=%00", "?%ff=%ff", "?_facets=True",
           "?e=1", "?script", "?format=x", "?cursor=x&page_size=0", "?ids=x,%00", "?lang=xx", "?next=//evil.example",
           "?_to_field=x&_popup=1", "?app_label=x&model_name=y&field_name=z&term=%00")  # fmt: skip
COOKIES = ("sessionid=%00; csrftoken=x", "sessionid=\xff", "messages=%00; csrftoken=" + "a" * 32, "=;;=", "x" * 9_000)

# What strangers get something of: logging in and out, what leads there and to the documentation, texts of the admin.
OPEN = {
    *("/", "/admin", "/admin/login/", "/admin/logout/", "/admin/jsi18n/", "/health/live", "/health/ready"),
    *("/docs/", "/schema/", "/favicon.ico"),  # lead to another path, which asks for itself
}
WITHOUT_SCOPE = {
    *("/health/live", "/health/ready", "/schema", "/docs"),
    *("/callbacks/twilio/status", "/callbacks/twilio/inbound", "/callbacks/anymail/<str:provider>/tracking/"),  # signed
}


def paths(resolver: URLResolver | None = None, before: str = "/") -> Iterator[str]:
    """Each pattern with something of the right kind in its places, and once with nothing that exists."""
    for pattern in (resolver or get_resolver()).url_patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from paths(pattern, route)
        elif isinstance(pattern, URLPattern) and "(" not in route:
            places = {"<str:id>": "019a3c5e-7b1f-7cc2-9d0e-3f5a6b7c8d9e", "<path:object_id>": "1"}
            for filling in ("1", "%00", "9" * 20):
                yield filled(route, places | {place: filling for place in ("<str:id>",) if filling != "1"}, filling)


def filled(route: str, places: dict[str, str], other: str) -> str:
    head, opening, rest = route.partition("<")
    if not opening:
        return head
    place, _, tail = rest.partition(">")
    return head + places.get(f"<{place}>", other) + filled(tail, places, other)


URLS = sorted(dict.fromkeys([*paths(), "/nowhere", "/admin/nowhere/", "/static/nowhere", "/admin/x/y/z"]))


OF_PEOPLE = ("/p/", "/u/")  # pages whose address is all that somebody needs to speak for a person
PAGES = ("/admin/", *OF_PEOPLE)


def check(path: str, answer: Any) -> None:
    kind = answer.headers.get("Content-Type", "")
    assert answer.status_code < 500, (path, answer.status_code)
    if answer.status_code >= 400 and not path.startswith("/static/"):
        assert kind.startswith("text/html" if path.startswith(PAGES) else "application/json") or (
            path.startswith("/admin/") and not answer.content.startswith(b"{")
        ), (path, answer.status_code, kind)
    if kind == "application/json" and answer.content:
        json.loads(answer.content)
    assert answer.headers["X-Content-Type-Options"] == "nosniff", path
    of_people = {"no-referrer"} if path.startswith(OF_PEOPLE) else set()
    assert answer.headers["Referrer-Policy"] in {"same-origin", *of_people}, path
    assert "no-store" in answer.headers["Cache-Control"], path
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src" in policy and "frame-ancestors 'none'" in policy, path
    assert "'unsafe-inline'" not in policy.replace("style-src 'self' 'unsafe-inline'", ""), path


def check_refused(path: str, answer: Any) -> None:
    """A stranger gets nothing: an error, or the way to the log-in."""
    assert answer.status_code in (302, 400, 401, 403, 404, 405), (path, answer.status_code)
    if answer.status_code == 302:
        assert answer["Location"].partition("?")[0] == "/admin/login/", path


@pytest.fixture
def callers(db: None, keys_required: None) -> list[tuple[Client, dict[str, str]]]:
    """A stranger, a client that may do everything, and a superuser."""
    letter()
    staff = Client(raise_request_exception=False)
    staff.force_login(superuser("anna"))
    key = {"Authorization": f"Bearer {issue()}"}
    return [(stranger(), {}), (stranger(), key), (staff, {})]


def stranger() -> Client:
    """Without a CSRF token, as a browser that was led here would be."""
    return Client(raise_request_exception=False, enforce_csrf_checks=True)


@pytest.mark.postgresql
@pytest.mark.parametrize("path", URLS)
def test_every_method(callers: list[tuple[Client, dict[str, str]]], path: str) -> None:
    body = json.dumps(EMAIL).encode()
    for number, method in enumerate(METHODS):
        kind = TYPES[number % len(TYPES)]
        nobodys, *others = (client.generic(method, path, body, kind, headers=headers) for client, headers in callers)
        for answer in (nobodys, *others):
            check(path, answer)
        if path not in OPEN:
            check_refused(path, nobodys)


@pytest.mark.postgresql
@pytest.mark.parametrize("path", [path for path in URLS if "%" not in path])
def test_every_query_and_cookie(callers: list[tuple[Client, dict[str, str]]], path: str) -> None:
    client, headers = callers[2 if path.startswith("/admin/") else 1]
    for query in QUERIES:
        check(path, client.generic("GET", path + query, headers=headers))
    for cookie in COOKIES:
        for method in ("GET", "POST"):
            check(path, stranger().generic(method, path, headers={"Cookie": cookie}))


def test_a_key_with_every_scope_but_the_one_is_refused(db: None, keys_required: None) -> None:
    """Of every call and method. A call that names no scope must be known here."""
    views: dict[str, Any] = {}
    for pattern in get_resolver().url_patterns:
        if view := getattr(getattr(pattern, "callback", None), "cls", None):
            views[f"/{pattern.pattern}"] = view
    keys = {scope: issue(*(other for other in SCOPES if other != scope)) for scope in SCOPES}
    assert {path for path, view in views.items() if not hasattr(view, "scopes")} == WITHOUT_SCOPE
    for route, view in views.items():
        path = filled(route, {}, "1")
        for method, scope in getattr(view, "scopes", {}).items():
            headers = {"Authorization": f"Bearer {keys[scope]}"}
            answer = stranger().generic(method, path, b"{}", "application/json", headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied"), (method, path)
            assert f"'{scope}'" in answer.json()["detail"]


@pytest.mark.parametrize(("path", "status"), [("/nowhere", 404), ("/", 405), ("/admin", 405), ("/docs", 405)])
def test_a_form_from_elsewhere_gets_the_answer_of_its_path(
    callers: list[tuple[Client, dict[str, str]]], path: str, status: int
) -> None:
    client, headers = callers[1]
    assert client.post(path, {"a": "form"}, headers=headers).status_code == status
