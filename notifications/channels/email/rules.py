"""E-mail over SMTP, or over one of anymail's providers: rules, the mail itself, and what providers answer."""

from __future__ import annotations

import re
import threading
from hashlib import blake2b
from typing import Any, ClassVar, Protocol, Self

from anymail.exceptions import (
    AnymailAPIError,
    AnymailError,
    AnymailInvalidAddress,
    AnymailRecipientsRefused,
    AnymailUnsupportedFeature,
)
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMultiAlternatives, get_connection
from requests import Session

from notifications.channels.base import Channel, Outgoing
from notifications.channels.email import postmark_codes
from notifications.channels.email.address import address_problem, canonical_address, parse_sender
from notifications.channels.email.mime import AUTOMATIC, Mail, address_of, mime, written_sender
from notifications.channels.outcomes import Cause, SendError
from notifications.channels.redaction import message_id, queue_id, shown
from notifications.channels.statuses import retry_after, status_error
from notifications.channels.transport.adapter import Lean
from notifications.channels.transport.http import Answer, Http
from notifications.channels.transport.smtp.client import Smtp
from notifications.channels.transport.smtp.session import Tls

DJANGO_SMTP = "django.core.mail.backends.smtp.EmailBackend"

MAX_BYTES = 256 * 1024
PROVIDER_ID = re.compile(r"[A-Za-z0-9._@<>:+/=-]{1,255}")


class Email(Channel):
    """Sends mail with a text and, if there is one, an HTML alternative."""

    name: ClassVar[str] = "EMAIL"
    max_message: ClassVar[str] = "256 KiB in UTF-8"
    takes_subject: ClassVar[bool] = True
    takes_html: ClassVar[bool] = True

    def __init__(self, carrier: Carrier, *, sender: str, default_subject: str) -> None:
        """`sender` is an address, with or without a display name."""
        try:
            name, address = parse_sender(sender)
        except ValueError as wrong:
            raise ImproperlyConfigured(f"DEFAULT_FROM_EMAIL must be {wrong}.") from None
        self._sender = written_sender(name, address)
        self._domain = address.rpartition("@")[2]
        self._default_subject = default_subject
        self._carrier = carrier
        self.provider = carrier.provider

    @classmethod
    def from_settings(cls) -> Self:
        if not settings.EMAIL_CONFIGURED:
            raise ImproperlyConfigured("EMAIL_URL, or EMAIL_BACKEND and ANYMAIL_…, must be set for the EMAIL channel.")
        try:
            carrier = _smtp() if settings.EMAIL_BACKEND == DJANGO_SMTP else OverBackend(settings.SEND_TIMEOUT_SECONDS)
        except ImportError as error:
            raise ImproperlyConfigured(f"EMAIL_BACKEND names what is not there: {error}.") from error
        return cls(carrier, sender=settings.DEFAULT_FROM_EMAIL, default_subject=settings.EMAIL_SUBJECT)

    @classmethod
    def receiver_problem(cls, receiver: str) -> str | None:
        return address_problem(receiver)

    @classmethod
    def canonical(cls, receiver: str) -> str:
        return canonical_address(receiver)

    @classmethod
    def too_long(cls, text: str) -> bool:
        return len(text) * 4 > MAX_BYTES and len(text.encode(errors="surrogatepass")) > MAX_BYTES

    @classmethod
    def mask(cls, receiver: str) -> str:
        local, at, domain = receiver.rpartition("@")
        return f"{local[:1]}…@{domain}" if at else "…"

    def send(self, notification: Outgoing) -> str:
        if self.receiver_problem(notification.receiver):
            raise SendError(Cause.INVALID_RECEIVER, "Not a plain e-mail address.", permanent=True)
        mail = Mail(
            sender=self._sender,
            receiver=self.canonical(notification.receiver),
            subject=" ".join(notification.subject.splitlines()) or self._default_subject,
            text=notification.message,
            html=notification.html,
            message_id=f"<{notification.id}@{_digest(notification)}.{self._domain}>",
        )
        return self._carrier.carry(mail)

    def close(self) -> None:
        self._carrier.close()


class Carrier(Protocol):
    """Takes mails to a provider."""

    provider: str

    def carry(self, mail: Mail) -> str:
        """The provider's message id, or its words. Raises SendError."""

    def close(self) -> None: ...


class OverSmtp:
    """SMTP, with a client and mails of our own."""

    provider = "smtp"

    def __init__(self, smtp: Smtp) -> None:
        self._smtp = smtp
        self.close = smtp.close

    def carry(self, mail: Mail) -> str:
        return queue_id(self._smtp.send(address_of(mail.sender), mail.receiver, mime(mail)), mail.receiver)


