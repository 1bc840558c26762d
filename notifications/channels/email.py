"""E-mail over SMTP, or over one of anymail's providers: rules, the mail itself, and what providers answer."""

from __future__ import annotations

import binascii
import re
import threading
from email.header import Header
from email.utils import formatdate, parseaddr
from typing import Any, ClassVar, NamedTuple, Protocol, Self

from anymail.exceptions import (
    AnymailError,
    AnymailInvalidAddress,
    AnymailRecipientsRefused,
    AnymailRequestsAPIError,
    AnymailUnsupportedFeature,
)
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.mail.message import sanitize_address
from requests.exceptions import Timeout
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, SSLError

from notifications.causes import Cause
from notifications.channels import Channel, Outgoing, SendError
from notifications.channels.http import refusal, retry_after
from notifications.channels.redaction import shown
from notifications.channels.smtp import Smtp, Tls

DJANGO_SMTP = "django.core.mail.backends.smtp.EmailBackend"

MAX_BYTES = 256 * 1024
# RFC 5321's dot-string (quoted local parts and address literals are not taken) and a dotted domain.
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
ADDRESS = re.compile(rf"(?P<local>{ATOM}(?:\.{ATOM})*)@(?:{LABEL}\.)+(?![0-9]+\Z){LABEL}")
MAX_ADDRESS, MAX_LOCAL = 254, 64
LINE_END = re.compile(r"\r\n|\r|\n")
MAX_LINE = 998  # RFC 5322


class Email(Channel):
    """Sends mail with a text and, if there is one, an HTML alternative."""

    name: ClassVar[str] = "EMAIL"
    max_message: ClassVar[str] = "256 KiB in UTF-8"
    takes_subject: ClassVar[bool] = True
    takes_html: ClassVar[bool] = True

    def __init__(self, carrier: Carrier, *, sender: str, default_subject: str) -> None:
        """`sender` is an address, with or without a display name."""
        try:
            self._sender = sanitize_address(sender, "utf-8")
        except ValueError:
            raise ImproperlyConfigured(
                "DEFAULT_FROM_EMAIL must be one address, such as App <app@example.com>."
            ) from None
        self._domain = parseaddr(self._sender)[1].rpartition("@")[2]
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
        address = ADDRESS.fullmatch(_ascii(receiver))
        if address is None:
            return "Must be one plain e-mail address, such as name@example.com."
        if len(address[0]) > MAX_ADDRESS or len(address["local"]) > MAX_LOCAL:
            return f"Must have at most {MAX_ADDRESS} characters, and {MAX_LOCAL} before the @."
        return None

    @classmethod
    def canonical(cls, receiver: str) -> str:
        local, _, domain = _ascii(receiver).rpartition("@")
        return f"{local}@{domain.lower()}"

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
            message_id=f"<{notification.id}@{self._domain}>",  # so that a duplicate collapses in mail clients
        )
        return self._carrier.carry(mail)

    def close(self) -> None:
        self._carrier.close()


class Mail(NamedTuple):
    """One mail to one receiver."""

    sender: str  # as the From header says it, in ASCII
    receiver: str  # in ASCII
    subject: str
    text: str
    html: str
    message_id: str


class Carrier(Protocol):
    """Takes mails to a provider."""

    provider: str

    def carry(self, mail: Mail) -> str:
        """The provider's message id, or its words. Raises SendError."""

    def close(self) -> None: ...


class OverSmtp:
    """Builds the MIME text itself: Django's and the standard library's builders cost more than the sending."""

    provider = "smtp"

    def __init__(self, smtp: Smtp) -> None:
        self._smtp = smtp
        self.close = smtp.close

    def carry(self, mail: Mail) -> str:
        return self._smtp.send(parseaddr(mail.sender)[1], mail.receiver, mime(mail))


