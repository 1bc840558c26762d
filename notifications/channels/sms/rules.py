"""SMS over Twilio's Messages API. Receivers are E.164 numbers."""

from __future__ import annotations

import re
from typing import ClassVar, Self
from urllib.parse import urlencode

import msgspec
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from twilio.http.response import Response
from twilio.rest import Client

from notifications.channels.base import Channel, Outgoing
from notifications.channels.outcomes import Cause, SendError
from notifications.channels.redaction import message_id, shown
from notifications.channels.sms import countries
from notifications.channels.sms.twilio_codes import CODES
from notifications.channels.statuses import retry_after, status_error
from notifications.channels.transport.http import Answer, Http, basic

E164 = re.compile(r"\+[1-9][0-9]{7,14}")

SID = re.compile(r"(?:SM|MM)[0-9a-fA-F]{32}")


class Sms(Channel):
    """Sends texts by Twilio."""

    name: ClassVar[str] = "SMS"
    max_message: ClassVar[str] = "1,600 characters"
    provider = "twilio"

    def __init__(self, http: Http, *, account: str, token: str, sender: str, base_url: str) -> None:
        """`sender` is a number, a short code or name, or a messaging service (MG…)."""
        client = Client(account, token, http_client=_Lean(http, account, token))
        client.api.base_url = base_url
        self._messages = client.messages
        self._sender = {"messaging_service_sid" if sender.startswith("MG") else "from_": sender}
        self._http = http

    @classmethod
    def from_settings(cls) -> Self:
        for name in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM"):
            if not getattr(settings, name):
                raise ImproperlyConfigured(f"{name} must be set for the SMS channel.")
        return cls(
            Http(settings.SEND_TIMEOUT_SECONDS),
            account=settings.TWILIO_ACCOUNT_SID,
            token=settings.TWILIO_AUTH_TOKEN,
            sender=settings.TWILIO_FROM,
            base_url=settings.TWILIO_BASE_URL,
        )

    @classmethod
    def receiver_problem(cls, receiver: str) -> str | None:
        if E164.fullmatch(receiver):
            return None
        return "Must be one phone number in E.164: + and 8 to 15 digits, such as +14155550123."

    @classmethod
    def intake_problem(cls, receiver: str) -> str | None:
        return countries.problem(receiver)

    @classmethod
    def canonical(cls, receiver: str) -> str:
        return receiver

    @classmethod
    def too_long(cls, text: str) -> bool:
        return len(text) > 1_600

    @classmethod
    def mask(cls, receiver: str) -> str:
        return f"{receiver[:3]}…{receiver[-2:]}" if len(receiver) > 8 else "…"

    def send(self, notification: Outgoing) -> str:
        if self.receiver_problem(notification.receiver):
            raise SendError(Cause.INVALID_RECEIVER, "Not a number in E.164.", permanent=True)
        message = self._messages.create(to=notification.receiver, body=notification.message, **self._sender)
        return str(message.sid or "")

    def close(self) -> None:
        self._http.close()


class _Lean:
    """The SDK's requests over our transport. Refusals leave here as SendError."""

    def __init__(self, http: Http, *credentials: str) -> None:
        self._http = http
        self._credentials = credentials

    def request(
        self,
        _method: str,
        uri: str,
        *,
        data: dict[str, str],
        headers: dict[str, str],
        auth: tuple[str, str],
        **_: object,
    ) -> Response:
        authorization = basic(*auth)
        answer = self._http.post(uri, urlencode(data).encode(), {**headers, "Authorization": authorization})
        secrets = (data["To"], *self._credentials, authorization)
        if not 200 <= answer.status < 300:
            raise _refused(answer, secrets)
        sid = message_id(SID, answer.json().get("sid"), data["To"])
        if not sid and answer.status != 201:  # a 201 says that the message exists, whatever can be read of it
            raise SendError(Cause.OUTCOME_UNKNOWN, f"Twilio answered {answer.status} without an id.", uncertain=True)
        return Response(201, msgspec.json.encode({"sid": sid}).decode())  # the SDK reads no stranger's fields


def _refused(answer: Answer, secrets: tuple[str, ...]) -> SendError:
    """What a refusal means: by Twilio's code; one that is not in the table never blames the text."""
    said = answer.json()
    code, words = said.get("code"), said.get("message")
    number = str(code) if isinstance(code, int) else ""
    detail = f"{answer.status} {number} {shown(words, *secrets) if isinstance(words, str) else ''}"
    wait = retry_after(answer.headers.get("retry-after"))
    meaning = CODES.get(code) if isinstance(code, int) else None
    if meaning:
        return meaning.error(" ".join(detail.split()), wait)
    return status_error(answer.status, " ".join(detail.split()), wait, text_by_status=False)
