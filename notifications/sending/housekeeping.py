"""The thread that does a sender's small periodic work, so that what settles and what sends does nothing else."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from django.db import DatabaseError, InterfaceError, close_old_connections

from project.database import refusals
from project.database.dialects import turn_to_write

logger = logging.getLogger(__name__)

EVERY = 5.0  # seconds
LOOK_EVERY = 0.8
PAUSE = 1.0  # seconds before the next try while the database is away


class Housekeeping:
    """Does all of `work`, in order, when it starts and then every few seconds, on one connection of its own.

    `looks`, which only read, it does before it and more than once a second. Whatever the database cannot be reached
    for is repeated from the first on. It also tells how long the database has been away, when nothing else of an idle
    sender would ask.
    """

    def __init__(self, work: Sequence[Callable[[], None]], *, looks: Sequence[Callable[[], None]] = ()) -> None:
        self._work = work
        self._looks = looks
        self._work_at = 0.0  # monotonic
        self._stopping = threading.Event()
        self._done = threading.Event()
        self.failing_since: float | None = None  # monotonic: the database has not answered since
        self.thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)

    def wait(self, timeout: float) -> bool:
        """Waits until all was done once, or for `timeout` seconds. Returns whether it was."""
        return self._done.wait(timeout)

    def stop(self) -> None:
        """Does nothing more. Does not wait."""
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                for look in self._looks:
                    look()
                if time.monotonic() >= self._work_at:
                    with turn_to_write():
                        for piece in self._work:
                            piece()
                    self._work_at = time.monotonic() + EVERY
            except (DatabaseError, InterfaceError) as error:
                self.failing_since = self.failing_since or time.monotonic()
                logger.warning("the database cannot be used: %s", refusals.reason(error))
                close_old_connections()
                self._stopping.wait(PAUSE)
            else:
                self.failing_since = None
                self._done.set()
                self._stopping.wait(min(LOOK_EVERY, EVERY))
