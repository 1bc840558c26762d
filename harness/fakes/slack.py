"""Slack: incoming webhooks under /services/, and chat.postMessage under /api/."""

from __future__ import annotations

import json
import time
from typing import Any

from harness.fakes.fake import Behaviour, serve
from harness.fakes.web import Request, Sent, WebFake

API = "/api/chat.postMessage"
WHOSE_TOKEN = "/api/auth.test"

TOKEN = "xoxb-fake"


class SlackFake(WebFake):
    """Receivers are the webhook's whole URL, or the id of a channel or user."""

    def __init__(self, *, token: str = TOKEN, **given: Any) -> None:
        super().__init__(**given)
        self.token = token

    @property
    def webhook_prefix(self) -> str:
        return f"{self.url}/services/"

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/"

    def webhook(self, name: str) -> str:
        """Returns a webhook's URL; `name` is a path such as T1/B1/secret."""
        return self.webhook_prefix + name

    def read(self, request: Request) -> Sent | Behaviour:
        if request.path.startswith("/services/"):
            return Sent(self.url + request.path, request.json()["text"])
        if request.path not in (API, WHOSE_TOKEN):
            return Behaviour(status=404, body="not found")
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return Behaviour(status=200, code="invalid_auth")
        if request.path == WHOSE_TOKEN:
            return Behaviour(status=200, body=json.dumps({"ok": True, "team": "Fakes", "user": "bot"}))
        body = request.json()
        return Sent(body["channel"], body["text"])

    def good(self, sent: Sent, request: Request) -> tuple[int, str]:
        if request.path != API:
            return 200, "ok"
        ts = f"{time.time():.6f}"
        message = {"type": "message", "subtype": "bot_message", "text": sent.text, "ts": ts, "bot_id": "B19LU7CSY"}
        return 200, json.dumps({"ok": True, "channel": sent.receiver, "ts": ts, "message": message})

    def bad(self, behaviour: Behaviour, receiver: str) -> str:
        """The Web API refuses with a 200 (or 429) and JSON; a webhook with a status and a word."""
        if behaviour.status == 200:
            return json.dumps({"ok": False, "error": behaviour.code})
        return str(behaviour.code)


if __name__ == "__main__":
    serve(SlackFake)
