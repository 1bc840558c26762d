"""What carries the work: the protocols that Kafka and the ledger as a queue fulfil, and what goes over them.

A Broker publishes records and makes consumers; a Consumer polls records and commits them; a Log is read by `balance`.
There is no verb for pausing: a consumer that is asked for no records keeps its place and what it has fetched.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Protocol

import msgspec
from django.conf import settings
from django.utils.module_loading import import_string

from notifications.messages.message import Message
from notifications.messages.tracing import trace
from notifications.messages.words import Origin

POLL_BYTES = 2 * 1024**2  # of records: claiming them takes several times as much memory for a moment
LOOK_AHEAD = 20_000  # records, or rows: how far a consumer looks for other clients' while a provider is slow


class Outbound(msgspec.Struct, frozen=True, gc=False):
    """A record to publish. `message` is what `value` encodes, where that is a notification."""

    topic: str
    key: str
    value: bytes
    origin: Origin
    traceparent: str
    message: Message | None = None


class Fate(msgspec.Struct, frozen=True, gc=False):
    """What became of a record that was to be published; true where it is durable.

    `refused`: the broker will never take it, so trying again is in vain. Else it is away and may take it later.
    """

    durable: bool
    refused: bool = False
    why: str = ""

    def __bool__(self) -> bool:
        return self.durable


DURABLE = Fate(durable=True)
AWAY = Fate(durable=False, why="No acknowledgement came in time.")


class Record(msgspec.Struct, frozen=True, gc=False):
    """A record as it was read. `problem`: why it cannot be a notification, whatever its value says, or "".

    `key` is that of the topic, which records of one receiver share.
    """

    topic: str
    partition: int
    offset: int
    value: bytes | None
    traceparent: str
    problem: str = ""
    key: bytes = b""


class Lag(msgspec.Struct, frozen=True, gc=False):
    """What the senders of a topic have still to read: how many records, and for how many seconds the oldest is there.

    The seconds are 0.0 where there is none.
    """

    records: int = 0
    seconds: float = 0.0


class LogRecord(msgspec.Struct, frozen=True, gc=False):
    """A record as it stands in the log. `committed`: its group need not read it again."""

    topic: str
    partition: int
    offset: int
    value: bytes
    origin: str  # "" for a record that is not ours
    committed: bool


class Rewind(msgspec.Struct, frozen=True, gc=False):
    """A partition whose group is to read again from `offset` on; it had read what is before `before`."""

    topic: str
    partition: int
    offset: int
    before: int


class Log(Protocol):
    def unread_and_gone(self) -> list[str]:
        """The places whose records retention has deleted before their group read them."""

    def read(self) -> Iterator[list[LogRecord]]:
        """All records there are now, in batches; `committed` as it was when the log was opened."""


class Consumer(Protocol):
    """Reads one topic in its group. One thread owns it; others may ask whether it `is_assigned`."""

    is_assigned: bool  # its group has given it its share of the partitions: none, where it has more members than those

    def poll(self, limit: int, timeout: float, *, ahead: bool = False) -> list[Record]:
        """Up to `limit` records, waiting up to `timeout` seconds for the first; with limit 0, none, yet alive.

        The last of them is the one that brings them to POLL_BYTES, so large records come a few at a time.
        `ahead`: look at up to LOOK_AHEAD records, and give every client its share of those polled. The records of
        one receiver stay in order.
        """

    def commit(self, records: Sequence[Record]) -> None:
        """These need not be read again, as soon as that is so for all before them. Does not wait."""

    def close(self) -> None:
        """Leave the group."""


class Broker(Protocol):
    def publish(self, records: Sequence[Outbound]) -> list[Fate]:
        """Publish and wait for the acknowledgements; what became of each record."""

    def consumer(self, channel: str, priority: str) -> Consumer:
        """A new member of the topic's group."""

    def problem(self) -> str | None:
        """Why publishing or reading fails now, or None."""

    def lags(self) -> dict[str, Lag]:
        """For each topic of notifications, what its senders have still to read. Raises ConnectionError."""

    def warnings(self) -> list[str]:
        """What an operator should mend about the topics, as sentences; also when nobody answers."""

    def log(self, since: datetime | None) -> Log | None:
        """The published records beside their groups, or None where the ledger is the log. Raises ConnectionError."""

    def rewinds(self, to: datetime | None) -> list[Rewind]:
        """What would be read again, since that time or at all; nothing where the ledger is the queue.

        Raises ConnectionError.
        """

    def rewind(self, places: Sequence[Rewind]) -> None:
        """Have the groups, which must have no members, read again from there. Raises ConnectionError."""

    def create_topics(self, partitions: int, replication_factor: int) -> list[str]:
        """Make and grow topics; what was done, as lines. Raises ConnectionError."""


def open_broker() -> Broker:
    """This process's broker: Kafka where its servers are set, else the ledger as a queue."""
    return _broker_of(os.getpid())  # a forked child must not use its parent's producer: it loses messages silently


@cache
def _broker_of(_pid: int) -> Broker:
    kind = "kafka.KafkaBroker" if settings.KAFKA_BOOTSTRAP_SERVERS else "ledger_queue.EmbeddedBroker"
    broker: Broker = import_string(f"notifications.brokers.{kind}")()
    return broker


def outbound(message: Message, *, origin: Origin, traceparent: str = "", value: bytes = b"") -> Outbound:
    """A message's record; without a traceparent it starts a trace."""
    return Outbound(
        topic=message.topic,
        key=message.receiver_hash,
        value=value or message.to_record(),
        origin=origin,
        traceparent=traceparent or trace(),
        message=message,
    )


class LogLost(Exception):
    """Records were deleted before they were read; the text names the range. Going on would hide it."""
