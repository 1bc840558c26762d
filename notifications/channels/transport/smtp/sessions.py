"""The sessions with one server, shared by the threads that send.

Normally every thread has one of its own. A server that refuses another one allows no more than there are: from then
on a thread without a session waits until one is free, instead of failing its mail. The number grows again with
each round of mails that were taken, ever more slowly while the server keeps refusing.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from time import monotonic

from notifications.channels.outcomes import About, Cause, SendError
from notifications.channels.transport.smtp.session import NoSession, Session

UNLIMITED = 1_000_000
MOST_ROUNDS = 64  # mails through each session, before the number of sessions grows by one


class Sessions:
    """Opens sessions, and lends each to one thread at a time.

    `opened` opens one before a deadline of the monotonic clock. It raises SendError, and NoSession for a refusal.
    """

    def __init__(self, opened: Callable[[float], Session]) -> None:
        self._opened = opened
        self._lock = threading.Lock()
        self._idle: dict[int, Session] = {}  # by the thread that used it last, the one idle for longest first
        self._count = 0  # sessions there are, those being opened included
        self._opening = 0
        self._limit = UNLIMITED
        self._taken = 0  # mails since the limit last changed
        self._rounds = 1
        self._waiting: deque[SimpleQueue[Session | None]] = deque()

    def take(self, deadline: float) -> tuple[Session, bool]:
        """Returns a session for this thread alone, and whether it is new. Raises SendError if there is none in time."""
        while True:
            with self._lock:
                session = self._from_idle()
                if session:
                    return session, False
                waiter = self._may_open_or_wait()
            if waiter is None:
                if opened := self._open(deadline):
                    return opened, True
            elif session := self._wait(waiter, deadline):
                return session, False

    def give_back(self, session: Session, *, usable: bool, sent: bool) -> None:
        """Takes a session back. Every one that was taken must come back, once."""
        with self._lock:
            if sent:
                self._grow()
            if not usable:
                self._count -= 1
                self._wake()
            else:
                self._hand_on(session)

    def close(self) -> None:
        """Closes the session that the calling thread used last."""
        with self._lock:
            session = self._idle.pop(threading.get_ident(), None)
            if session:
                self._count -= 1
                self._wake()
        if session:
            session.quit()

    def _from_idle(self) -> Session | None:
        """Returns this thread's own session, or another's where no more may be opened, or None.

        What was idle too long is closed.
        """
        while self._idle and not (oldest := next(iter(self._idle.values()))).usable:
            del self._idle[next(iter(self._idle))]
            self._count -= 1
            oldest.drop()
        own = self._idle.pop(threading.get_ident(), None)
        if own or self._count < self._limit or not self._idle:
            return own
        return self._idle.popitem()[1]

    def _may_open_or_wait(self) -> SimpleQueue[Session | None] | None:
        """Returns a place in the queue of those who wait, or None where this thread may open a session."""
        if self._count < self._limit:
            self._count += 1
            self._opening += 1
            return None
        waiter: SimpleQueue[Session | None] = SimpleQueue()
        self._waiting.append(waiter)
        return waiter

    def _open(self, deadline: float) -> Session | None:
        """Returns a new session, or None where the server refuses it while others are there, or are about to be."""
        session: Session | None = None
        try:
            session = self._opened(deadline)
        except NoSession:
            if self._others_remain():
                return None
            raise
        finally:
            with self._lock:
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
        with self._lock:
            there = max(self._count - self._opening, 1)
            if there < self._limit < UNLIMITED:  # it had grown too far
                self._rounds = min(2 * self._rounds, MOST_ROUNDS)
            self._limit, self._taken = there, 0
            return self._count > 1

    def _wait(self, waiter: SimpleQueue[Session | None], deadline: float) -> Session | None:
        """Returns a session that another thread gave back, or None where it is time to look again. Raises SendError.

        Half of the time is kept for the mail itself.
        """
        try:
            return waiter.get(timeout=max((deadline - monotonic()) / 2, 0))
        except Empty:
            with self._lock:
                if waiter in self._waiting:
                    self._waiting.remove(waiter)
                elif late := waiter.get():
                    self._hand_on(late)
                else:
                    self._wake()
            detail = f"All sessions that the server allows ({self._limit}) were busy."
            raise SendError(Cause.THROTTLED, detail, about=About.ACCOUNT) from None

    def _hand_on(self, session: Session) -> None:
        if self._waiting:
            self._waiting.popleft().put(session)
        else:
            self._idle[threading.get_ident()] = session

    def _grow(self) -> None:
        if self._limit < UNLIMITED:
            self._taken += 1
            if self._taken >= self._rounds * self._limit:
                self._limit, self._taken = self._limit + 1, 0
                self._wake()

    def _wake(self) -> None:
        """Lets whoever waits longest look again, since one more session may be allowed now."""
        if self._waiting:
            self._waiting.popleft().put(None)
