"""Kafka as the broker. Only this module and kafka_topics.py import confluent_kafka; why so set: docs/adr/."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from django.conf import settings

from notifications import metrics
from notifications.broker import LogLost, Outbound, Record
from notifications.kafka_topics import KafkaLog, create_topics, topic_warnings
from notifications.message import all_topics, topic_of
from notifications.stash import Stash

logger = logging.getLogger(__name__)

ACK_TIMEOUT = 4.0  # seconds; the delivery timeout of 2.5 s fires at about 3
PROBE_EVERY = 0.5  # seconds between two looks at a Kafka that did not answer
STASH = 500  # records fetched and not yet asked for; above it fetching pauses
SAY_AGAIN = 10.0  # seconds between two log lines of the client about the same
PAUSE_AT_LEAST = 1.0  # seconds; each pause throws the prefetched records away

PRODUCER = {
    "acks": "all",
    "enable.idempotence": True,
    "linger.ms": 2,
    "delivery.timeout.ms": 2500,
    "compression.type": "lz4",
}
CONSUMER = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    # With on_assign below: a new group starts at the beginning, and a gap left by retention is never jumped.
    "auto.offset.reset": "error",
    "session.timeout.ms": 30_000,
    "max.poll.interval.ms": 300_000,
    # Of each partition: enough for a second or two, and a backlog of a million does not fill the memory.
    "queued.min.messages": 5_000,
    "fetch.queue.backoff.ms": 50,
    "queued.max.messages.kbytes": 2048,
    # A fetch is unpacked whatever that bound says, to a hundred times its size. One whole batch comes at least.
    "fetch.message.max.bytes": 65_536,
    "fetch.max.bytes": 65_536,
    "message.max.bytes": 65_536,  # of a producer, yet it would raise fetch.max.bytes
}


def connection_settings() -> dict[str, Any]:
    """librdkafka's settings for reaching the brokers, TLS and SASL included."""
    found: dict[str, Any] = {
        "bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS,
        "security.protocol": settings.KAFKA_SECURITY_PROTOCOL,
        "client.id": "notifications",
        "reconnect.backoff.max.ms": 1000,
    }
    if settings.KAFKA_SECURITY_PROTOCOL.startswith("SASL"):
        found |= {
            "sasl.mechanism": settings.KAFKA_SASL_MECHANISM,
            "sasl.username": settings.KAFKA_USERNAME,
            "sasl.password": settings.KAFKA_PASSWORD,
        }
    if settings.KAFKA_CA_FILE:
        found["ssl.ca.location"] = settings.KAFKA_CA_FILE
    return found


class _Damped(logging.Filter):
    """The client says again and again that it cannot connect; once in a while is enough of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind, now = record.getMessage().partition(" ")[0], time.monotonic()
        if now - self._said.get(kind, -SAY_AGAIN) < SAY_AGAIN:
            return False
        self._said[kind] = now
        return True


client_logger = logging.getLogger(f"{__name__}.client")
client_logger.addFilter(_Damped())


class KafkaBroker:
    """One producer for the process, made on first use, with one thread that serves its delivery reports."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._down: frozenset[str] = frozenset()  # topics for whose acknowledgement nobody waits

    def publish(self, records: Sequence[Outbound]) -> list[bool]:
        down = self._down
        tried = [record for record in records if record.topic not in down] if down else records
        durable = self._produce(tried) if tried else []
        failed = {record.topic for record, fine in zip(tried, durable, strict=True) if not fine}
        if failed:
            self._trip(failed)
        answers = iter(durable)
        return [record.topic not in down and next(answers) for record in records]

    def _produce(self, records: Sequence[Outbound]) -> list[bool]:
        acks = _Acks(len(records))
        try:
            producer = self._open()
        except KafkaException as error:
            logger.warning("Kafka's producer cannot be made: %s", error)
            return [False] * len(records)
        for position, record in enumerate(records):
            headers: list[tuple[str, str | bytes | None]] = [
                ("origin", record.origin),
                ("traceparent", record.traceparent),
            ]
            try:
                producer.produce(
                    record.topic, record.value, record.key, headers=headers, on_delivery=partial(acks.report, position)
                )
            except (BufferError, KafkaException) as error:
                logger.warning("Kafka's producer refused a record: %s", error)
                acks.one_less()
                if error.args[0] == KafkaError._FATAL:  # it will refuse all others too
                    self._replace(producer)
        return acks.wait(ACK_TIMEOUT)

    def consumer(self, channel: str, priority: str) -> KafkaConsumer:
        return KafkaConsumer(topic_of(channel, priority))

    def problem(self) -> str | None:
        if self._down:
            return f"Kafka does not acknowledge {', '.join(sorted(self._down))}; accepting through the outbox."
        try:
            self._open().list_topics(timeout=2)
        except KafkaException:
            return "Kafka cannot be reached; accepting through the outbox."
        return None

    def warnings(self) -> list[str]:
        try:
            return topic_warnings(connection_settings())
        except KafkaException as error:
            return [f"Kafka cannot be reached ({error.args[0].name()}); waiting for it."]

    def log(self, since: datetime | None) -> KafkaLog:
        return KafkaLog(connection_settings(), since)

    def create_topics(self, partitions: int, replication_factor: int) -> list[str]:
        try:
            return create_topics(connection_settings(), partitions, replication_factor)
        except KafkaException as error:
            raise ConnectionError(f"Kafka refused: {error.args[0].str()}.") from error

    def _open(self) -> Producer:
        if self._producer is None:
            with self._lock:
                if self._producer is None:
                    producer = Producer(connection_settings() | PRODUCER, logger=client_logger)
                    self._producer = producer
                    threading.Thread(target=self._serve, args=(producer,), name="kafka-acks", daemon=True).start()
        return self._producer

    def _replace(self, producer: Producer) -> None:
        """Have the next publish make a new producer, if nobody has done so."""
        with self._lock:
            if self._producer is producer:
                self._producer = None

    def _serve(self, producer: Producer) -> None:
        """Delivery reports, until the producer was replaced and nobody waits for it."""
        while producer is self._producer or len(producer):
            producer.poll(0.1)

    def _trip(self, topics: set[str]) -> None:
        """Stop waiting for Kafka: at three seconds each, a few threads would wait away the intake."""
        with self._lock:
            first = not self._down
            self._down |= topics | set(all_topics())  # the probe soon tells which of them are well
        if first:
            logger.error("Kafka did not acknowledge; going through the outbox until it answers again")
            metrics.kafka_up.set(0)
            threading.Thread(target=self._probe, name="kafka-probe", daemon=True).start()

    def _probe(self) -> None:
        while self._down:
            time.sleep(PROBE_EVERY)
            try:
                still = frozenset(topic for topic in self._down if not self._is_there(topic))
            except (KafkaException, KeyError):  # nobody else would probe again
                continue
            with self._lock:
                self._down = still
        logger.warning("Kafka answers again")
        metrics.kafka_up.set(1)

    def _is_there(self, topic: str) -> bool:
        known = self._open().list_topics(topic, timeout=2).topics[topic]
        return known.error is None and bool(known.partitions)


