"""The short way answers as Django's does, header by header, and leaves to Django what is not plainly a submission."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest.mock import Mock
from wsgiref.types import WSGIApplication, WSGIEnvironment

import pytest
from django.conf import settings as django_settings
from django.core.cache import close_caches
from django.core.handlers.base import reset_urlconf
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import DEFAULT_DB_ALIAS, OperationalError, close_old_connections, connections, reset_queries
from django.test import RequestFactory
from django.urls import resolve
from pytest_django import Settings

from harness.platform import Platform
from harness.services.process import ROOT
from notifications.api import submit
from notifications.messages.explain import Unavailable
from notifications.models import Notification
from project import places, wsgi
from project.short_way import VIEWS, ShortWay
from project.web.body import MAX_BODY
from tests.caller import EMAIL, issue
from users.access.keys import ring
from users.access.models import ApiKey

ONE = json.dumps(EMAIL).encode()
BATCH = json.dumps({"notifications": [EMAIL, EMAIL]}).encode()
AN_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")
TRACE = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"


class Reply(NamedTuple):
    status: str
    headers: dict[str, str]
    body: str


def environ_of(body: bytes = ONE, path: str = "/notification", method: str = "POST", **given: Any) -> WSGIEnvironment:
    """What the server would give; a value of None leaves out what is usual."""
    usual = {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
    environ = RequestFactory().generic(method, path, HTTP_HOST="localhost").environ | usual | given
    return {name: value for name, value in environ.items() if value is not None}


def ask(application: WSGIApplication, environ: WSGIEnvironment) -> Reply:
    """The reply, with every id replaced by the same word."""
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start(status: str, headers: list[tuple[str, str]], _error: Any = None) -> Any:
        started.append((status, headers))

    response: Any = application(environ, start)
    body = b"".join(response).decode()
    if hasattr(response, "close"):
        response.close()
    ((status, headers),) = started
    assert len({name.lower() for name, _ in headers}) == len(headers), "a header twice"
    return Reply(status, {name: AN_ID.sub("ID", value) for name, value in headers}, AN_ID.sub("ID", body))


@pytest.fixture
def django() -> WSGIApplication:
    """Django's way, as Mock counts who goes it."""
    application: WSGIApplication = Mock(wraps=get_wsgi_application())
    return application


@pytest.fixture
def authorized(db: None, settings: Settings) -> dict[str, Any]:
    settings.API_KEYS_REQUIRED = True
    return {"HTTP_AUTHORIZATION": f"Bearer {issue()}"}


@pytest.fixture
def both(authorized: dict[str, Any], django: Any) -> Callable[..., Reply]:
    """Sends a request both ways, the long one first. Returns the reply, which must be the same."""

    def both(*body_and_path: Any, short: bool = True, **given: Any) -> Reply:
        long = ask(django, environ_of(*body_and_path, **authorized | given))
        found = ask(ShortWay(django), environ_of(*body_and_path, **authorized | given))
        assert found == long
        assert django.call_count == (1 if short else 2)
        django.reset_mock()
        return found

    return both


@pytest.fixture(autouse=True)
def finished_requests_close_nothing() -> Iterator[None]:
    """The tests' connection is in a transaction, which Django's test client spares in the same way."""
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    yield
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)


