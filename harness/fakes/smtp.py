"""An SMTP server, with and without AUTH, STARTTLS and PIPELINING."""

from __future__ import annotations

import asyncio
import email
import logging
import ssl
from email.message import EmailMessage
from email.policy import default
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from harness.fakes.fake import Behaviour, Fake, serve

logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd logs every command


class SmtpFake(Fake):
    """Receivers are addresses. With a `login` AUTH is required; with `tls` it is STARTTLS, or TLS at once.

    `most` is how many connections it allows at once; another one is refused with `crowded` and counted.
    """

    def __init__(
        self,
        *,
        login: tuple[str, str] | None = None,
        tls_at_once: bool = False,
        most: int = 1_000_000,
        crowded: str = "421 4.7.0 fake.test Error: too many connections from 127.0.0.1",
        **given: Any,
    ) -> None:
        super().__init__(**given)
        self.login = login
        self.most = most
        self.crowded = crowded
        self.refused_connections = 0
        self.most_open = 0
        self.names: list[str] = []  # as clients gave them in EHLO
        self.mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
        self.pipelining = True
        self.tls_at_once = tls_at_once
        self.mails: list[bytes] = []

    @property
    def url(self) -> str:
        """As EMAIL_URL takes it."""
        scheme = "smtp" if not self.tls else "smtp+ssl" if self.tls_at_once else "smtp+tls"
        user = f"{self.login[0]}:{self.login[1]}@" if self.login else ""
        return f"{scheme}://{user}127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        return len(self._open)

    @property
    def listening_tls(self) -> ssl.SSLContext | None:
        return self.tls if self.tls_at_once else None

    def parsed(self) -> list[EmailMessage]:
        """The mails accepted, in order."""
        return [email.message_from_bytes(mail, policy=default) for mail in self.mails]

    def protocol(self) -> asyncio.Protocol:
        starttls = self.tls if not self.tls_at_once else None
        return _Connection(
            _Handler(self),
            fake=self,
            enable_SMTPUTF8=False,
            tls_context=starttls,
            require_starttls=starttls is not None,
            auth_require_tls=False,
            auth_exclude_mechanism=[name for name in ("PLAIN", "LOGIN") if name not in self.mechanisms],
            authenticator=self._authenticate,
            ident="fake",
            hostname="fake.test",
            loop=self._loop,
        )

    def _authenticate(self, *given: object) -> AuthResult:
        data = cast("LoginPassword", given[-1])
        return AuthResult(success=(data.login.decode(), data.password.decode()) == self.login, handled=False)


class _Connection(SMTP):
    def __init__(self, handler: _Handler, *, fake: SmtpFake, **given: Any) -> None:
        super().__init__(handler, **given)
        self._fake = fake

        self._refused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self.transport is None and self._fake.open_connections >= self._fake.most:
            self._refused = True
            self._fake.refused_connections += 1
            cast("asyncio.Transport", transport).write(f"{self._fake.crowded}\r\n".encode())
            transport.close()
            return
        self._fake.opened(self, transport)
        self._fake.most_open = max(self._fake.most_open, self._fake.open_connections)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not self._refused:
            super().data_received(data)

    def eof_received(self) -> bool | None:
        return None if self._refused else super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._refused:
            self._fake.closed(self)
            super().connection_lost(error)


class _Handler:
    """Gives the answers that a test chose, at the phases it chose. The answer for a receiver is looked up at RCPT."""

    def __init__(self, fake: SmtpFake) -> None:
        self._fake = fake
        self._now = Behaviour()

    async def ehlo(
        self, server: SMTP, session: Session, envelope: Envelope, name: str, replies: list[str]
    ) -> list[str]:
        session.host_name = name
        self._fake.names.append(name)
        return [*replies[:-1], "250-PIPELINING", replies[-1]] if self._fake.pipelining else replies

    async def mail(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        if self._fake.login and not session.authenticated:
            return "530 5.7.0 Authentication required"
        self._now = self._fake.behaviour_of(address)
        if refusal := await self._at("mail", server):
            return refusal
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def rcpt(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        self._now = self._fake.behaviour(address)
        if refusal := await self._at("rcpt", server):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def dot(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        reply = await self._at("dot", server)
        if reply:
            return reply
        mail = cast("bytes", envelope.content)
        parsed = email.message_from_bytes(mail, policy=default)
        self._fake.mails.append(mail)
        self._fake.accept(envelope.rcpt_tos[0], text_of(parsed), parsed["Message-ID"].strip("<>").partition("@")[0])
        if self._now.drop:
            _cut(server)
        return "250 2.0.0 Ok: queued as FAKE"

    async def _at(self, phase: str, server: SMTP) -> str:
        """The scripted reply, if this is the phase for it."""
        if self._now.phase != phase:
            return ""
        await asyncio.sleep(self._now.delay)
        if self._now.hang:
            await asyncio.Event().wait()
        if self._now.drop and phase != "dot":
            _cut(server)
        return self._now.reply


for hook in ("ehlo", "mail", "rcpt", "dot"):
    name = "DATA" if hook == "dot" else hook.upper()
    setattr(_Handler, f"handle_{name}", getattr(_Handler, hook))  # the names aiosmtpd calls


def _cut(server: SMTP) -> None:
    if server.transport:
        cast("asyncio.Transport", server.transport).abort()


def text_of(mail: Any) -> str:
    """Returns the plain text as it was given to the channel: a mail of one part ends with a line break of its own."""
    text: str = mail.get_body(("plain",)).get_content().replace("\r\n", "\n")
    return text if mail.is_multipart() else text.removesuffix("\n")


if __name__ == "__main__":
    serve(SmtpFake)
