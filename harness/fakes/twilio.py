"""Twilio: one account and its Messages."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from uuid import uuid4

from harness.fakes.fake import Behaviour, serve
from harness.fakes.web import Request, Sent, WebFake

ACCOUNT = f"AC{'0' * 32}"
TOKEN = "fake"


@dataclass(frozen=True)
class Text:
    """A text that was accepted, and the URL that its sender wants to be called with what becomes of it."""

    sid: str
    receiver: str
    callback: str


class TwilioFake(WebFake):
    """Receivers are numbers. `texts` are those that were accepted, also where the answer was cut off."""

    def __init__(self, *, account: str = ACCOUNT, token: str = TOKEN, **given: Any) -> None:
        super().__init__(**given)
        self.account = account
        self.token = token
        self.status = "active"  # of the account
        self.texts: list[Text] = []

    def read(self, request: Request) -> Sent | Behaviour:
        wanted = base64.b64encode(f"{self.account}:{self.token}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {wanted}":
            return Behaviour(status=401, code=20003)
        if request.path == f"/2010-04-01/Accounts/{self.account}.json":
            return Behaviour(status=200, body=json.dumps({"sid": self.account, "status": self.status}))
        if request.path != f"/2010-04-01/Accounts/{self.account}/Messages.json":
            return Behaviour(status=404, code=20404)
        form = request.form()
        return Sent(form["To"], form["Body"])

    def good(self, sent: Sent, request: Request) -> tuple[int, str]:
        form, now, sid = request.form(), formatdate(), f"SM{uuid4().hex}"
        uri = f"/2010-04-01/Accounts/{self.account}/Messages/{sid}"
        self.texts.append(Text(sid, sent.receiver, form.get("StatusCallback", "")))
        return 201, json.dumps(
            {
                "account_sid": self.account,
                "api_version": "2010-04-01",
                "body": sent.text,
                "date_created": now,
                "date_sent": None,
                "date_updated": now,
                "direction": "outbound-api",
                "error_code": None,
                "error_message": None,
                "from": form.get("From"),
                "messaging_service_sid": form.get("MessagingServiceSid"),
                "num_media": "0",
                "num_segments": "1",
                "price": None,
                "price_unit": None,
                "sid": sid,
                "status": "queued",
                "subresource_uris": {"media": f"{uri}/Media.json"},
                "to": sent.receiver,
                "uri": f"{uri}.json",
            }
        )

    def bad(self, behaviour: Behaviour, receiver: str) -> str:
        return json.dumps(
            {
                "code": behaviour.code or None,
                "message": f"What went wrong with {receiver}, in words",
                "more_info": f"https://www.twilio.com/docs/errors/{behaviour.code}",
                "status": behaviour.status,
            }
        )


if __name__ == "__main__":
    serve(TwilioFake)