class OverBackend:
    """A Django e-mail backend, kept open by each thread; anymail's errors are classified."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._mine = threading.local()
        backend = self._backend()  # here, so that a missing ANYMAIL_… variable is found at the start
        self.provider = str(getattr(backend, "esp_name", type(backend).__module__.rpartition(".")[2])).lower()

    def carry(self, mail: Mail) -> str:
        message = EmailMultiAlternatives(
            mail.subject, mail.text, mail.sender, [mail.receiver], headers={"Message-ID": mail.message_id}
        )
        if mail.html:
            message.attach_alternative(mail.html, "text/html")
        try:
            self._backend().send_messages([message])
        except AnymailError as error:
            raise _anymail_refusal(error, mail) from None
        status = getattr(message, "anymail_status", None)
        if status is None:
            return ""
        failure = _unsaid_refusal(status, mail)
        if failure:
            raise failure
        return str(status.message_id or "")

    def close(self) -> None:
        backend = getattr(self._mine, "backend", None)
        self._mine.backend = None
        if backend:
            backend.close()

    def _backend(self) -> Any:
        backend = getattr(self._mine, "backend", None)
        if backend is None:
            backend = self._mine.backend = get_connection(timeout=self._timeout)
            backend.open()
        return backend


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
        )
    )


def mime(mail: Mail) -> bytes:
    """The mail as SMTP carries it: ASCII, CRLF at every end, no line over 998 characters."""
    head = (
        f"From: {mail.sender}\r\nTo: {mail.receiver}\r\nSubject: {_header(mail.subject)}\r\n"
        f"Date: {formatdate()}\r\nMessage-ID: {mail.message_id}\r\nMIME-Version: 1.0\r\n"
    ).encode("ascii")
    text = _part(mail.text, b"plain")
    if not mail.html:
        return head + text
    boundary = b"=_" + mail.message_id[1:].partition("@")[0].encode()  # has random bits nobody knew before
    parts = b"".join(b"--%b\r\n%b" % (boundary, part) for part in (text, _part(mail.html, b"html")))
    kind = b'Content-Type: multipart/alternative; boundary="%b"\r\n\r\n' % boundary
    return b"%b%b%b--%b--\r\n" % (head, kind, parts, boundary)


def _header(text: str) -> str:
    if text.isascii() and text.isprintable() and "=?" not in text:
        return text
    return Header(text, "utf-8", header_name="Subject").encode(linesep="\r\n")


def _part(text: str, kind: bytes) -> bytes:
    data = LINE_END.sub("\r\n", text).encode() + b"\r\n"
    encoding = b"7bit"
    if not data.isascii() or b"\x00" in data or max(map(len, data.split(b"\r\n"))) > MAX_LINE:
        data, encoding = binascii.b2a_qp(data), b"quoted-printable"
    return b"Content-Type: text/%b; charset=utf-8\r\nContent-Transfer-Encoding: %b\r\n\r\n%b" % (kind, encoding, data)


def _anymail_refusal(error: AnymailError, mail: Mail) -> SendError:
    """By what anymail made of the provider's answer, then by the HTTP status."""
    if isinstance(error, AnymailRecipientsRefused):
        status = error.email_message.anymail_status.status or set()
        cause = Cause.INVALID_RECEIVER if "invalid" in status else Cause.OPTED_OUT
        return SendError(cause, f"The provider says: {', '.join(sorted(map(str, status)))}.", permanent=True)
    if isinstance(error, AnymailInvalidAddress):
        return SendError(Cause.INVALID_RECEIVER, "Not an address to the provider's library.", permanent=True)
    if isinstance(error, AnymailUnsupportedFeature):
        return SendError(Cause.REJECTED_CONTENT, shown(str(error.args[0]), mail.receiver), permanent=True)
    if not isinstance(error, AnymailRequestsAPIError):
        return SendError(Cause.BUG, type(error).__name__, permanent=True)
    if error.response is None:
        return _unanswered(error.__cause__ or error)
    return _refused(error.response, mail)


def _unsaid_refusal(status: Any, mail: Mail) -> SendError | None:
    """What anymail let pass because it did not understand the answer."""
    if getattr(status.esp_response, "status_code", 200) >= 300:
        return _refused(status.esp_response, mail)
    if status.status == {"failed"}:
        return SendError(Cause.PROVIDER_ERROR, "The provider says: failed.")
    if status.status == {"unknown"} and not status.message_id:
        return SendError(Cause.OUTCOME_UNKNOWN, "The provider's answer cannot be read.", uncertain=True)
    return None


def _refused(response: Any, mail: Mail) -> SendError:
    """What a provider's HTTP answer means that anymail did not take for a success."""
    detail = shown(f"{response.status_code} {response.text}", mail.receiver)
    if 200 <= response.status_code < 300:
        return SendError(Cause.OUTCOME_UNKNOWN, detail, uncertain=True)
    return refusal(response.status_code, detail, retry_after(response.headers.get("Retry-After")))


def _unanswered(error: BaseException) -> SendError:
    """A request without an answer: certain only where no connection came about."""
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(reason, NewConnectionError | ConnectTimeoutError | SSLError):
        return SendError(Cause.CONNECTION, "No connection to the provider.")
    if isinstance(error, Timeout):
        return SendError(Cause.TIMEOUT, "No answer in time.", uncertain=True)
    return SendError(Cause.OUTCOME_UNKNOWN, "The connection broke before an answer came.", uncertain=True)


def _ascii(address: str) -> str:
    """The address with its domain in ASCII (IDNA); unchanged where that cannot be."""
    if address.isascii():
        return address
    local, at, domain = address.rpartition("@")
    try:
        return f"{local}{at}{domain.encode('idna').decode()}"
    except UnicodeError:
        return address
