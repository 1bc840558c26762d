"""Postmark's e-mail API, as django-anymail speaks it."""

from __future__ import annotations

import json
from email.utils import formatdate
from typing import Any
from uuid import uuid4

from tests.fakes.fake import Behaviour, serve
from tests.fakes.web import Request, Sent, WebFake

TOKEN = "fake"


class PostmarkFake(WebFake):
    """Receivers are addresses."""

    def __init__(self, *, token: str = TOKEN, **given: Any) -> None:
        super().__init__(**given)
        self.token = token

    def read(self, request: Request) -> Sent | Behaviour:
        if request.headers.get("x-postmark-server-token") != self.token:
            return Behaviour(status=401, code=10)
        if request.path != "/email":
            return Behaviour(status=404, code=0)
        said = request.json()
        headers = {header["Name"]: header["Value"] for header in said.get("Headers", [])}
        return Sent(said["To"], said["TextBody"], headers["Message-ID"].strip("<>").partition("@")[0])

    def good(self, sent: Sent, request: Request) -> tuple[int, str]:
        return 200, json.dumps(
            {
                "To": sent.receiver,
                "SubmittedAt": formatdate(),
                "MessageID": str(uuid4()),
                "ErrorCode": 0,
                "Message": "OK",
            }
        )

    def bad(self, behaviour: Behaviour) -> str:
        return json.dumps({"ErrorCode": int(behaviour.code or 0), "Message": "What went wrong, in words"})


if __name__ == "__main__":
    serve(PostmarkFake)
