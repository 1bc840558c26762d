"""The ledger as the queue: nothing to install, nothing volatile, the same sender and scheduler on top.

Consumers sleep until something is published: each process that has some keeps a FIFO in VAR_DIR, into which every
publishing process of the machine writes the topics. A call that is lost, or comes from another machine, costs a
second.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections
from django.utils import timezone

from notifications.brokers.base import AWAY, DURABLE, LOOK_AHEAD, POLL_BYTES, Fate, Lag, Outbound, Record, Rewind
from notifications.ledger import due
from notifications.ledger.insert import insert
from notifications.messages.topics import topic_of
from notifications.messages.tracing import trace, trace_id_of
from notifications.messages.words import FROM_LEDGER, Status
from notifications.models import Notification
from project.database import refusals

logger = logging.getLogger(__name__)

PAUSE_AFTER_ERROR = 0.5
CALLS = "calls-"  # names of the FIFOs begin so
LOOK_AHEAD_EVERY = 0.5  # seconds; it takes SQLite up to 0.1
LOOK_EVERY = 1.0  # seconds between two looks at an empty queue that nobody called for


class EmbeddedBroker:
    def publish(self, records: Sequence[Outbound]) -> list[Fate]:
        """Inserts all that the ledger is not known to have, and offers the rest again. Then calls the consumers."""
        given = [(record.message, record) for record in records if record.message]
        new = [(message, trace_id_of(r.traceparent)) for message, r in given if r.origin not in FROM_LEDGER]
        back = [message.id for message, r in given if r.origin in FROM_LEDGER]
        try:
            if new:
                insert(new, Status.QUEUED)
            if back:
                due.offer(back)
        except (DatabaseError, InterfaceError):
            return [AWAY] * len(records)
        _call({record.topic for record in records})
        return [DURABLE if record.message else AWAY for record in records]

    def consumer(self, channel: str, priority: str) -> EmbeddedConsumer:
        return EmbeddedConsumer(channel, priority)

    def problem(self) -> str | None:
        return None  # it is the database, which is asked about on its own

    def lags(self) -> dict[str, Lag]:
        """The oldest is as old as its notification, for nothing tells when a row came into the queue."""
        rows = Notification.objects.queued_by_channel()
        oldest = Notification.objects.oldest_queued(place for place, count in rows.items() if count)
        now = timezone.now()
        ages = {place: max(0.0, (now - moment).total_seconds()) for place, moment in oldest.items()}
        return {topic_of(*place): Lag(count, ages.get(place, 0.0)) for place, count in rows.items()}

    def warnings(self) -> list[str]:
        return []

    def log(self, since: datetime | None) -> None:
        return None

    def rewinds(self, to: datetime | None) -> list[Rewind]:
        return []

    def rewind(self, places: Sequence[Rewind]) -> None:
        pass

    def create_topics(self, partitions: int, replication_factor: int) -> list[str]:
        return ["KAFKA_BOOTSTRAP_SERVERS is not set: the ledger is the queue and needs no topics."]


class _Calls:
    """Of the consumers in this process: an event for each topic, and the thread that reads the FIFO.

    Nothing depends on that thread: where it has ended, consumers look every second.
    """

    def __init__(self) -> None:
        self.called: dict[str, threading.Event] = {}
        name = settings.VAR_DIR / f"{CALLS}{os.getpid()}"
        made = name.with_suffix(".new")
        try:
            settings.VAR_DIR.mkdir(parents=True, exist_ok=True)  # on PostgreSQL nothing else is kept there
            made.unlink(missing_ok=True)
            os.mkfifo(made, 0o600)
            self._fifo = os.open(made, os.O_RDWR)  # for writing, too: so it never ends
            made.rename(name)  # only now: whoever finds no reader removes it
        except OSError as error:
            logger.warning("%s cannot be made, so sending starts up to a second late: %s", name, error)
            return
        threading.Thread(target=self._listen, name="calls", daemon=True).start()

    def _listen(self) -> None:
        while True:
            for topic in set(os.read(self._fifo, 65_536).decode(errors="replace").split("\n")):
                if topic in self.called:  # never makes an event: the consumer would wait for another one
                    self.called[topic].set()


_once = threading.Lock()  # a sender makes its consumers all at once


def _called(topic: str) -> threading.Event:
    """Is set by every call for that topic. A forked child has a FIFO of its own."""
    with _once:
        return _calls_of(os.getpid()).called.setdefault(topic, threading.Event())


@cache
def _calls_of(_pid: int) -> _Calls:
    return _Calls()


def _call(topics: Iterable[str]) -> None:
    """Wake the consumers of these topics in all processes of this machine."""
    lines = "".join(f"{topic}\n" for topic in topics).encode()
    for name in settings.VAR_DIR.glob(f"{CALLS}*[0-9]"):
        try:
            fifo = os.open(name, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno == errno.ENXIO:  # its process has ended
                name.unlink(missing_ok=True)
            continue
        with suppress(OSError):  # it is full, so its reader wakes anyway, or it ended just now
            os.write(fifo, lines)
        os.close(fifo)


class EmbeddedConsumer:
    is_assigned = True  # there are no partitions

    def __init__(self, channel: str, priority: str) -> None:
        self.channel = channel
        self.priority = priority
        self.topic = topic_of(channel, priority)
        self._called = _called(self.topic)
        self._look_at = 0.0
        self._look_ahead_at = 0.0
        self._few: int | None = None  # rows to look at, since the last were large

    def poll(self, limit: int, timeout: float, *, ahead: bool = False) -> list[Record]:
        if not limit:
            return []
        until_look = self._look_at - time.monotonic()
        if until_look > 0 and not self._called.wait(min(timeout, until_look)) and timeout < until_look:
            return []
        self._called.clear()
        found = self._look(limit, ahead)
        self._look_at = 0.0 if found else time.monotonic() + LOOK_EVERY
        return found

    def _look(self, limit: int, ahead: bool) -> list[Record]:
        if ahead := ahead and time.monotonic() >= self._look_ahead_at:
            self._look_ahead_at = time.monotonic() + LOOK_AHEAD_EVERY
        try:
            few = min(limit, self._few or limit)
            look_ahead = LOOK_AHEAD if ahead else 0
            found = due.queued(self.channel, self.priority, few, most_bytes=POLL_BYTES, look_ahead=look_ahead)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("the queue cannot be read: %s", refusals.reason(error))
            close_old_connections()
            time.sleep(PAUSE_AFTER_ERROR)
            return []
        records = [
            Record(self.topic, 0, 0, message.to_record(), trace(trace_id=trace_id)) for message, trace_id in found
        ]
        large = sum(len(record.value or b"") for record in records) >= POLL_BYTES
        self._few = 2 * len(records) if large else None
        return records

    def commit(self, records: Sequence[Record]) -> None:
        """The claim took the rows off the queue."""

    def close(self) -> None:
        """Nothing to leave."""
