"""Times the web's answers: which call it was, which kind of answer it got, and how long that took."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import product
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from project import metrics

SUBMITS = {("POST", "/notification"): "submit", ("POST", "/notifications"): "batch"}
BY_FOLDER = {"notification": "read", "notifications": "read", "users": "users", "admin": "admin"}
OTHERS = "other"
CALLS = (*SUBMITS.values(), "read", "users", "admin", OTHERS)
CODES = {digit: f"{digit}xx" for digit in "2345"}
FAILED = CODES["5"]

_seconds = {each: metrics.http_request_seconds.labels(*each) for each in product(CALLS, CODES.values())}


class Timed:
    """A WSGI application that times another one, from the request's headers to its answer; its body is in it.

    What the application raises is a 500 to the caller, so it counts as one.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        began, code = time.perf_counter(), FAILED

        def start(status: str, *arguments: Any) -> Any:
            nonlocal code
            code = CODES.get(status[0], FAILED)
            return start_response(status, *arguments)

        try:
            return self._application(environ, start)
        finally:
            _seconds[call_of(environ), code].observe(time.perf_counter() - began)


def call_of(environ: WSGIEnvironment) -> str:
    """Returns one of CALLS, whatever somebody asks for."""
    path = environ["PATH_INFO"]
    return SUBMITS.get((environ["REQUEST_METHOD"], path)) or BY_FOLDER.get(path[1:].partition("/")[0], OTHERS)
