"""A lean SMTP client: sessions kept open and shared, one deadline per mail, every reply classified by its codes."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections import OrderedDict
from functools import partial
from time import monotonic

from notifications.channels.outcomes import About, Cause, SendError
from notifications.channels.transport.hosts import HOST
from notifications.channels.transport.smtp.replies import PolicyRefusal
from notifications.channels.transport.smtp.session import Server, Session, Tls
from notifications.channels.transport.smtp.sessions import Sessions

SEVERAL = 3  # receivers in a row that are refused, so that the reason is not theirs
REMEMBERED = 10_000  # receivers


class Smtp:
    """Hands mails to one server. `timeout` is in seconds, for a whole mail; `helo` is the name EHLO says."""

    def __init__(
        self, host: str, port: int, *, user: str, password: str, tls: Tls, timeout: float, helo: str = ""
    ) -> None:
        context = ssl.create_default_context() if tls else None
        server = Server(host, port, user, password, tls, context, helo or _own_name())
        self._timeout = timeout
        self._opened = partial(Session.open, server)
        self._sessions: dict[asyncio.AbstractEventLoop, Sessions] = {}
        self._at_receiver, self._at_mail = _Policy(), _Policy()

    async def send(self, sender: str, receiver: str, mail: bytes) -> str:
        """Hands over a mail, in ASCII with lines that end in CRLF. Returns the server's words. Raises SendError."""
        deadline = monotonic() + self._timeout
        sent = False
        sessions = self._of_loop()
        session = await self._with_envelope(sessions, sender, receiver, len(mail), deadline)
        try:
            words = await session.hand_over(mail, receiver)
            sent = True
            self._at_mail.taken()
        except SendError as error:
            raise self._at_mail.blamed(error, receiver) from None
        finally:
            await _give_back(session, sessions, sent=sent)
        return words

    async def log_in(self) -> None:
        """Opens a session up to where a mail would begin, and ends it. Raises SendError."""
        session = await self._opened(monotonic() + self._timeout)
        await session.quit()

    async def close(self) -> None:
        """Closes the idle sessions of the running loop."""
        if sessions := self._sessions.pop(asyncio.get_running_loop(), None):
            await sessions.close()

    def _of_loop(self) -> Sessions:
        """Returns the sessions of the running loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._sessions:
            self._sessions[loop] = Sessions(self._opened)
        return self._sessions[loop]

    async def _with_envelope(
        self, sessions: Sessions, sender: str, receiver: str, size: int, deadline: float
    ) -> Session:
        """Returns a session that took the envelope. One that the server gave up while idle is replaced by another.

        Raises SendError.
        """
        while True:
            session, new = await sessions.take(deadline)
            try:
                await session.envelope(sender, receiver, size, deadline)
            except SendError as error:
                replaced = session.stale and not new and monotonic() < deadline
                await _give_back(session, sessions)
                if not replaced:
                    raise self._at_receiver.blamed(error, receiver) from None
            except BaseException:
                await _give_back(session, sessions)
                raise
            else:
                self._at_receiver.taken()
                return session


async def _give_back(session: Session, sessions: Sessions, *, sent: bool = False) -> None:
    usable = False
    try:
        usable = await session.reset()
    finally:
        sessions.give_back(session, usable=usable, sent=sent)


class _Policy:
    """Tells a rule against one mail from a rule against us, which a server may answer alike.

    The first such refusal of a receiver ends no mail: it is tried again. It is of this mail where the server has
    taken others of ours since then. Where it refuses several receivers in a row, the rule is against us.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = 0
        self._in_a_row: set[str] = set()  # receivers refused since a mail was taken, SEVERAL at most
        self._refused: OrderedDict[str, int] = OrderedDict()  # receivers: how many mails had been taken before

    def taken(self) -> None:
        """Notes that a mail went on, so the server does not refuse us."""
        self._taken += 1  # threads may lose one to another: what counts is that it grows
        if self._in_a_row:
            with self._lock:
                self._in_a_row.clear()

    def blamed(self, refused: SendError, receiver: str) -> SendError:
        """Returns the refusal as it is, or one that ends no mail."""
        if not isinstance(refused, PolicyRefusal):
            return refused
        with self._lock:
            if len(self._in_a_row) < SEVERAL:
                self._in_a_row.add(receiver)
            if len(self._in_a_row) >= SEVERAL:
                return SendError(Cause.CREDENTIALS, refused.detail, about=About.ACCOUNT)
            if self._taken > self._refused.setdefault(receiver, self._taken):
                return refused
            while len(self._refused) > REMEMBERED:
                self._refused.popitem(last=False)
        return SendError(Cause.PROVIDER_ERROR, refused.detail, about=About.RECEIVER)


def _own_name() -> str:
    """Returns this machine's full name, or "" where it has none that a strict server takes (RFC 5321 4.1.4)."""
    name = socket.getfqdn()
    local = name.endswith((".localdomain", ".arpa", ".local"))
    return name if HOST.fullmatch(name) and not local and len(name) <= 253 else ""
