"""The sessions with one server that the sends of one event loop share.

Normally every send under way has one of its own. A server that refuses another one allows no more than there are:
from then on a send without a session waits until one is free, instead of failing its mail. The number grows again
with each round of mails that were taken, ever more slowly while the server keeps refusing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic

from notifications.channels.outcomes import About, Cause, SendError
from notifications.channels.transport.smtp.session import NoSession, Session

UNLIMITED = 1_000_000
MOST_ROUNDS = 64  # mails through each session, before the number of sessions grows by one


class Sessions:
    """Opens sessions, and lends each to one send at a time.

    `opened` opens one before a deadline of the monotonic clock. It raises SendError, and NoSession for a refusal.
    """

    def __init__(self, opened: Callable[[float], Awaitable[Session]]) -> None:
        self._opened = opened
        self._idle: deque[Session] = deque()  # the one idle for longest first
        self._count = 0  # sessions there are, those being opened included
        self._opening = 0
        self._limit = UNLIMITED
        self._taken = 0  # mails since the limit last changed
        self._rounds = 1
        self._waiting: deque[asyncio.Future[Session | None]] = deque()

    async def take(self, deadline: float) -> tuple[Session, bool]:
        """Returns a session for this send alone, and whether it is new. Raises SendError if there is none in time."""
        while True:
            if session := self._from_idle():
                return session, False
            if self._count < self._limit:
                if opened := await self._open(deadline):
                    return opened, True
            elif session := await self._wait(deadline):
                return session, False

    def give_back(self, session: Session, *, usable: bool, sent: bool) -> None:
        """Takes a session back. Every one that was taken must come back, once."""
        if sent:
            self._grow()
        if not usable:
            self._count -= 1
            self._wake()
        else:
            self._hand_on(session)

    async def close(self) -> None:
        """Closes the sessions that are idle."""
        closed = [*self._idle]
        self._idle.clear()
        self._count -= len(closed)
        for _ in closed:
            self._wake()
        await asyncio.gather(*(session.quit() for session in closed))

    def _from_idle(self) -> Session | None:
        """Returns the session used last, or None. What was idle too long, or broke meanwhile, is closed."""
        while self._idle and not self._idle[0].usable:
            self._lose(self._idle.popleft())
        while self._idle:
            session = self._idle.pop()
            if session.usable:
                return session
            self._lose(session)
        return None

    def _lose(self, session: Session) -> None:
        self._count -= 1
        session.drop()

    async def _open(self, deadline: float) -> Session | None:
        """Returns a new session, or None where the server refuses it while others are there, or are about to be."""
        session: Session | None = None
        self._count += 1
        self._opening += 1
        try:
            session = await self._opened(deadline)
        except NoSession:
            if self._others_remain():
                return None
            raise
        finally:
            self._opening -= 1
            if session is None:
                self._count -= 1
                self._wake()
            elif self._limit < UNLIMITED:
                self._limit = max(self._limit, self._count - self._opening)
                self._rounds = max(self._rounds // 2, 1)
        return session

    def _others_remain(self) -> bool:
        """Notes after a refusal that the server allows no more than there are. Returns whether there are others."""
        there = max(self._count - self._opening, 1)
        if there < self._limit < UNLIMITED:  # it had grown too far
            self._rounds = min(2 * self._rounds, MOST_ROUNDS)
        self._limit, self._taken = there, 0
        return self._count > 1

    async def _wait(self, deadline: float) -> Session | None:
        """Returns a session that another send gave back, or None where it is time to look again. Raises SendError.

        Half of the time is kept for the mail itself.
        """
        waiter: asyncio.Future[Session | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await asyncio.wait([waiter], timeout=max((deadline - monotonic()) / 2, 0))
        except asyncio.CancelledError:
            self._pass_on(waiter)
            raise
        if waiter.done():
            return waiter.result()
        self._waiting.remove(waiter)
        detail = f"All sessions that the server allows ({self._limit}) were busy."
        raise SendError(Cause.THROTTLED, detail, about=About.ACCOUNT)

    def _pass_on(self, waiter: asyncio.Future[Session | None]) -> None:
        """Leaves to the next what a send that was given up had waited for."""
        if waiter in self._waiting:
            self._waiting.remove(waiter)
        elif session := waiter.result():
            self._hand_on(session)
        else:
            self._wake()

    def _hand_on(self, session: Session) -> None:
        if self._waiting:
            self._waiting.popleft().set_result(session)
        else:
            self._idle.append(session)

    def _grow(self) -> None:
        if self._limit < UNLIMITED:
            self._taken += 1
            if self._taken >= self._rounds * self._limit:
                self._limit, self._taken = self._limit + 1, 0
                self._wake()

    def _wake(self) -> None:
        """Lets whoever waits longest look again, since one more session may be allowed now."""
        if self._waiting:
            self._waiting.popleft().set_result(None)
