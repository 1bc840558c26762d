"""Every answer is timed under a call and a code of closed lists, whatever was asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from prometheus_client import REGISTRY

from project.timing import Timed


def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if not environ["STATUS"]:
        raise ConnectionError("nobody turned this into an answer")
    start_response(environ["STATUS"], [])
    return [b""]


@pytest.mark.parametrize(
    ("method", "path", "status", "call", "code"),
    [
        ("POST", "/notification", "202 Accepted", "submit", "2xx"),
        ("POST", "/notification", "", "submit", "5xx"),
        ("POST", "/notifications", "503 Service Unavailable", "batch", "5xx"),
        ("GET", "/notification/0190", "404 Not Found", "read", "4xx"),
        ("DELETE", "/users/ann", "204 No Content", "users", "2xx"),
        ("POST", "/admin/login/", "302 Found", "admin", "3xx"),
        ("GET", "", "404 Not Found", "other", "4xx"),
        ("X", "//\x00/notification", "999 ?", "other", "5xx"),
    ],
)
def test_what_is_counted(method: str, path: str, status: str, call: str, code: str) -> None:
    def counted() -> float:
        labels = {"call": call, "code": code}
        return REGISTRY.get_sample_value("notifications_http_request_seconds_count", labels) or 0.0

    before = counted()
    timed: Any = Timed(answer)
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "STATUS": status}
    if status:
        assert list(timed(environ, lambda *_: None)) == [b""]
    else:
        with pytest.raises(ConnectionError):
            timed(environ, lambda *_: None)
    assert counted() == before + 1
