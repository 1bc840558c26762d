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
from notifications.channels.dial import CONNECT_SECONDS
from notifications.channels.redaction import shown

IDLE_SECONDS = 60.0
ENHANCED = re.compile(rb"([245])\.(\d{1,3})\.(\d{1,3})(?!\d)")  # RFC 3463

Tls = Literal["", "starttls", "ssl"]
Phase = Literal["connect", "auth", "mail", "rcpt", "data"]


class Smtp:
    """Hands mails to one server. `timeout` is in seconds, for a whole mail."""

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
        try:
            return self._begin(sender, receiver, len(mail), deadline).hand_over(mail, receiver)
        finally:
            self._tidy()

    def close(self) -> None:
        session: _Session | None = getattr(self._mine, "session", None)
        self._mine.session = None
        if session:
            session.quit()

    def _begin(self, sender: str, receiver: str, size: int, deadline: float) -> _Session:
        """A session that took the envelope. One that the server gave up while idle is opened anew."""
        session: _Session | None = getattr(self._mine, "session", None)
        if session and session.usable:
            try:
                session.envelope(sender, receiver, size, deadline)
            except SendError:
                if not session.stale:
                    raise
            else:
                return session
        if session:
            session.drop()
        self._mine.session = None
        session = self._mine.session = self._open(deadline)
        session.envelope(sender, receiver, size, deadline)
        return session

    def _tidy(self) -> None:
        """Keep the session only where it can take the next mail."""
        session: _Session | None = self._mine.session
        if session and not session.reset():
            self._mine.session = None

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
                client.ehlo_or_helo_if_needed()
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

    @property
    def stale(self) -> bool:
        """Whether it was lost before it took anything of the mail, which may then go over another."""
        return self.gone and not self._in_mail

    def envelope(self, sender: str, receiver: str, size: int, deadline: float) -> None:
        """MAIL, RCPT and DATA, in one write where the server allows it (RFC 2920). Nothing is handed over yet."""
        self._deadline = deadline
        extension = f" SIZE={size}" if self._client.has_extn("size") else ""
        lines: dict[Phase, str] = {
            "mail": f"MAIL FROM:<{sender}>{extension}",
            "rcpt": f"RCPT TO:<{receiver}>",
            "data": "DATA",
        }
        at_once = self._client.has_extn("pipelining")
        if at_once:
            self._write("mail", *lines.values())
        refused: SendError | None = None
        for phase, line in lines.items():
            if not at_once:
                self._write(phase, line)
            try:
                code, text = self._reply(phase)
            except SendError as broken:
                raise refused or broken from None
            if code // 100 == (3 if phase == "data" else 2):
                self._in_mail = self._in_mail or phase == "mail"
            else:
                refused = refused or refusal(phase, code, text, sender, receiver)
            if refused and (not at_once or self.gone or code == 354):
                self.gone = self.gone or code == 354  # it waits for a mail now, and takes nothing else
                break
        if refused:
            raise refused

    def hand_over(self, mail: bytes, receiver: str) -> str:
        """The mail itself. Once the final dot is out, a missing reply leaves the outcome unknown."""
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
                self._write("mail", "RSET")
                self.gone = self._reply("mail")[0] // 100 != 2
            except SendError:
                self.gone = True
        if self.gone:
            self.drop()
        return not self.gone

    def quit(self) -> None:
        """Say goodbye, without waiting long for the answer."""
        self._deadline = monotonic() + 1
        try:
            self._write("connect", "QUIT")
            self._reply("connect")
        except SendError:
            pass
        finally:
            self.drop()

    def drop(self) -> None:
        self._client.close()

    def _write(self, phase: Phase, *lines: str) -> None:
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("A command must not contain a line break.")
        try:
            self._set_timeout()
            self._client.send("".join(f"{line}\r\n" for line in lines))
        except (OSError, smtplib.SMTPException) as error:
            raise self._broken(phase, error) from None

    def _reply(self, phase: Phase) -> tuple[int, bytes]:
        try:
            self._set_timeout()
            code, text = self._client.getreply()
        except (OSError, smtplib.SMTPException) as error:
            raise self._broken(phase, error) from None
        self.gone = self.gone or code == 421
        return code, text

    def _broken(self, phase: Phase, error: Exception) -> SendError:
        self.gone = True
        cause = Cause.TIMEOUT if _timed_out(error) else Cause.CONNECTION
        return SendError(cause, f"The connection broke at {phase.upper()}.")

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
    too_large = phase == "mail" and code == 552 and not enhanced  # RFC 1870
    if too_large or (subject, detail) in {(2, 3), (3, 4)}:  # for the mailbox, for the system
        return SendError(Cause.REJECTED_CONTENT, words, permanent=True)
    if phase == "mail":  # our own address is refused, for every receiver alike
        return SendError(Cause.CREDENTIALS, words)
    cause = _permanent_cause(phase, code, subject, detail)
    return SendError(cause, words, permanent=cause is not Cause.PROVIDER_ERROR)


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
