"""A lean SMTP client: one session kept open per thread, one deadline per mail, every reply classified by its codes."""

from __future__ import annotations

import re
import smtplib
import ssl
import threading
from time import monotonic
from typing import Literal

from django.core.mail.utils import DNS_NAME

from notifications.causes import Cause
from notifications.channels import SendError
from notifications.channels.http import CONNECT_SECONDS, shown

IDLE_SECONDS = 60.0
ENHANCED = re.compile(rb"([245])\.(\d{1,3})\.(\d{1,3})(?!\d)")  # RFC 3463

Tls = Literal["", "starttls", "ssl"]
Phase = Literal["connect", "auth", "mail", "rcpt", "data"]


class Smtp:
    """Hands mails to one server. `timeout` is in seconds, for a whole mail."""

    provider = "smtp"

    def __init__(self, host: str, port: int, *, user: str, password: str, tls: Tls, timeout: float) -> None:
        self._server = (host, port)
        self._login = (user, password)
        self._tls = tls
        self._context = ssl.create_default_context() if tls else None
        self._timeout = timeout
        self._mine = threading.local()

    def send(self, sender: str, receiver: str, mail: bytes) -> str:
        """The server's words for a mail it took. `mail` is ASCII and its lines end in CRLF. Raises SendError."""
        deadline = monotonic() + self._timeout
        session = self._begin(sender, len(mail), deadline)
        try:
            session.command("rcpt", f"RCPT TO:<{receiver}>", receiver)
            return session.hand_over(mail, receiver)
        finally:
            if not session.reset():
                self._mine.session = None

    def close(self) -> None:
        session: _Session | None = getattr(self._mine, "session", None)
        self._mine.session = None
        if session:
            session.quit()

    def _begin(self, sender: str, size: int, deadline: float) -> _Session:
        """A session that took MAIL FROM. One that the server gave up while idle is opened anew."""
        session: _Session | None = getattr(self._mine, "session", None)
        self._mine.session = None
        if session and session.usable:
            try:
                session.mail(sender, size, deadline)
            except SendError:
                session.drop()
                if not session.gone:
                    raise
            else:
                self._mine.session = session
                return session
        session = self._open(deadline)
        session.mail(sender, size, deadline)
        self._mine.session = session
        return session

    def _open(self, deadline: float) -> _Session:
        phase: Phase = "connect"
        try:
            seconds = min(CONNECT_SECONDS, _left(deadline))
            if self._context and self._tls == "ssl":
                client: smtplib.SMTP = smtplib.SMTP_SSL(
                    *self._server, local_hostname=DNS_NAME.get_fqdn(), timeout=seconds, context=self._context
                )
            else:
                client = smtplib.SMTP(*self._server, local_hostname=DNS_NAME.get_fqdn(), timeout=seconds)
            client.ehlo_or_helo_if_needed()
            if self._context and self._tls == "starttls":
                client.starttls(context=self._context)
            phase = "auth"
            if all(self._login):
                client.login(*self._login)
        except smtplib.SMTPResponseException as error:
            raise refusal(phase, error.smtp_code, _bytes(error.smtp_error)) from None
        except smtplib.SMTPNotSupportedError:
            need = "AUTH" if phase == "auth" else "STARTTLS"
            raise SendError(Cause.CREDENTIALS, f"The server does not offer {need}.") from None
        except (OSError, smtplib.SMTPException) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise SendError(Cause.CONNECTION, f"No connection: {reason}.") from None
        return _Session(client)


