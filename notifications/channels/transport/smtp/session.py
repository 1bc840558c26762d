"""One session with a mail server: opened and logged in, then mail after mail, every reply classified."""

from __future__ import annotations

import base64
import hmac
import socket
import ssl
from collections.abc import Sequence
from time import monotonic
from typing import Literal, NamedTuple, Self

from notifications.channels.outcomes import Cause, SendError
from notifications.channels.redaction import shown
from notifications.channels.transport.smtp.replies import MAX_WORDS, Phase, refusal
from notifications.channels.transport.smtp.wire import Wire

IDLE_SECONDS = 60.0
MAX_INITIAL_RESPONSE = 512  # a command line (RFC 5321 4.5.3.1.4), which AUTH's first answer must fit into

Tls = Literal["", "starttls", "ssl"]


class Server(NamedTuple):
    """Where a server is, and how to log in there."""

    host: str
    port: int
    user: str
    password: str
    tls: Tls
    context: ssl.SSLContext | None
    helo: str  # "" is the address of our end of the connection


class NoSession(SendError):
    """The server answered that it does not want another session now."""


class Session:
    """An open session and where it stands."""

    def __init__(self, server: Server, wire: Wire) -> None:
        self._server = server
        self._secrets = (server.user, server.password)
        self._wire = wire
        self._extensions: dict[str, str] = {}
        self._used = monotonic()
        self._in_mail = False
        self.gone = False

    @classmethod
    async def open(cls, server: Server, deadline: float) -> Self:
        """Returns a session that is ready for a mail. Raises SendError, and NoSession for a refusal."""
        try:
            wire = await Wire.open(server.host, server.port, deadline)
            try:
                session = cls(server, wire)
                await session._begin()
            except BaseException:
                wire.drop()
                raise
        except OSError as error:
            raise SendError(Cause.CONNECTION, f"No connection: {error.strerror or str(error)[:200]}.") from None
        return session

    @property
    def usable(self) -> bool:
        lost = self.gone or self._wire.broken or self._wire.has_unread
        return not lost and monotonic() - self._used < IDLE_SECONDS

    @property
    def stale(self) -> bool:
        """True where it was lost before it took anything of the mail, which may then go over another."""
        return self.gone and not self._in_mail

    async def envelope(self, sender: str, receiver: str, size: int, deadline: float) -> None:
        """Sends MAIL, RCPT and DATA. Raises SendError for the first refusal. Nothing is handed over yet."""
        self._wire.deadline = deadline
        extension = f" SIZE={size}" if "SIZE" in self._extensions else ""
        commands: dict[Phase, str] = {
            "mail": f"MAIL FROM:<{sender}>{extension}",
            "rcpt": f"RCPT TO:<{receiver}>",
            "data": "DATA",
        }
        send = self._send_at_once if "PIPELINING" in self._extensions else self._send_in_turn
        await send(commands, (sender, receiver, *self._secrets))

    async def _send_in_turn(self, commands: dict[Phase, str], secrets: tuple[str, ...]) -> None:
        for phase, command in commands.items():
            await self._write(phase, command)
            if refused := await self._refusal_of(phase, secrets):
                raise refused

    async def _send_at_once(self, commands: dict[Phase, str], secrets: tuple[str, ...]) -> None:
        """Sends all in one write (RFC 2920), and reads every reply: none may be left for the next mail."""
        await self._write("mail", *commands.values())
        first: SendError | None = None
        for phase in commands:
            try:
                refused = await self._refusal_of(phase, secrets)
            except SendError as broken:
                raise first or broken from None
            first = first or refused
            if self.gone:
                break
        if first:
            self.gone = self.gone or refused is None  # it took DATA: it waits for a mail now, and takes nothing else
            raise first

    async def _refusal_of(self, phase: Phase, secrets: tuple[str, ...]) -> SendError | None:
        """Reads the reply to one command. Returns the refusal, or None. Raises SendError where no reply comes."""
        code, text = await self._reply(phase)
        if code // 100 != (3 if phase == "data" else 2):
            return refusal(phase, code, text, *secrets)
        self._in_mail = self._in_mail or phase == "mail"
        return None

    async def hand_over(self, mail: bytes, receiver: str) -> str:
        """Hands over the mail itself. Returns the server's words. Raises SendError.

        Once the final dot is out, a missing reply is an unknown outcome.
        """
        try:
            await self._wire.write(mail.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        except OSError:
            self.gone = True
            raise SendError(Cause.CONNECTION, "The connection broke before the mail was handed over.") from None
        try:
            code, text = await self._wire.reply()
        except TimeoutError:
            self.gone = True
            raise SendError(Cause.TIMEOUT, "No reply to the mail in time.", uncertain=True) from None
        except OSError:
            self.gone = True
            detail = "The connection broke before the mail was answered."
            raise SendError(Cause.OUTCOME_UNKNOWN, detail, uncertain=True) from None
        self.gone = code == 421
        if code // 100 != 2:
            raise refusal("dot", code, text, receiver, *self._secrets)
        self._in_mail = False
        return text[:MAX_WORDS].decode(errors="replace")

    async def reset(self) -> bool:
        """Makes the session ready for the next mail. Returns False where it cannot be used any more."""
        self._used = monotonic()
        if self._in_mail and not self.gone:
            self._in_mail = False
            try:
                await self._write("mail", "RSET")
                self.gone = (await self._reply("mail"))[0] // 100 != 2
            except SendError:
                self.gone = True
        self.gone = self.gone or self._wire.has_unread  # it would be taken for the reply to the next command
        if self.gone:
            self.drop()
        return not self.gone

    async def quit(self) -> None:
        """Says goodbye, without waiting long for the answer."""
        self._wire.deadline = monotonic() + 1
        try:
            await self._wire.write(b"QUIT\r\n")
            await self._wire.reply()
        except OSError:
            pass
        finally:
            self.drop()

    def drop(self) -> None:
        self._wire.drop()

    async def _begin(self) -> None:
        """Waits for the greeting, then sends EHLO, encrypts and logs in. Raises OSError and SendError.

        All of it has what is left of the deadline: RFC 5321 4.5.3.2 would allow minutes.
        """
        if self._server.tls == "ssl":
            await self._encrypt()
        code, text = await self._wire.reply()
        if code != 220:
            raise _no_session("connect", code, text)
        await self._greet()
        if self._server.tls == "starttls":
            if "STARTTLS" not in self._extensions:
                raise SendError(Cause.CREDENTIALS, "The server does not offer STARTTLS.")
            code, text = await self._ask("STARTTLS")
            if code != 220:
                raise refusal("starttls", code, text)
            await self._encrypt()
            await self._greet()
        if self._server.user and self._server.password:
            await self._log_in()

    async def _encrypt(self) -> None:
        if self._server.context:
            await self._wire.encrypt(self._server.context, self._server.host)

    async def _greet(self) -> None:
        """Sends EHLO, or HELO where the server is too old for it, and keeps what it offers."""
        name = self._server.helo or _literal(*self._wire.local_address)
        code, text = await self._ask(f"EHLO {name}")
        extensions = text
        if 500 <= code <= 504:
            code, text = await self._ask(f"HELO {name}")
            extensions = b""
        if code != 250:
            raise _no_session("ehlo", code, text)
        lines = extensions.decode("ascii", errors="replace").split("\n")[1:]
        words = (line.replace("=", " ", 1).partition(" ") for line in lines)  # old servers: AUTH=PLAIN
        self._extensions = {keyword.upper(): parameters for keyword, _, parameters in words}

    async def _log_in(self) -> None:
        """Logs in by the first mechanism that the server accepts. Names and passwords are UTF-8 (RFC 4616)."""
        offered = self._extensions.get("AUTH", "").upper().split()
        mechanisms = {"CRAM-MD5": self._cram_md5, "PLAIN": self._plain, "LOGIN": self._login}
        spoken = [say for name, say in mechanisms.items() if name in offered]
        if not spoken:
            offer = f"AUTH by {', '.join(offered)} alone, none of which we speak" if offered else "no AUTH"
            raise SendError(Cause.CREDENTIALS, shown(f"The server offers {offer[:200]}."))
        for say in spoken:
            code, text = await say()
            if code in (235, 503):  # 503: it knows us already
                return
            if code < 500:
                raise _no_session("auth", code, text, *self._secrets)
        raise refusal("auth", code, text, *self._secrets)

    async def _plain(self) -> tuple[int, bytes]:
        login = _base64(f"\0{self._server.user}\0{self._server.password}".encode())
        if len(login) + len("AUTH PLAIN \r\n") <= MAX_INITIAL_RESPONSE:
            return await self._ask(f"AUTH PLAIN {login}")
        return await self._answer("AUTH PLAIN", [login])

    async def _login(self) -> tuple[int, bytes]:
        return await self._answer(
            "AUTH LOGIN", [_base64(self._server.user.encode()), _base64(self._server.password.encode())]
        )

    async def _cram_md5(self) -> tuple[int, bytes]:
        code, challenge = await self._ask("AUTH CRAM-MD5")
        if code != 334:
            return code, challenge
        try:
            asked = base64.b64decode(challenge)
        except ValueError:
            raise ConnectionError("The server's challenge cannot be read") from None
        digest = hmac.new(self._server.password.encode(), asked, "md5").hexdigest()
        return await self._ask(_base64(f"{self._server.user} {digest}".encode()))

    async def _answer(self, command: str, answers: Sequence[str]) -> tuple[int, bytes]:
        """Sends a command, and one of these answers to each challenge. Returns the last reply."""
        code, text = await self._ask(command)
        for answer in answers:
            if code != 334:
                break
            code, text = await self._ask(answer)
        return code, text

    async def _ask(self, command: str) -> tuple[int, bytes]:
        await self._wire.write(f"{command}\r\n".encode("ascii"))
        return await self._wire.reply()

    async def _write(self, phase: Phase, *lines: str) -> None:
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError("A command must not contain a line break.")
        try:
            await self._wire.write("".join(f"{line}\r\n" for line in lines).encode("ascii"))
        except OSError as error:
            raise self._broken(phase, error) from None

    async def _reply(self, phase: Phase) -> tuple[int, bytes]:
        try:
            code, text = await self._wire.reply()
        except OSError as error:
            raise self._broken(phase, error) from None
        self.gone = self.gone or code == 421
        return code, text

    def _broken(self, phase: Phase, error: OSError) -> SendError:
        self.gone = True
        cause = Cause.TIMEOUT if isinstance(error, TimeoutError) else Cause.CONNECTION
        return SendError(cause, f"The connection broke at {phase.upper()}.")


def _no_session(phase: Phase, code: int, text: bytes, *secrets: str) -> NoSession:
    error = refusal(phase, code, text, *secrets)
    return NoSession(error.cause, error.detail, about=error.about)


def _literal(family: socket.AddressFamily, address: str) -> str:
    """Returns an address as it may stand in place of a name (RFC 5321 4.1.4)."""
    if family is not socket.AF_INET6:
        return f"[{address}]"
    address = address.partition("%")[0]
    mapped = address.removeprefix("::ffff:")
    return f"[{mapped}]" if "." in mapped else f"[IPv6:{address}]"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
