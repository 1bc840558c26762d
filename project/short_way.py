"""The short way of POST /notification and POST /notifications: from the server to their views without Django between.

Django's handling costs some 80 µs of CPU a request, four times what checking and recording a notification takes. The
views read of a request its environment and its body alone, and answer with status, bytes and headers. So what is left
out, and why that is safe:

- **Django's request and response.** Nothing else of them is read or sent. Our headers are none of a caller's making,
  so none needs Django's check for line breaks.
- **The signals of a request's start and end.** One receiver closes connections that are stale or broken: `Places`
  looks at a place's connection whenever it is taken and left, and the short way runs inside a place alone. Another
  undoes the URLs that a request chose, and none does here. Two more are taken off in wsgi.py, which does not take this
  way where DEBUG is set.
- **Middleware.** `KnownHosts` and `AnswerHeaders` are asked here, by the functions that they use themselves. While
  the platform is read-only, which `RefuseWrites` looks at, every request goes to Django. The others are passed by on
  Django's way too: no session, cookie or CSRF token concerns these calls.
- **`django.request`'s log line of a refused request.** settings.LOGGING drops it; an error that nobody expected is
  logged by `answer_to`, with its traceback.
- **The script prefix and the resolver.** No URL is built, and a request below a prefix goes to Django.

Everything that is not plainly one of the two calls goes to Django: another method, path, host, media type or
encoding, no length. A test sends each kind of request both ways and compares status, headers and body.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from notifications.api.submit import LeanPost, SubmitBatch, SubmitOne
from notifications.ledger.pauses.read_only import mode
from project.web.errors import JSON, as_json, unexpected
from project.web.middleware import answer_headers, host_of, is_allowed

LENGTH = re.compile(r"[0-9]{1,99}")  # more digits than 4,300 are no number to Python
VIEWS: dict[str, LeanPost] = {"/notification": SubmitOne(), "/notifications": SubmitBatch()}
HEADERS = {path: {"Content-Type": JSON} | answer_headers(path) for path in VIEWS}
STATUS_LINES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}


class ShortCall:
    """A request as the views read it. Its body ends at the declared length, as that of Django's request does."""

    def __init__(self, environ: WSGIEnvironment) -> None:
        self.META: dict[str, Any] = environ
        self._left = int(environ["CONTENT_LENGTH"])

    def read(self, size: int, /) -> bytes:
        body: bytes = self.META["wsgi.input"].read(min(size, self._left))
        self._left -= len(body)
        return body


class ShortWay:
    """A WSGI application that answers these two calls, and asks another one for everything else."""

    def __init__(self, otherwise: WSGIApplication) -> None:
        self._otherwise = otherwise

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path not in VIEWS or not _is_plain(environ) or mode.in_force():
            return self._otherwise(environ, start_response)
        try:
            status, body, headers = VIEWS[path].answer(ShortCall(environ))
        except Exception as error:  # one that came up while another became an answer
            status, body, headers = as_json(*unexpected(error))
        named = HEADERS[path] | headers | {"Content-Length": str(len(body))}
        start_response(STATUS_LINES[status], list(named.items()))
        return [body]


def _is_plain(environ: WSGIEnvironment) -> bool:
    return bool(
        environ["REQUEST_METHOD"] == "POST"
        and environ.get("CONTENT_TYPE") == JSON
        and LENGTH.fullmatch(environ.get("CONTENT_LENGTH", ""))
        and "HTTP_TRANSFER_ENCODING" not in environ
        and not environ.get("SCRIPT_NAME")
        and is_allowed(host_of(environ))
    )