class _Session:
    """An open session and where it stands."""

    def __init__(self, client: smtplib.SMTP) -> None:
        self._client = client
        self._used = monotonic()
        self._deadline = 0.0
        self._in_mail = False
        self.gone = False

    @property
    def usable(self) -> bool:
        fresh = monotonic() - self._used < IDLE_SECONDS
        return not self.gone and fresh

    def mail(self, sender: str, size: int, deadline: float) -> None:
        self._deadline = deadline
        extension = f" SIZE={size}" if self._client.has_extn("size") else ""
        self.command("mail", f"MAIL FROM:<{sender}>{extension}", sender)
        self._in_mail = True

    def command(self, phase: Phase, line: str, *secrets: str, expect: int = 2) -> bytes:
        """The reply's text; `expect` is the first digit of a good one. Nothing is handed over yet."""
        try:
            self._set_timeout()
            self._client.putcmd(line)
            code, text = self._client.getreply()
        except (OSError, smtplib.SMTPException) as error:
            self.gone = True
            cause = Cause.TIMEOUT if _timed_out(error) else Cause.CONNECTION
            raise SendError(cause, f"The connection broke at {phase.upper()}.") from None
        if code // 100 != expect:
            self.gone = code == 421
            raise refusal(phase, code, text, *secrets)
        return text

    def hand_over(self, mail: bytes, receiver: str) -> str:
        """DATA and the mail. Once the final dot is out, a missing reply leaves the outcome unknown."""
        self.command("data", "DATA", receiver, expect=3)
        try:
            self._set_timeout()
            self._client.send(mail.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        except (OSError, smtplib.SMTPException):
            self.gone = True
            raise SendError(Cause.CONNECTION, "The connection broke before the mail was handed over.") from None
        try:
            self._set_timeout()
            code, text = self._client.getreply()
        except (OSError, smtplib.SMTPException) as error:
            self.gone = True
            if _timed_out(error):
                raise SendError(Cause.TIMEOUT, "No reply to the mail in time.", uncertain=True) from None
            detail = "The connection broke before the mail was answered."
            raise SendError(Cause.OUTCOME_UNKNOWN, detail, uncertain=True) from None
        if code // 100 != 2:
            self.gone = code == 421
            raise refusal("data", code, text, receiver)
        self._in_mail = False
        return text.decode(errors="replace")

    def reset(self) -> bool:
        """Leave the session ready for the next mail; False where it cannot be used any more."""
        self._used = monotonic()
        if self._in_mail and not self.gone:
            self._in_mail = False
            try:
                self.command("mail", "RSET")
            except SendError:
                self.gone = True
        if self.gone:
            self.drop()
        return not self.gone

    def quit(self) -> None:
        """Say goodbye, without waiting long for the answer."""
        self._deadline = monotonic() + 1
        try:
            self.command("connect", "QUIT")
        except SendError:
            pass
        finally:
            self.drop()

    def drop(self) -> None:
        self._client.close()

    def _set_timeout(self) -> None:
        if self._client.sock is None:
            raise smtplib.SMTPServerDisconnected
        self._client.sock.settimeout(_left(self._deadline))


def refusal(phase: Phase, code: int, text: bytes, *secrets: str) -> SendError:
    """What a negative reply means, by its code, its enhanced status code (RFC 3463) and when it came."""
    enhanced = ENHANCED.match(text)
    subject, detail = (int(enhanced[2]), int(enhanced[3])) if enhanced else (0, 0)
    words = shown(f"{phase.upper()}: {code} {text.decode(errors='replace')}", *secrets)
    if code in {530, 534, 535, 538} or (phase == "auth" and code >= 500):
        return SendError(Cause.CREDENTIALS, words)
    if code < 500:
        throttled = (code == 421 and subject == 7) or (subject, detail) in {(7, 28), (4, 5), (5, 3)}
        return SendError(Cause.THROTTLED if throttled else Cause.PROVIDER_ERROR, words)
    if phase == "connect":
        return SendError(Cause.CONNECTION, words)
    if (subject, detail) in {(2, 3), (3, 4)}:  # too large for the mailbox, for the system
        return SendError(Cause.REJECTED_CONTENT, words, permanent=True)
    if phase == "mail":  # our own address is refused, for every receiver alike
        return SendError(Cause.CREDENTIALS, words)
    return SendError(_permanent_cause(phase, code, subject, detail), words, permanent=True)


def _permanent_cause(phase: Phase, code: int, subject: int, detail: int) -> Cause:
    if (subject, detail) == (1, 3) or (phase == "rcpt" and code in {501, 555}):
        return Cause.INVALID_RECEIVER
    if subject in {1, 2} or (phase == "rcpt" and subject == 0 and code in {550, 551, 552, 553}):
        return Cause.UNKNOWN_RECEIVER
    if subject in {6, 7} or phase == "data" or code == 554:
        return Cause.REJECTED_CONTENT
    return Cause.PROVIDER_ERROR


def _timed_out(error: BaseException) -> bool:
    """smtplib tells of a timeout only as the context of the disconnection it raises."""
    return isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError)


def _bytes(text: bytes | str) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


def _left(deadline: float) -> float:
    seconds = deadline - monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds
