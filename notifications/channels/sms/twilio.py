"""SMS over Twilio's Messages API: the request, and what its answers mean."""

from __future__ import annotations

from typing import Self
from urllib.parse import quote, quote_plus, urlencode

from django.conf import settings

from notifications.channels.base import AsyncProvider, NotConfigured, Outgoing
from notifications.channels.outcomes import Cause, SendError
from notifications.channels.redaction import message_id, shown
from notifications.channels.sms.callbacks import ID, SID, status_callback
from notifications.channels.sms.rules import Sms
from notifications.channels.sms.twilio_codes import CODES
from notifications.channels.statuses import retry_after, status_error
from notifications.channels.transport.answer import Answer, basic
from notifications.channels.transport.http import AGENT, Http

ACTIVE = "active"  # or suspended, or closed: the status of an account


class Twilio(AsyncProvider):
    """One account of Twilio's."""

    name = "twilio"

    def __init__(self, http: Http, *, account: str, token: str, sender: str, base_url: str, callback: str = "") -> None:
        """`sender` is a number, a short code or name, or a messaging service (MG…).

        `callback` is a URL that Twilio calls with the status of each text, where we want to know it.
        """
        self._http = http
        self._account_url = f"{base_url.rstrip('/')}/2010-04-01/Accounts/{quote(account, safe='')}"
        self._url = f"{self._account_url}/Messages.json"
        self._sender = urlencode({"MessagingServiceSid" if sender.startswith("MG") else "From": sender})
        self._callback = f"&StatusCallback={quote_plus(f'{callback}?{ID}=')}" if callback else ""
        authorization = basic(account, token)
        self._secrets = (account, token, authorization)
        self._headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
            "User-Agent": AGENT,
            "Authorization": authorization,
        }

    @classmethod
    def from_settings(cls) -> Self:
        for name in ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "TWILIO_FROM"):
            if not getattr(settings, name):
                raise NotConfigured(f"{name} must be set for the SMS channel.")
        return cls(
            Http(settings.SEND_TIMEOUT_SECONDS),
            account=settings.TWILIO_ACCOUNT_SID,
            token=settings.TWILIO_AUTH_TOKEN,
            sender=settings.TWILIO_FROM,
            base_url=settings.TWILIO_BASE_URL,
            callback=status_callback(),
        )

    async def asend(self, notification: Outgoing) -> str:
        receiver = notification.receiver
        if Sms.receiver_problem(receiver):
            raise SendError(Cause.INVALID_RECEIVER, "Not a number in E.164.", permanent=True)
        form = f"To=%2B{receiver[1:]}&{self._sender}&Body={quote_plus(notification.message)}"  # digits behind the +
        if self._callback:
            form += f"{self._callback}{notification.id}"
        answer = await self._http.post(self._url, form.encode(), self._headers, notification.traceparent)
        if not 200 <= answer.status < 300:
            raise _refused(answer, (receiver, *self._secrets))
        sid = message_id(SID, answer.json().get("sid"), receiver)
        if not sid and answer.status != 201:  # a 201 says that the message exists, whatever can be read of it
            raise SendError(Cause.OUTCOME_UNKNOWN, f"Twilio answered {answer.status} without an id.", uncertain=True)
        return sid

    async def aprove(self) -> None:
        """Asks for our account, which must be active."""
        answer = await self._http.get(f"{self._account_url}.json", self._headers)
        if not 200 <= answer.status < 300:
            raise _refused(answer, self._secrets)
        status = answer.json().get("status")
        if status != ACTIVE:
            raise SendError(Cause.CREDENTIALS, f"The account is {shown(str(status), *self._secrets)}.")

    async def aclose(self) -> None:
        await self._http.close()


def _refused(answer: Answer, secrets: tuple[str, ...]) -> SendError:
    """Returns what a refusal means by Twilio's code. One that is not in the table never blames the text."""
    body = answer.json()
    code, words = body.get("code"), body.get("message")
    number = str(code) if isinstance(code, int) else ""
    detail = f"{answer.status} {number} {shown(words, *secrets) if isinstance(words, str) else ''}"
    wait = retry_after(answer.headers.get("retry-after"))
    meaning = CODES.get(code) if isinstance(code, int) else None
    if meaning:
        return meaning.error(" ".join(detail.split()), wait)
    return status_error(answer.status, " ".join(detail.split()), wait, text_by_status=False)
