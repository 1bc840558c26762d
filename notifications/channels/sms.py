"""SMS over Twilio's Messages API. Receivers are E.164 numbers."""

from __future__ import annotations

import re
from typing import ClassVar, Self
from urllib.parse import urlencode

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from twilio.http.response import Response
from twilio.rest import Client

from notifications.causes import Cause
from notifications.channels import Channel, Outgoing, SendError, countries
from notifications.channels.http import Answer, Http, basic, refusal, retry_after, shown

E164 = re.compile(r"\+[1-9][0-9]{7,14}")

# Twilio's error codes. Of this message: trying again cannot help.
PERMANENT = {
    21211: Cause.INVALID_RECEIVER,  # "To" is not a valid number
    21214: Cause.INVALID_RECEIVER,  # "To" cannot be reached
    21217: Cause.INVALID_RECEIVER,  # not a valid number
    21408: Cause.CREDENTIALS,  # the account may not send to this country
    21602: Cause.REJECTED_CONTENT,  # no body
    21605: Cause.REJECTED_CONTENT,  # body over the old limit
    21610: Cause.OPTED_OUT,  # the receiver answered STOP
    21612: Cause.UNKNOWN_RECEIVER,  # no route from our number to this one
    21614: Cause.UNKNOWN_RECEIVER,  # not a mobile number
    21617: Cause.REJECTED_CONTENT,  # body over 1,600 characters
    30004: Cause.OPTED_OUT,  # blocked by the receiver
    30005: Cause.UNKNOWN_RECEIVER,  # unknown destination
    30006: Cause.UNKNOWN_RECEIVER,  # a landline, or a carrier that cannot be reached
    30007: Cause.REJECTED_CONTENT,  # filtered by the carrier
}
# Of the account or of Twilio: the next try may be answered otherwise.
TRANSIENT = {
    20003: Cause.CREDENTIALS,  # wrong token
    20005: Cause.CREDENTIALS,  # account not active
    20404: Cause.CREDENTIALS,  # no such account
    20429: Cause.THROTTLED,  # too many requests
    14107: Cause.THROTTLED,  # rate limit exceeded
    21212: Cause.CREDENTIALS,  # TWILIO_FROM is not a number we may use
    21603: Cause.CREDENTIALS,  # TWILIO_FROM is missing
    21606: Cause.CREDENTIALS,  # TWILIO_FROM cannot send texts
    21611: Cause.THROTTLED,  # the sending number's queue is full
    30001: Cause.THROTTLED,  # the account's queue is full
    30002: Cause.CREDENTIALS,  # account suspended
    30003: Cause.PROVIDER_ERROR,  # the handset is off or out of reach
    30008: Cause.PROVIDER_ERROR,  # unknown error at the carrier
    30022: Cause.THROTTLED,  # the campaign's rate
    63038: Cause.THROTTLED,  # the account's daily limit
}


class Sms(Channel):
    """Sends texts by Twilio."""

    name: ClassVar[str] = "SMS"
    max_message: ClassVar[str] = "1,600 characters"
    provider = "twilio"

    def __init__(self, http: Http, *, account: str, token: str, sender: str, base_url: str) -> None:
        """`sender` is a number, a short code or name, or a messaging service (MG…)."""
        client = Client(account, token, http_client=_Lean(http))
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

    def __init__(self, http: Http) -> None:
        self._http = http

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
        answer = self._http.post(uri, urlencode(data).encode(), {**headers, "Authorization": basic(*auth)})
        if answer.status != 201:
            raise _refused(answer, data["To"])
        if not answer.json():
            raise SendError(Cause.OUTCOME_UNKNOWN, "Twilio answered 201 with a body that is not JSON.", uncertain=True)
        return Response(answer.status, answer.text)


def _refused(answer: Answer, receiver: str) -> SendError:
    said = answer.json()
    code = said.get("code")
    detail = shown(f"{answer.status} {code or ''} {said.get('message') or ''}".strip(), receiver)
    wait = retry_after(answer.headers.get("retry-after"))
    if isinstance(code, int) and code in PERMANENT:
        return SendError(PERMANENT[code], detail, permanent=True)
    if isinstance(code, int) and code in TRANSIENT:
        return SendError(TRANSIENT[code], detail, retry_after=wait)
    return refusal(answer.status, detail, wait)
