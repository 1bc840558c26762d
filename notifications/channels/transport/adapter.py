"""The requests of a `requests.Session`, as mail providers' libraries make them, over our transport."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from requests import PreparedRequest, Response, Session
from requests.adapters import BaseAdapter

from notifications.channels.transport.answer import Answer
from notifications.channels.transport.blocking import BlockingHttp

# What a library gets to read: its patterns are not ours, and some take the square of the length in time.
LONGEST_BODY = 4_096
DEEPEST_BODY = 100  # brackets; a real answer has a handful, and Python's decoder fails at a thousand within another
OURS = {"accept-encoding", "connection", "content-length", "host", "transfer-encoding"}


class Lean(BaseAdapter):
    """Makes requests with one deadline in total, a bounded answer, no redirects and no proxies.

    `answer` is the latest one, or None where a request got none. `traceparent` is that of the next request.
    """

    def __init__(self, http: BlockingHttp) -> None:
        super().__init__()
        self._http = http
        self.answer: Answer | None = None
        self.traceparent = ""

    def carry(self, session: Session) -> None:
        """Makes all requests of this session go this way."""
        session.trust_env = False  # neither proxies nor passwords out of files
        for scheme in ("https://", "http://"):
            session.mount(scheme, self)

    def send(self, request: PreparedRequest, *_: Any, **__: Any) -> Response:
        """Returns the answer as the library reads it. Raises SendError."""
        self.answer = None
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        if not isinstance(body, bytes):
            raise TypeError("The body must be whole before it is sent.")
        headers = {name: _text(value) for name, value in request.headers.items() if name.lower() not in OURS}
        self.answer = self._http.post(request.url or "", body, headers, self.traceparent)
        return _response(self.answer, request)

    def close(self) -> None:
        self._http.close()


def _response(answer: Answer, request: PreparedRequest) -> Response:
    response = Response()
    response.status_code = answer.status
    response.headers.update({name: value for name, value in answer.headers.items() if name != "location"})
    response.encoding = "utf-8"  # or it would be guessed, at a cost
    response.url = request.url or ""
    response.request = request
    body = answer.body[:LONGEST_BODY]
    response.raw = BytesIO(body if body.count(b"[") + body.count(b"{") <= DEEPEST_BODY else b"")
    return response


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
