"""The ledger as the queue: nothing to install, nothing volatile, the same sender and scheduler on top."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import datetime

from django.db import DatabaseError, InterfaceError, close_old_connections

from notifications import database, due, ledger
from notifications.broker import POLL_BYTES, Outbound, Record, trace_id_of
from notifications.causes import Status
from notifications.message import topic_of

logger = logging.getLogger(__name__)

PAUSE_AFTER_ERROR = 0.5
PAUSE = 0.02  # seconds between two looks at an empty queue


class EmbeddedBroker:
    def publish(self, records: Sequence[Outbound]) -> list[bool]:
        """Insert what is new. What the scheduler publishes is in the ledger as queued, and needs nothing more."""
        new = [(r.message, trace_id_of(r.traceparent)) for r in records if r.message and r.origin == "intake"]
        try:
            if new:
                ledger.insert(new, Status.QUEUED)
        except (DatabaseError, InterfaceError):
            return [False] * len(records)
        return [record.message is not None for record in records]

    def consumer(self, channel: str, priority: str) -> EmbeddedConsumer:
        return EmbeddedConsumer(channel, priority)

    def problem(self) -> str | None:
        return None  # it is the database, which is asked about on its own

    def warnings(self) -> list[str]:
        return []

    def log(self, since: datetime | None) -> None:
        return None

    def create_topics(self, partitions: int, replication_factor: int) -> list[str]:
        return ["KAFKA_BOOTSTRAP_SERVERS is not set: the ledger is the queue and needs no topics."]


class EmbeddedConsumer:
    def __init__(self, channel: str, priority: str) -> None:
        self.channel = channel
        self.priority = priority
        self.topic = topic_of(channel, priority)
        self._few: int | None = None  # rows to look at, since the last were large

    def poll(self, limit: int, timeout: float) -> list[Record]:
        if not limit:
            return []
        deadline = time.monotonic() + timeout
        while not (found := self._look(limit)) and time.monotonic() < deadline:
            time.sleep(PAUSE)
        return found

    def _look(self, limit: int) -> list[Record]:
        try:
            found = due.queued(self.channel, self.priority, min(limit, self._few or limit))
        except (DatabaseError, InterfaceError) as error:
            logger.warning("the queue cannot be read: %s", database.reason(error))
            close_old_connections()
            time.sleep(PAUSE_AFTER_ERROR)
            return []
        records = [
            Record(self.topic, 0, 0, message.to_record(), f"00-{trace_id or '0' * 32}-{'0' * 16}-00")
            for message, trace_id in found
        ]
        large = sum(len(record.value or b"") for record in records) >= POLL_BYTES
        self._few = 2 * len(records) if large else None
        return records

    def commit(self, records: Sequence[Record]) -> None:
        """The claim took the rows off the queue."""

    def close(self) -> None:
        """Nothing to leave."""
