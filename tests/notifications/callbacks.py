"""Callbacks as providers make them, signed as their documentation says."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

PUBLIC_URL = "https://notify.example.com"
TOKEN = "twilio-token"
SECRET = "events:a long password"
SID = f"SM{'a1' * 16}"
BOB = "+14155550123"
ANN = "ann@example.com"

TWILIO = {"PUBLIC_URL": PUBLIC_URL, "TWILIO_AUTH_TOKEN": TOKEN}
POSTMARK = {
    "EMAIL_BACKEND": "anymail.backends.postmark.EmailBackend",
    "ANYMAIL": {"WEBHOOK_SECRET": SECRET, "POSTMARK_SERVER_TOKEN": "x"},
}


def status_of(status: str = "delivered", **fields: str) -> dict[str, str]:
    """The form of Twilio's status callback."""
    sent = {"AccountSid": f"AC{'0' * 32}", "From": "+14155550100", "To": BOB, "MessageSid": SID, "SmsSid": SID}
    return sent | {"MessageStatus": status, "SmsStatus": status, "ApiVersion": "2010-04-01"} | fields


def text_of(body: str, sid: str = SID, **fields: str) -> dict[str, str]:
    """The form of an inbound text."""
    return {"AccountSid": f"AC{'0' * 32}", "From": BOB, "To": "+14155550100", "MessageSid": sid, "Body": body} | fields


def signature(url: str, form: Mapping[str, str], token: str = TOKEN) -> str:
    """Twilio's: HMAC-SHA1 over the URL and the sorted names and values of the form."""
    signed = url + "".join(f"{name}{form[name]}" for name in sorted(form))
    return base64.b64encode(hmac.digest(token.encode(), signed.encode(), "sha1")).decode()


def form_body(form: Mapping[str, str]) -> bytes:
    return urlencode(form).encode()


def login(secret: str = SECRET) -> str:
    return f"Basic {base64.b64encode(secret.encode()).decode()}"


def postmark(kind: str, **fields: Any) -> bytes:
    """An event of Postmark's: "Delivery", "SpamComplaint", or "Bounce" with its Type."""
    about = {"RecordType": kind, "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483", "Recipient": ANN, "Email": ANN}
    times = {"DeliveredAt": "2026-11-05T16:33:54.9070259Z", "BouncedAt": "2026-11-05T16:33:54.9070259Z"}
    return json.dumps(about | times | {"Details": "", "Metadata": {}} | fields).encode()
