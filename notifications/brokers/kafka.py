"""Kafka as the broker. Only this module and the others named kafka_ import confluent_kafka; why so: docs/adr/."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Sequence
from datetime import datetime

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from notifications.brokers.base import AWAY, DURABLE, Fate, Lag, LogLost, Outbound, Record, Rewind
from notifications.brokers.kafka_client import (
    CONSUMER,
    Troubles,
    client_logger,
    connection_settings,
    headers_of,
    in_words,
)
from notifications.brokers.kafka_log import GroupLags, KafkaLog
from notifications.brokers.kafka_publishing import ANY, Acked, Acks, Outage, Publisher
from notifications.brokers.kafka_rewind import rewind, rewinds
from notifications.brokers.kafka_topics import Denied, create_topics, topic_warnings
from notifications.brokers.stash import Stash
from notifications.messages.topics import topic_of
from project import metrics

logger = logging.getLogger(__name__)

ACK_TIMEOUT = 4.0  # seconds; the delivery timeout of 2.5 s fires at about 3
STASH = 500  # records fetched and not yet asked for; above it fetching pauses
FETCH_AHEAD = 2_000  # records of those read ahead, at a time
LOOK_PAST_AFTER = 2.0  # seconds of reading ahead; a provider that is slow for a moment costs nothing of it
LOOK_SECONDS = 0.05  # for reading ahead in one poll: others are sent meanwhile
GO_BACK_EVERY = 10.0  # seconds, for the share of one client; all is read again then that was passed over
PAUSE_AT_LEAST = 1.0  # seconds; each pause throws the prefetched records away
COMMITTED_SECONDS = 30.0  # in which a broker that has just started must know what was committed
ASK_AGAIN = 0.5  # seconds
LOOK_EVERY = 1.0  # seconds between two looks of a consumer in trouble
CALM = 3.0  # seconds without an error after which such a look is believed


class KafkaBroker:
    """Kafka for this process: a publisher, consumers, and what keeps either from working."""

    def __init__(self) -> None:
        self._troubles = Troubles()
        self._publisher = Publisher()
        self._one_by_one = Publisher({"batch.num.messages": 1, "linger.ms": 0})
        self._outage = Outage(self._publisher, self._troubles)
        self._lags = GroupLags(connection_settings)

    def publish(self, records: Sequence[Outbound]) -> list[Fate]:
        if not self._outage:
            return self._publish(records)
        waited = [not self._outage.covers(record) for record in records]
        fates = iter(self._publish([record for record, waits in zip(records, waited, strict=True) if waits]))
        self._outage.try_without_waiting([r for r, waits in zip(records, waited, strict=True) if not waits])
        return [next(fates) if waits else AWAY for waits in waited]

    def _publish(self, records: Sequence[Outbound]) -> list[Fate]:
        acks = _publish_by(self._publisher, records)
        fates, partitions = acks.fates, acks.partitions
        if fates.count(DURABLE) == len(fates):
            return fates
        # Kafka refuses a batch for one of its records, so each of them is asked about alone.
        refused = [position for position, fate in enumerate(fates) if fate.refused]
        alone = _publish_by(self._one_by_one, [records[position] for position in refused])
        for number, position in enumerate(refused):
            fates[position], partitions[position] = alone.fates[number], alone.partitions.get(number, ANY)
        away = {
            (records[position].topic, partitions.get(position, ANY)): fate.why
            for position, fate in enumerate(fates)
            if not (fate or fate.refused)
        }
        if away:
            self._outage.begin(away)
        return fates

    def consumer(self, channel: str, priority: str) -> KafkaConsumer:
        return KafkaConsumer(topic_of(channel, priority), self._troubles)

    def problem(self) -> str | None:
        if known := str(self._troubles):
            return known
        try:
            self._publisher.open().list_topics(timeout=2)
        except KafkaException as error:
            why = self._publisher.reason.in_words() or in_words(error.args[0])
            return f"{why} Accepting through the outbox."
        return None

    def lags(self) -> dict[str, Lag]:
        return self._lags.measure()

    def warnings(self) -> list[str]:
        try:
            return topic_warnings(connection_settings())
        except KafkaException as error:
            return [f"Kafka cannot be reached; waiting for it. {in_words(error.args[0])}"]
        except ConnectionError as error:
            return [f"Kafka cannot be reached; waiting for it. {error}"]

    def log(self, since: datetime | None) -> KafkaLog:
        return KafkaLog(connection_settings(), since)

    def rewinds(self, to: datetime | None) -> list[Rewind]:
        return rewinds(connection_settings(), to)

    def rewind(self, places: Sequence[Rewind]) -> None:
        rewind(connection_settings(), places)

    def create_topics(self, partitions: int, replication_factor: int) -> list[str]:
        try:
            return create_topics(connection_settings(), partitions, replication_factor)
        except KafkaException as error:
            raise ConnectionError(in_words(error.args[0])) from error
        except Denied as error:
            raise ConnectionError(str(error)) from error


def _publish_by(publisher: Publisher, records: Sequence[Outbound]) -> Acked:
    acks = Acks(records)
    return acks.wait(ACK_TIMEOUT, publisher.send(records, acks.report))


class KafkaConsumer:
    """A member of `<topic>.senders`. What was fetched and not yet asked for is kept in a stash."""

    def __init__(self, topic: str, troubles: Troubles | None = None) -> None:
        self.topic = topic
        self.is_assigned = False
        self._health = _Health(topic, troubles or Troubles())
        self._stash = Stash(STASH)
        self._paused_at: float | None = None
        self._ahead_since: float | None = None
        self._went_back_at = 0.0
        self._closing = False
        own = {"group.id": f"{topic}.senders", "on_commit": _count_commit, "error_cb": self._health.note}
        self._consumer = Consumer(connection_settings() | CONSUMER | own, logger=client_logger)
        self._consumer.subscribe([topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)

    def poll(self, limit: int, timeout: float, *, ahead: bool = False) -> list[Record]:
        self._stash.looks_past = self._has_looked_ahead(ahead=ahead)
        # The first record by poll, the rest without waiting: consume(n, t) alone would wait the whole t.
        wait = 0.0 if self._stash or not limit else timeout
        first = self._consumer.poll(wait)
        if first is not None:
            self._keep([first])
            self._fetch(limit, ahead=ahead)
        self._health.look(self._consumer)
        taken = self._stash.take(limit)
        self._go_back()
        self._balance_stash()
        return taken

    def _has_looked_ahead(self, *, ahead: bool) -> bool:
        """Returns whether all polls have been for reading ahead, for as long as it takes to look past a client."""
        if not ahead:
            self._ahead_since = None
            return False
        if self._ahead_since is None:
            self._ahead_since = time.monotonic()
        return time.monotonic() - self._ahead_since >= LOOK_PAST_AFTER

    def _fetch(self, limit: int, *, ahead: bool) -> None:
        """Takes what the client has fetched into the stash. Reading ahead, for a moment, as far as the stash allows."""
        until = time.monotonic() + LOOK_SECONDS
        more = True
        while more and (free := self._stash.free(limit, ahead=ahead)) > 0:
            found = self._consumer.consume(min(free, FETCH_AHEAD), 0)
            self._keep(found)
            if ahead and len(self._stash) > limit:
                self._stash.line_up()
            more = ahead and bool(found) and not self._stash.is_full and time.monotonic() < until

    def _go_back(self) -> None:
        """Reads again what was passed over, once little else is left: of all clients, or for a while of one."""
        now = time.monotonic()
        short = self._stash.is_short and now - self._went_back_at >= GO_BACK_EVERY
        if not (short or self._stash.is_spent):
            return
        if self._paused_at is not None:
            self._consumer.resume(self._consumer.assignment())
            self._paused_at = None
        try:
            for partition, offset in self._stash.passed_over.items():
                self._consumer.seek(TopicPartition(*partition, offset))
        except KafkaException as error:  # what was sought already is passed over once more, until all are
            logger.warning("cannot go back on %s yet: %s", self.topic, error)
            return
        self._stash.go_back()
        self._went_back_at = now

    def commit(self, records: Sequence[Record]) -> None:
        offsets = [TopicPartition(*place, offset) for place, offset in self._stash.read_until(records).items()]
        if not offsets:  # their partitions were given up since, so they are read again; the claim drops them
            return
        try:
            self._consumer.commit(offsets=offsets)
        except KafkaException as error:  # a stale member: whoever has the partition now will commit
            metrics.commit_failures.inc()
            logger.warning("could not commit on %s: %s", self.topic, error)

    def close(self) -> None:
        self._closing = True
        self._stash.clear()
        self._consumer.close()
        self._health.end()

    def _keep(self, messages: Iterable[Message]) -> None:
        for message in messages:
            if error := message.error():
                self._complain(message, error)
                continue
            headers = headers_of(message)
            self._stash.add(
                Record(
                    message.topic() or self.topic,
                    message.partition() or 0,
                    message.offset() or 0,
                    message.value(),
                    (headers or {}).get("traceparent", b"").decode(errors="replace"),
                    "The name of a header is not UTF-8." if headers is None else "",
                    _bytes(message.key()),
                )
            )
        if self._stash.must_line_up:
            self._stash.line_up()

    def _complain(self, message: Message, error: KafkaError) -> None:
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise LogLost(self._lost_range(message))
        self._health.note(error)

    def _lost_range(self, message: Message) -> str:
        place = TopicPartition(self.topic, message.partition() or 0)
        try:
            first, end = self._consumer.get_watermark_offsets(place, timeout=5)
            committed = self._consumer.committed([place], timeout=5)[0].offset
        except KafkaException as error:
            return f"{self.topic} partition {place.partition}: the committed offset is gone ({error})"
        where = f"{self.topic} partition {place.partition}"
        if committed < 0 or committed > end:  # Kafka forgets the offsets of a topic that is deleted
            return f"{where}: the topic was deleted and made anew, so what it held before is gone"
        return f"{where}: offsets {committed} to {first - 1} can no longer be read"

    def _balance_stash(self) -> None:
        """Pause fetching while the stash is full, resume when it is low, and never flutter."""
        paused_for = 0.0 if self._paused_at is None else time.monotonic() - self._paused_at
        if self._stash.is_full and self._paused_at is None:
            self._consumer.pause(self._consumer.assignment())
            self._paused_at = time.monotonic()
        elif self._stash.is_low and self._paused_at is not None and paused_for >= PAUSE_AT_LEAST:
            self._consumer.resume(self._consumer.assignment())
            self._paused_at = None

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        known = self._committed(consumer, partitions)
        if self._closing:
            return
        for partition in known:
            if partition.offset < 0:
                partition.offset = OFFSET_BEGINNING
        consumer.assign(known)
        if self._paused_at is not None:
            consumer.pause(known)
        self.is_assigned = True

    def _committed(self, consumer: Consumer, partitions: list[TopicPartition]) -> list[TopicPartition]:
        """Returns where to go on. Asks again where a broker that has just started cannot say it yet.

        The client repeats what its broker does not answer, and not what it answers with an error. Raises
        ConnectionError.
        """
        until = time.monotonic() + COMMITTED_SECONDS
        while not self._closing:
            left = until - time.monotonic()
            try:
                return consumer.committed(partitions, timeout=max(left, ASK_AGAIN))
            except KafkaException as error:
                why = f"cannot tell where to start reading {self.topic}: {in_words(error.args[0])}"
                if left <= 0:
                    raise ConnectionError(why) from error
                logger.warning("%s Asking again.", why)
            time.sleep(ASK_AGAIN)
        return []

    def _revoked(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self.is_assigned = False
        # Unclaimed and uncommitted: the next owner reads them. Claimed ones need no partition any more.
        self._stash.clear()


def _bytes(key: str | bytes | None) -> bytes:
    return key.encode() if isinstance(key, str) else key or b""


def _count_commit(error: KafkaError | None, _partitions: list[TopicPartition]) -> None:
    if error is not None:
        metrics.commit_failures.inc()


class _Health:
    """What keeps one consumer from reading, as the client's errors tell; nothing tells when they are over."""

    def __init__(self, topic: str, troubles: Troubles) -> None:
        self._topic = topic
        self._who = f"Reading {topic}"
        self._troubles = troubles
        self._error: int | None = None
        self._noted_at = 0.0
        self._look_at = 0.0

    def note(self, error: KafkaError) -> None:
        """An error of the client as a whole, or of a partition. One broker of several that is away is none."""
        if error.code() == KafkaError._TRANSPORT:
            return
        self._noted_at = time.monotonic()
        if self._error is None or error.code() != KafkaError._ALL_BROKERS_DOWN:  # which follows what explains it
            self._error = error.code()
            self._troubles.begin(self._who, in_words(error))

    def look(self, consumer: Consumer) -> None:
        """Of a consumer in trouble: ask the brokers for what reading needs, once a second."""
        now = time.monotonic()
        if self._error is None or now < max(self._look_at, self._noted_at + CALM):
            return
        self._look_at = now + LOOK_EVERY
        try:
            topic = consumer.list_topics(self._topic, timeout=1).topics[self._topic]
            consumer.committed([TopicPartition(self._topic, 0)], timeout=1)
        except (KafkaException, KeyError):
            return
        if topic.error is None and topic.partitions:
            self.end()

    def end(self) -> None:
        self._error = None
        self._troubles.end(self._who)