ALWAYS = {"Content-Type": "application/json", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


def test_a_notification_is_accepted(both: Any) -> None:
    reply = both(ONE)
    assert (reply.status, reply.headers["Location"]) == ("202 Accepted", "/notification/ID")
    assert reply.headers.items() >= ALWAYS.items()
    assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert int(reply.headers["Content-Length"]) == len(reply.body) + 34
    assert Notification.objects.count() == 2


def test_a_batch_is_accepted(both: Any) -> None:
    assert both(BATCH, "/notifications").status == "202 Accepted"
    assert Notification.objects.count() == 4


def test_the_trace_of_the_caller_goes_on(both: Any) -> None:
    both(ONE, HTTP_TRACEPARENT=TRACE)
    assert set(Notification.objects.values_list("trace_id", flat=True)) == {TRACE[3:35]}


def test_a_key_gives_the_same_notification_whichever_way(both: Any) -> None:
    both(ONE, HTTP_IDEMPOTENCY_KEY="k")
    assert Notification.objects.count() == 1
    other = json.dumps(EMAIL | {"message": "another"}).encode()
    assert both(other, HTTP_IDEMPOTENCY_KEY="k").status == "409 Conflict"


@pytest.mark.parametrize(
    ("body", "path", "given", "status"),
    [
        (b"", "/notification", {}, 400),
        (b"{", "/notification", {}, 400),
        (b"[]", "/notifications", {}, 400),
        (ONE.replace(b"ann@", b"ann"), "/notification", {}, 400),
        (BATCH.replace(b"Hello", b"\\u0000"), "/notifications", {}, 400),
        (BATCH, "/notifications", {"HTTP_IDEMPOTENCY_KEY": "k"}, 400),
        (ONE, "/notification", {"HTTP_IDEMPOTENCY_KEY": " "}, 400),
        (ONE, "/notification", {"CONTENT_LENGTH": "1000"}, 400),  # the body ends early
        (ONE, "/notification", {"CONTENT_LENGTH": "9" * 30}, 413),
        (ONE, "/notification", {"CONTENT_LENGTH": str(MAX_BODY + 1)}, 413),
        (b"x" * (MAX_BODY + 1), "/notification", {}, 413),
        (b"x" * MAX_BODY, "/notifications", {}, 413),
        (ONE, "/notification", {"HTTP_AUTHORIZATION": "Bearer ntf_unknown"}, 401),
        (ONE, "/notification", {"HTTP_AUTHORIZATION": "Basic x"}, 401),
        (ONE, "/notification", {"HTTP_AUTHORIZATION": None}, 401),
        (ONE, "/notification", {"QUERY_STRING": "a=b"}, 202),
    ],
)
def test_what_is_refused(both: Any, body: bytes, path: str, given: dict[str, Any], status: int) -> None:
    reply = both(body, path, **given)
    assert reply.status.startswith(f"{status} ")
    assert reply.headers.items() >= ALWAYS.items()
    assert ("WWW-Authenticate" in reply.headers) is (status == 401)


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"method": "GET"}, 405),
        ({"method": "HEAD"}, 405),
        ({"method": "OPTIONS"}, 200),
        ({"method": "PUT"}, 405),
        ({"path": "/notifications", "method": "GET", "CONTENT_TYPE": None}, 200),
        ({"path": "/notification/"}, 404),
        ({"path": "/notifications/"}, 404),
        ({"path": "/Notification"}, 404),
        ({"path": "/users"}, 405),
        ({"CONTENT_TYPE": None}, 415),
        ({"CONTENT_TYPE": "text/plain"}, 415),
        ({"CONTENT_TYPE": "application/json; charset=latin-1"}, 415),
        ({"CONTENT_TYPE": "application/json; charset=utf-8"}, 202),
        ({"CONTENT_LENGTH": None}, 400),
        ({"CONTENT_LENGTH": "-1"}, 400),
        ({"CONTENT_LENGTH": None, "HTTP_TRANSFER_ENCODING": "chunked"}, 411),
        ({"CONTENT_LENGTH": None, "HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}, 202),
        ({"HTTP_HOST": "evil.example"}, 400),
        ({"SCRIPT_NAME": "/below"}, 202),
    ],
)
def test_what_goes_to_django(both: Any, given: dict[str, Any], status: int) -> None:
    reply = both(short=False, **given)
    assert reply.status.startswith(f"{status} ")
    assert ("Allow" in reply.headers) is (status in (200, 405))


def test_rights_and_limits(both: Any) -> None:
    reads = {"HTTP_AUTHORIZATION": f"Bearer {issue('read')}"}
    assert both(ONE, **reads).status == "403 Forbidden"
    ApiKey.objects.update(channels=["SMS"])
    ring.forget()
    assert both(ONE).status == "403 Forbidden"


