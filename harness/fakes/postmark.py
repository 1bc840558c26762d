"""Postmark's e-mail API, as django-anymail speaks it."""

from __future__ import annotations

import json
from email.utils import formatdate
from typing import Any
from uuid import uuid4

from harness.fakes.fake import Behaviour, serve
from harness.fakes.web import Request, Sent, WebFake

TOKEN = "fake"
WORDS: dict[str | int, str] = {  # django-anymail reads these
    "300": "Invalid 'To' address: '{receiver}'.",
    "406": "You tried to send to a recipient that has been marked as inactive.\nFound inactive addresses: {receiver}.\n"
    "Inactive recipients are ones that have generated a hard bounce or a spam complaint.",
}


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
        body = request.json()
        headers = {header["Name"]: header["Value"] for header in body.get("Headers", [])}
        return Sent(body["To"], body["TextBody"], headers["Message-ID"].strip("<>").partition("@")[0])

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

    def bad(self, behaviour: Behaviour, receiver: str) -> str:
        words = WORDS.get(behaviour.code, "What went wrong, in words").format(receiver=receiver)
        return json.dumps({"ErrorCode": int(behaviour.code or 0), "Message": words})


if __name__ == "__main__":
    serve(PostmarkFake)
