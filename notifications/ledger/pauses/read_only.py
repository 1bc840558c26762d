"""Whether the platform is read-only, as a web process knows it without asking the database for each request."""

from __future__ import annotations

import logging
import threading
import time

from django.db import Error as DatabaseProblem

from notifications.ledger.pauses.in_force import Pauses, Stop
from project.database import refusals

log = logging.getLogger(__name__)

FRESH_SECONDS = 1.0
RETRY_SECONDS = 5.0  # after a failed read


class ReadOnly:
    """Of one process. While the database does not answer, what was read before counts: the intake needs Kafka alone."""

    def __init__(self) -> None:
        self._pauses = Pauses()
        self._next_read = float("-inf")  # monotonic
        self._lock = threading.Lock()

    def in_force(self) -> Stop | None:
        """Returns the pause of the platform, or None. Nobody waits for another's look at the database."""
        if time.monotonic() >= self._next_read and self._lock.acquire(blocking=False):
            try:
                self._read()
            finally:
                self._lock.release()
        return self._pauses.of_platform

    def forget(self) -> None:
        """Reads it again before the next answer."""
        self._next_read = float("-inf")

    def _read(self) -> None:
        self._next_read = time.monotonic() + FRESH_SECONDS
        try:
            self._pauses.refresh()
        except DatabaseProblem as error:
            self._next_read = time.monotonic() + RETRY_SECONDS
            log.warning("the pauses cannot be read; those known count: %s", refusals.reason(error))


mode = ReadOnly()