class _Acks:
    """The delivery reports of one publish."""

    def __init__(self, count: int) -> None:
        self._durable = [False] * count
        self._missing = count
        self._lock = threading.Lock()
        self._none_missing = threading.Lock()  # held until all are there: lighter than an Event
        self._none_missing.acquire()

    def report(self, position: int, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            logger.warning("Kafka did not take a record: %s", error.name())
        self._durable[position] = error is None
        self.one_less()

    def one_less(self) -> None:
        with self._lock:
            self._missing -= 1
            if not self._missing:
                self._none_missing.release()

    def wait(self, timeout: float) -> list[bool]:
        if self._durable:
            self._none_missing.acquire(timeout=timeout)
        return list(self._durable)


class KafkaConsumer:
    """A member of `<topic>.senders`. What was fetched and not yet asked for is kept in a small stash."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self._stash = Stash(STASH)
        self._paused_at: float | None = None
        self._closing = False
        own = {"group.id": f"{topic}.senders", "on_commit": _count_commit}
        self._consumer = Consumer(connection_settings() | CONSUMER | own, logger=client_logger)
        self._consumer.subscribe([topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked)

    def poll(self, limit: int, timeout: float) -> list[Record]:
        # The first record by poll, the rest without waiting: consume(n, t) alone would wait the whole t.
        wait = 0.0 if self._stash or not limit else timeout
        first = self._consumer.poll(wait)
        if first is not None:
            self._keep([first])
            if (room := self._stash.room(limit)) > 0:
                self._keep(self._consumer.consume(room, 0))
        taken = self._stash.take(limit)
        self._balance_stash()
        return taken

    def commit(self, records: Sequence[Record]) -> None:
        ends: dict[tuple[str, int], int] = {}
        for record in records:
            place = (record.topic, record.partition)
            ends[place] = max(ends.get(place, 0), record.offset + 1)
        try:
            self._consumer.commit(offsets=[TopicPartition(*place, end) for place, end in ends.items()])
        except KafkaException as error:  # a stale member: whoever has the partition now will commit
            metrics.commit_failures.inc()
            logger.warning("could not commit on %s: %s", self.topic, error)

    def close(self) -> None:
        self._closing = True
        self._stash.clear()
        self._consumer.close()

    def _keep(self, messages: Iterable[Message]) -> None:
        for message in messages:
            if error := message.error():
                self._complain(message, error)
                continue
            headers = dict(message.headers() or [])
            traceparent = headers.get("traceparent") or b""
            self._stash.add(
                Record(
                    message.topic() or self.topic,
                    message.partition() or 0,
                    message.offset() or 0,
                    message.value(),
                    traceparent.decode(errors="replace") if isinstance(traceparent, bytes) else traceparent,
                )
            )

    def _complain(self, message: Message, error: KafkaError) -> None:
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise LogLost(self._lost_range(message))
        logger.warning("Kafka, reading %s: %s", self.topic, error.name())

    def _lost_range(self, message: Message) -> str:
        place = TopicPartition(self.topic, message.partition() or 0)
        try:
            first, end = self._consumer.get_watermark_offsets(place, timeout=5)
            committed = self._consumer.committed([place], timeout=5)[0].offset
        except KafkaException as error:
            return f"{self.topic} partition {place.partition}: the committed offset is gone ({error})"
        lost = (
            f"offsets {committed} to {first - 1}" if committed < first else f"offset {committed}, beyond the end {end}"
        )
        return f"{self.topic} partition {place.partition}: {lost} can no longer be read"

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
        try:
            known = consumer.committed(partitions, timeout=30)
        except KafkaException as error:
            if self._closing:
                return
            raise ConnectionError(f"cannot tell where to start reading {self.topic}: {error}") from error
        for partition in known:
            if partition.offset < 0:
                partition.offset = OFFSET_BEGINNING
        consumer.assign(known)
        if self._paused_at is not None:
            consumer.pause(known)

    def _revoked(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        # Unclaimed and uncommitted: the next owner reads them. Claimed ones need no partition any more.
        self._stash.clear()


def _count_commit(error: KafkaError | None, _partitions: list[TopicPartition]) -> None:
    if error is not None:
        metrics.commit_failures.inc()