def test_a_limit_says_when_it_ends(both: Any, authorized: dict[str, Any], django: Any) -> None:
    ApiKey.objects.update(per_minute=1)
    ring.forget()
    assert ask(django, environ_of(**authorized)).status == "202 Accepted"
    django.reset_mock()
    reply = both(ONE)
    assert reply.status == "429 Too Many Requests"
    assert {"Retry-After", "RateLimit", "RateLimit-Policy"} <= set(reply.headers)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError("nobody expected it"), 500),
        (OperationalError("the database is away"), 503),
        (Unavailable(), 503),
        (UnicodeEncodeError("utf-8", "x", 0, 1, "why"), 500),
    ],
)
def test_exceptions_are_answered(
    both: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
    status: int,
) -> None:
    monkeypatch.setattr(submit, "accept", Mock(side_effect=error))
    reply = both(ONE)
    assert reply.status.startswith(f"{status} ")
    with_traceback = [record for record in caplog.records if record.exc_info]
    assert len(with_traceback) == (2 if status == 500 else 0), "once for each way"


def test_an_error_while_another_becomes_an_answer_is_answered(
    authorized: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit, "answer_to", Mock(side_effect=RuntimeError))
    found = ask(ShortWay(Mock()), environ_of(b"{", **authorized))
    assert (found.status, json.loads(found.body)["code"]) == ("500 Internal Server Error", "error")


# What the short way leaves out, and what it may rely on.


def test_the_views_are_those_of_the_urls() -> None:
    for path, view in VIEWS.items():
        found: Any = resolve(path).func
        assert issubclass(found.cls, view.__class__)
        assert found.cls.post is view.__class__.post
        assert (found.cls.dispatch, found.cls.answer) == (submit.LeanPost.dispatch, submit.LeanPost.answer)


def test_no_other_middleware_concerns_these_calls() -> None:
    """The short way does what the first two do, and leaves to Django whatever the third would refuse."""
    first = [name.rpartition(".")[2] for name in django_settings.MIDDLEWARE[:4]]
    assert first == ["AnswerHeaders", "KnownHosts", "RefuseWrites", "StraightToTheView"]


def test_no_other_receiver_waits_for_requests() -> None:
    """Those of queries and caches are taken off in wsgi.py; what counts queries in a test puts the first on again."""
    known = {close_old_connections, reset_queries, close_caches, reset_urlconf}
    for signal in (request_started, request_finished):
        receivers, more = signal._live_receivers(None)
        assert set(receivers) <= known
        assert more == []


def test_it_runs_inside_places_alone() -> None:
    assert isinstance(wsgi._places._application, ShortWay)
    assert wsgi._places._application._otherwise is wsgi._django
    environ = environ_of() | {"wsgi.multithread": False}
    assert wsgi._answer_of(environ) is wsgi._django


@pytest.mark.django_db
@pytest.mark.parametrize("during", ["a request", "a body that arrives"])
def test_a_connection_that_became_stale_is_closed_behind_the_request(
    monkeypatch: pytest.MonkeyPatch, during: str
) -> None:
    """As Django's signals do it, which the short way does not send."""
    monkeypatch.setattr(places, "COUNT", 1)
    ours = connections[DEFAULT_DB_ALIAS]
    closed: list[bool] = []

    def answer(_environ: WSGIEnvironment, _start: Any) -> list[bytes]:
        theirs: Any = connections[DEFAULT_DB_ALIAS]
        theirs.connection = Mock()
        theirs.close_at = 0.0  # it is too old
        monkeypatch.setattr(theirs, "get_autocommit", lambda: theirs.settings_dict["AUTOCOMMIT"])
        monkeypatch.setattr(theirs, "close", lambda: closed.append(True))
        if during == "a body that arrives":
            _environ["wsgi.input"].read(1)
            assert closed, "before anybody waited"
        return [b"answer"]

    try:
        assert places.Places(answer)(environ_of(), Mock()) == [b"answer"]
    finally:
        connections[DEFAULT_DB_ALIAS] = ours
    assert closed


def test_with_debug_all_goes_to_django(embedded: Platform) -> None:
    """It keeps the statements of a request, and its own way alone forgets them again."""
    found = "import project.wsgi; print(type(project.wsgi._places._application).__name__)"
    names = []
    for debug in ("false", "true"):
        environment = embedded.environment | {"DEBUG": debug}
        command = [sys.executable, "-c", found]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
        names.append(done.stdout.strip())
    assert names == ["ShortWay", "WSGIHandler"]