class OverBackend:
    """A Django e-mail backend, kept open by each thread; what anymail's providers answer is classified.

    `timeout` is in seconds, for a mail in total where the backend speaks HTTP.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._http = Http(timeout)
        self._keys = tuple(str(value) for name, value in settings.ANYMAIL.items() if not name.endswith("_URL"))
        self._mine = threading.local()
        backend, _ = self._open()  # here, so that a missing ANYMAIL_… variable is found at the start
        self.provider = str(getattr(backend, "esp_name", type(backend).__module__.rpartition(".")[2])).lower()

    def carry(self, mail: Mail) -> str:
        message = _message(mail)
        backend, lean = self._open()
        secrets = (mail.receiver, *self._keys)
        try:
            backend.send_messages([message])
            failure = _unsaid_refusal(message, lean.answer, secrets)
        except AnymailError as error:
            failure = _anymail_refusal(error, lean.answer, secrets)
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
            if lean.answer is None:
                raise
            failure = _refused(lean.answer, secrets)  # too odd an answer for the library
        if failure:
            raise failure
        status = getattr(message, "anymail_status", None)
        return message_id(PROVIDER_ID, status.message_id, *secrets) if status else ""

    def close(self) -> None:
        backend = getattr(self._mine, "backend", None)
        self._mine.backend = None
        if backend:
            backend.close()

    def _open(self) -> tuple[Any, Lean]:
        """This thread's backend, and what carries its requests and has its answer afterwards."""
        if getattr(self._mine, "backend", None) is None:
            self._mine.lean = Lean(self._http)
            self._mine.backend = get_connection(timeout=self._timeout)
            self._mine.backend.open()
            session = getattr(self._mine.backend, "session", None)
            if isinstance(session, Session):
                self._mine.lean.carry(session)
        self._mine.lean.answer = None
        return self._mine.backend, self._mine.lean


def _smtp() -> OverSmtp:
    tls: Tls = "ssl" if settings.EMAIL_USE_SSL else "starttls" if settings.EMAIL_USE_TLS else ""
    return OverSmtp(
        Smtp(
            settings.EMAIL_HOST,
            settings.EMAIL_PORT,
            user=settings.EMAIL_HOST_USER,
            password=settings.EMAIL_HOST_PASSWORD,
            tls=tls,
            timeout=settings.SEND_TIMEOUT_SECONDS,
            helo=settings.EMAIL_HELO,
        )
    )


def _digest(notification: Outgoing) -> str:
    """Of the content: mail clients take mails with one Message-ID for the same, which an edited one is not."""
    content = "\0".join((notification.subject, notification.message, notification.html))
    return blake2b(content.encode(errors="surrogatepass"), digest_size=6).hexdigest()


def _message(mail: Mail) -> EmailMultiAlternatives:
    headers = {"Message-ID": mail.message_id, "Auto-Submitted": AUTOMATIC}
    message = EmailMultiAlternatives(mail.subject, mail.text, mail.sender, [mail.receiver], headers=headers)
    if mail.html:
        message.attach_alternative(mail.html, "text/html")
    return message


def _anymail_refusal(error: AnymailError, answer: Answer | None, secrets: tuple[str, ...]) -> SendError | None:
    """By what anymail made of the provider's answer, then by the HTTP status."""
    if isinstance(error, AnymailRecipientsRefused):
        status = error.email_message.anymail_status.status or set()
        cause = Cause.INVALID_RECEIVER if "invalid" in status else Cause.OPTED_OUT
        return SendError(cause, f"The provider says: {', '.join(sorted(map(str, status)))}.", permanent=True)
    if isinstance(error, AnymailInvalidAddress):
        return SendError(Cause.INVALID_RECEIVER, "Not an address to the provider's library.", permanent=True)
    if isinstance(error, AnymailUnsupportedFeature):
        return SendError(Cause.REJECTED_CONTENT, shown(str(error.args[0]), *secrets), permanent=True)
    if not isinstance(error, AnymailAPIError):
        return SendError(Cause.BUG, type(error).__name__, permanent=True)
    if answer is None:  # no request was made, or by another library than requests
        return SendError(Cause.PROVIDER_ERROR, type(error).__name__)
    return _refused(answer, secrets)


def _unsaid_refusal(message: Any, answer: Answer | None, secrets: tuple[str, ...]) -> SendError | None:
    """What anymail let pass because it did not understand the answer."""
    status = getattr(message, "anymail_status", None)
    if status is None:
        return None
    if answer and answer.status >= 300:
        return _refused(answer, secrets)
    if status.status == {"failed"}:
        return SendError(Cause.PROVIDER_ERROR, "The provider says: failed.")
    if answer and status.status == {"unknown"} and not status.message_id:
        return _refused(answer, secrets)
    return None


def _refused(answer: Answer, secrets: tuple[str, ...]) -> SendError | None:
    """What an HTTP answer means that anymail did not take for a success; None where it is one all the same."""
    detail = f"{answer.status} {shown(answer.body, *secrets)}"
    if answer.status in {201, 202}:  # RFC 9110 15.3: the mail exists, or was accepted, whatever can be read of it
        return None
    if answer.status < 300:
        return SendError(Cause.OUTCOME_UNKNOWN, detail, uncertain=True)
    wait = retry_after(answer.headers.get("retry-after"))
    code = answer.json().get("ErrorCode")
    meaning = postmark_codes.CODES.get(code) if isinstance(code, int) and answer.status == 422 else None
    return meaning.error(detail, wait) if meaning else status_error(answer.status, detail, wait)
