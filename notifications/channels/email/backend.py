"""E-mail over one of anymail's providers, or any other of Django's backends: the hand-over, and what they answer."""

from __future__ import annotations

import threading
from typing import Any, Self

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

from notifications.channels.base import NotConfigured, Outgoing, Provider
from notifications.channels.email import postmark_codes
from notifications.channels.email.mime import AUTOMATIC, Mail, unsubscribing
from notifications.channels.email.smtp import DJANGO_SMTP, NOTHING_SET
from notifications.channels.email.tracking import ID, PROVIDER_ID
from notifications.channels.email.writer import Writer
from notifications.channels.outcomes import Cause, SendError
from notifications.channels.redaction import message_id, shown
from notifications.channels.statuses import retry_after, status_error
from notifications.channels.transport.adapter import Lean
from notifications.channels.transport.answer import Answer
from notifications.channels.transport.blocking import BlockingHttp

# By anymail's names. Their events have a mail's metadata, which others refuse to take.
TAKE_METADATA = frozenset(
    ("amazon ses", "brevo", "mailgun", "mailjet", "mailtrap", "mandrill", "postmark", "resend", "sendgrid", "sparkpost")
) | {"unisender go"}


class OverBackend(Provider):
    """One of Django's e-mail backends. Each thread keeps one open.

    `timeout` is in seconds, for a mail in total where the backend speaks HTTP.
    """

    def __init__(self, writer: Writer, timeout: float) -> None:
        self._writer = writer
        self._timeout = timeout
        self._http = BlockingHttp(timeout)
        self._keys = tuple(str(value) for name, value in settings.ANYMAIL.items() if not name.endswith("_URL"))
        self._mine = threading.local()
        backend, _ = self._open()  # here, so that a missing ANYMAIL_… variable is found at the start
        self.name = str(getattr(backend, "esp_name", type(backend).__module__.rpartition(".")[2])).lower()

    @classmethod
    def from_settings(cls) -> Self:
        if not settings.EMAIL_CONFIGURED or settings.EMAIL_BACKEND == DJANGO_SMTP:
            raise NotConfigured(NOTHING_SET)
        try:
            return cls(Writer.from_settings(), settings.SEND_TIMEOUT_SECONDS)
        except ImportError as error:
            raise ImproperlyConfigured(f"EMAIL_BACKEND names what is not there: {error}.") from error

    def send(self, notification: Outgoing) -> str:
        mail = self._writer.mail(notification)
        message: Any = _message(mail)
        if self.name in TAKE_METADATA:
            message.metadata = {ID: str(notification.id)}  # for anymail; Django's class knows no such thing
        backend, lean = self._open()
        lean.traceparent = notification.traceparent
        secrets = (mail.receiver, *self._keys)
        try:
            backend.send_messages([message])
            failure = _overlooked_refusal(message, lean.answer, secrets)
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
        """Returns this thread's backend, and what carries its requests and has its answer afterwards."""
        if getattr(self._mine, "backend", None) is None:
            self._mine.lean = Lean(self._http)
            self._mine.backend = get_connection(timeout=self._timeout)
            self._mine.backend.open()
            session = getattr(self._mine.backend, "session", None)
            if isinstance(session, Session):
                self._mine.lean.carry(session)
        self._mine.lean.answer = None
        return self._mine.backend, self._mine.lean


def _message(mail: Mail) -> EmailMultiAlternatives:
    headers = {"Message-ID": mail.message_id, "Auto-Submitted": AUTOMATIC, **dict(unsubscribing(mail))}
    message = EmailMultiAlternatives(mail.subject, mail.text, mail.sender, [mail.receiver], headers=headers)
    if mail.html:
        message.attach_alternative(mail.html, "text/html")
    return message


def _anymail_refusal(error: AnymailError, answer: Answer | None, secrets: tuple[str, ...]) -> SendError | None:
    """Returns what anymail's error means, by what anymail made of the answer, then by the HTTP status."""
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


def _overlooked_refusal(message: Any, answer: Answer | None, secrets: tuple[str, ...]) -> SendError | None:
    """Returns what an answer means that anymail let pass because it did not understand it; None for a success."""
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
    """Returns what an answer means that anymail did not take for a success; None where it is one all the same."""
    detail = f"{answer.status} {shown(answer.body, *secrets)}"
    if answer.status in {201, 202}:  # RFC 9110 15.3: the mail exists, or was accepted, whatever can be read of it
        return None
    if answer.status < 300:
        return SendError(Cause.OUTCOME_UNKNOWN, detail, uncertain=True)
    wait = retry_after(answer.headers.get("retry-after"))
    code = answer.json().get("ErrorCode")
    meaning = postmark_codes.CODES.get(code) if isinstance(code, int) and answer.status == 422 else None
    return meaning.error(detail, wait) if meaning else status_error(answer.status, detail, wait)
