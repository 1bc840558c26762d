"""Records become claimed rows: they are read, claimed with one token, and looked at by the gates."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Sequence

import msgspec
from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections

from notifications.brokers.base import Record
from notifications.channels.outcomes import Cause
from notifications.ledger.claim import claim
from notifications.ledger.hooks import Hooks, Unclaimable
from notifications.ledger.rows import LONGEST_ERROR, Claimed, Incoming, clean
from notifications.messages.message import Unreadable, from_record, id_in
from notifications.messages.tracing import trace, trace_id_of
from notifications.sending.custody import Custody
from notifications.sending.gates import Gates
from project.database import refusals
from project.traces import tracing

logger = logging.getLogger(__name__)

LONGEST_PAUSE = 5.0  # seconds between two tries while the database is away


class Stopped(Exception):
    """The sender stops while it waits for the database: nothing was claimed."""


class Claiming:
    """Claims for one channel. Both of its consumers use it."""

    def __init__(
        self, channel: str, gates: Gates, *, hooks: Hooks, custody: Custody, stopping: threading.Event
    ) -> None:
        self._channel = channel
        self._gates = gates
        self._hooks = hooks
        self._custody = custody
        self._stopping = stopping
        self.failing_since: float | None = None  # monotonic: the database has not taken a claim since

    def claim(self, records: Sequence[Record], keep_alive: Callable[[], object]) -> list[Claimed]:
        """Claims records until the database answers. Returns the rows that the gates let go, which are in custody.

        All tries have one token, so that a try whose answer was lost does not stand in the way of the next. Between
        two of them `keep_alive` is called. Raises Stopped.
        """
        batch, unreadable = read(records)
        owner, pause = uuid.uuid4().hex, 0.1
        while True:
            began, at = time.monotonic(), time.time_ns()
            try:
                go = self._claim(batch, unreadable, owner)
            except (DatabaseError, InterfaceError) as error:
                self.failing_since = self.failing_since or time.monotonic()
                logger.warning("the ledger cannot be reached, %s waits: %s", self._channel, refusals.reason(error))
                close_old_connections()
                if self._stopping.wait(pause):
                    raise Stopped from None
                keep_alive()
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                self.failing_since = None
                if tracing.is_on():
                    go = _traced(go, batch, at)
                self._custody.keep(go, began)
                return go

    def _claim(self, batch: list[Incoming], unreadable: list[Unclaimable], owner: str) -> list[Claimed]:
        return claim(
            batch,
            owner=owner,
            lease=settings.LEASE_SECONDS,
            hooks=self._hooks,
            unreadable=unreadable,
            gate=self._gates.let_through,
        )


def read(records: Sequence[Record]) -> tuple[list[Incoming], list[Unclaimable]]:
    """Returns what can be claimed, and what can be no notification."""
    batch: list[Incoming] = []
    unreadable: list[Unclaimable] = []
    for record in records:
        try:
            batch.append(_incoming(record))
        except Unreadable as error:
            unreadable.append(_unclaimable(record, str(error)))
    return batch, unreadable


def _traced(rows: list[Claimed], batch: Sequence[Incoming], at: int) -> list[Claimed]:
    """Returns the rows with the spans of their claims, each in the trace of its record."""
    records = {incoming.message.id: incoming for incoming in batch}
    traced = []
    for row in rows:
        record = records[row.id]
        about = tracing.about("claim", "receive", record.topic, row.id, **{"messaging.kafka.offset": record.offset})
        about["messaging.consumer.group.name"] = f"{record.topic}.senders"
        about["messaging.destination.partition.id"] = str(record.partition)
        parent = trace(record.traceparent, trace_id=row.trace_id)
        with tracing.begin(f"claim {record.topic}", parent, tracing.CONSUMER, about, at=at) as span:
            traced.append(msgspec.structs.replace(row, span=span.traceparent))
    return traced


def _incoming(record: Record) -> Incoming:
    if record.problem:
        raise Unreadable(record.problem)
    message = from_record(record.value)
    if message.topic != record.topic:
        raise Unreadable(f"It belongs to the topic {message.topic}.")
    trace_id = trace_id_of(record.traceparent)
    value = record.value or b""
    return Incoming(message, record.topic, record.partition, record.offset, trace_id, value, record.traceparent)


def _unclaimable(record: Record, why: str) -> Unclaimable:
    value = record.value or b""
    place = (record.topic, record.partition, record.offset)
    return Unclaimable(Cause.UNDECODABLE, clean(why, LONGEST_ERROR), "", *place, value, id_in(value))
