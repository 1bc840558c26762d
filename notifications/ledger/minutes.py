"""Counts in memory what happens to notifications, and adds it to the table of minutes every few seconds.

The counts are not written in the transactions that they are about: docs/adr/0033.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from django.db import DatabaseError, InterfaceError, close_old_connections, connection

from notifications.messages.words import Happened
from project.database import refusals
from project.database.dialects import REFUSALS, Dialect, Statement, as_json, repeated, turn_to_write

logger = logging.getLogger(__name__)

EVERY = 5.0  # seconds between two writes of a thread that does nothing else
ONE_MINUTE = 60.0
MOST_KEPT = 1440  # minutes of counts, while the database is away

Key = tuple[str, str, Happened, str]  # channel, provider, what happened, cause


class _Row(msgspec.Struct, frozen=True):
    age: float  # seconds
    channel: str
    provider: str
    happened: str
    cause: str
    number: int


_COLUMNS = {
    "age": "float8",
    **dict.fromkeys(("channel", "provider", "happened", "cause"), "text"),
    "number": "bigint",
}


@Statement
def add_to_minutes(d: Dialect) -> str:
    """Adds counts to their minutes, which follow from their age by the database's clock.

    Everybody takes the rows in one order, so nobody waits for somebody who waits for them.
    """
    return f"""
        INSERT INTO notifications_minute (minute, channel, provider, happened, cause, count)
        SELECT minute, channel, provider, happened, cause, sum(number) FROM (
            SELECT {d.minute(d.later("-r.age"))} AS minute, r.channel, r.provider, r.happened, r.cause, r.number
            FROM {d.rows(_COLUMNS)}) AS each
        WHERE true
        GROUP BY minute, channel, provider, happened, cause
        ORDER BY minute, channel, provider, happened, cause
        ON CONFLICT (minute, channel, provider, happened, cause)
        DO UPDATE SET count = notifications_minute.count + excluded.count"""


@dataclass(frozen=True, slots=True)
class _Part:
    """Counts of less than a minute that are still to be written."""

    since: float  # monotonic
    counts: Counter[Key]


class Minutes:
    """What this process has counted and not written yet. Any thread may call it."""

    def __init__(self) -> None:
        self.begin()

    def begin(self, *, by_itself: bool = False) -> None:
        """Begins with no counts. With `by_itself` a thread of this process writes them, from the first count on."""
        self._by_itself = by_itself
        self._counting = threading.Lock()
        self._writing = threading.Lock()
        self._counts: Counter[Key] = Counter()
        self._kept: deque[_Part] = deque(maxlen=MOST_KEPT)
        self._thread: threading.Thread | None = None

    def add(self, counts: Mapping[Key, int]) -> None:
        """Counts in memory. Does not wait for the database."""
        with self._counting:
            mine = self._counts
            for key, number in counts.items():
                mine[key] = mine.get(key, 0) + number
            if self._by_itself and self._thread is None:
                self._start()

    def write(self) -> None:
        """Adds what was counted to the table. Raises what the database raises, and keeps the counts then."""
        with self._writing:
            self._put_aside()
            if not self._kept:
                return
            try:
                repeated(lambda: add_to_minutes(rows=as_json(self._rows())))
            except REFUSALS:  # of such counts no later try would be better
                logger.exception("the database refuses what was counted")
            self._kept.clear()

    def write_if_possible(self) -> None:
        """Does the same, and does not raise where the database is away."""
        try:
            with turn_to_write():
                self.write()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("what was counted cannot be written: %s", refusals.reason(error))
            close_old_connections()

    def begin_in_child(self) -> None:
        """Begins with no counts in a forked child: its parent writes what the parent counted."""
        self.begin(by_itself=self._by_itself)

    def _put_aside(self) -> None:
        """Moves the counts to those that are to be written. What is kept for longer is kept by the minute."""
        now = time.monotonic()
        with self._counting:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        if self._kept and now - self._kept[-1].since < ONE_MINUTE:
            self._kept[-1].counts.update(counts)
        else:
            self._kept.append(_Part(now, counts))

    def _rows(self) -> list[_Row]:
        now = time.monotonic()
        return [_Row(now - part.since, *key, number) for part in self._kept for key, number in part.counts.items()]

    def _start(self) -> None:
        # Not a daemon, as the threads of requests are, so that the end of the process waits for its last write.
        self._thread = threading.Thread(target=self._run, name="minutes", daemon=False)
        self._thread.start()

    def _run(self) -> None:
        """Writes every few seconds, and once more when the main thread has ended."""
        main = threading.main_thread()
        while main.is_alive() and self._thread is threading.current_thread():
            main.join(EVERY)
            self.write_if_possible()
        connection.close()


minutes = Minutes()
os.register_at_fork(after_in_child=minutes.begin_in_child)
