"""The topics read beside their groups: as a log for the balance, and how far the groups lag behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from notifications.brokers.base import Lag, LogRecord
from notifications.brokers.kafka_client import QUIETLY, headers_of, in_words
from notifications.messages.topics import all_topics, dlq_topic

READ_AT_ONCE = 5000
QUIET = 10.0  # seconds without a record, with some still expected, after which the broker is given up
_Spec: Any = OffsetSpec  # whose methods have no types
EARLIEST, LATEST = _Spec.earliest(), _Spec.latest()
PATIENCE = 2.0  # seconds for an answer about the lags, for the scheduler waits meanwhile
AGES = (0.0, *(1.25**step for step in range(1, 64)))  # seconds; the last are two weeks


def notification_topics() -> list[str]:
    """All that our consumers read."""
    return [topic for topic in all_topics() if topic != dlq_topic()]


class GroupLags:
    """Returns how many records the group of each topic has still to read, without joining a group.

    A consumer for each group tells what is committed. (AdminClient.list_consumer_group_offsets of confluent_kafka
    2.16.1 ended the process on a cluster that had just started and had no groups yet.)
    """

    def __init__(self, connection: Callable[[], dict[str, Any]]) -> None:
        self._connection = connection
        self._admin: AdminClient | None = None
        self._groups: dict[str, Consumer] = {}

    def measure(self) -> dict[str, Lag]:
        """By topic; one that is missing has no lag. Raises ConnectionError."""
        with readable():
            self._forget_errors()
            admin = self._admin = self._admin or AdminClient(self._connection() | QUIETLY)
            known = admin.list_topics(timeout=PATIENCE).topics
            topics = {topic: list(known[topic].partitions) for topic in notification_topics() if topic in known}
            places = [TopicPartition(topic, partition) for topic in topics for partition in topics[topic]]
            starts = _offsets(admin, dict.fromkeys(places, EARLIEST))
            ends = _offsets(admin, dict.fromkeys(places, LATEST))
            records = dict.fromkeys(topics, 0)
            unread: Offsets = {}
            for topic, partition, committed in self._committed(topics):
                place, first = (topic, partition), max(committed, starts[topic, partition])
                if first < ends[place]:
                    records[topic] += ends[place] - first
                    unread[place] = first
            ages = _ages(admin, unread)
            return {topic: Lag(count, ages.get(topic, 0.0)) for topic, count in records.items()}

    def _forget_errors(self) -> None:
        """What the clients noted since they were last asked. Nobody else takes it, so it would pile up."""
        if self._admin:
            self._admin.poll(0)
        for consumer in self._groups.values():
            while consumer.poll(0) is not None:
                pass

    def _committed(self, topics: Mapping[str, list[int]]) -> Iterator[tuple[str, int, int]]:
        for topic, partitions in topics.items():
            if topic not in self._groups:
                self._groups[topic] = Consumer(self._connection() | QUIETLY | {"group.id": f"{topic}.senders"})
            places = [TopicPartition(topic, partition) for partition in partitions]
            for place in self._groups[topic].committed(places, timeout=PATIENCE):
                yield topic, place.partition, place.offset


Offsets = dict[tuple[str, int], int]  # by topic and partition


def _offsets(admin: AdminClient, wanted: Mapping[TopicPartition, Any]) -> Offsets:
    if not wanted:
        return {}
    asked = admin.list_offsets(dict(wanted), request_timeout=PATIENCE)
    return {(place.topic, place.partition): future.result(PATIENCE + 1).offset for place, future in asked.items()}


def _ages(admin: AdminClient, unread: Offsets) -> dict[str, float]:
    """Returns the age in seconds, to a quarter, of the oldest of these records of each topic.

    Kafka tells the first record since a time, so the ages that are possible are halved until one is left: six
    questions, each for all topics together. Looking at the records themselves would take the right to read them.
    """
    now = time.time()
    steps = dict.fromkeys((topic for topic, _ in unread), 0)
    for half in (32, 16, 8, 4, 2, 1):
        since = {topic: _Spec.for_timestamp(int((now - AGES[step + half]) * 1000)) for topic, step in steps.items()}
        first = _offsets(admin, {TopicPartition(*place): since[place[0]] for place in unread})
        for topic in {place[0] for place, offset in unread.items() if not 0 <= first[place] <= offset}:
            steps[topic] += half
    return {topic: AGES[step] for topic, step in steps.items()}


@contextmanager
def readable() -> Iterator[None]:
    """Has Kafka's errors raised as ConnectionError, in words."""
    try:
        yield
    except KafkaException as error:
        reason = error.args[0]
        raise ConnectionError(in_words(reason) if isinstance(reason, KafkaError) else str(reason)) from error
    except (KeyError, TimeoutError) as error:
        raise ConnectionError(str(error)) from error


class KafkaLog:
    """The topics of notifications, read beside their groups: nothing is joined, moved or committed."""

    def __init__(self, connection: dict[str, Any], since: datetime | None) -> None:
        """Notes what is committed now. Raises ConnectionError."""
        self._connection = connection
        self._since = since
        with readable():
            self._committed = {topic: self._committed_offsets(topic) for topic in notification_topics()}

    def unread_and_gone(self) -> list[str]:
        with readable():
            return [gap for topic in self._committed for gap in self._gaps(topic)]

    def read(self) -> Iterator[list[LogRecord]]:
        for topic in self._committed:
            with readable():
                yield from self._read_topic(topic)

    def _consumer(self, topic: str) -> Consumer:
        own = {"group.id": f"{topic}.senders", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
        return Consumer(self._connection | own)

    def _committed_offsets(self, topic: str) -> dict[int, int]:
        consumer = self._consumer(topic)
        try:
            known = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            places = consumer.committed([TopicPartition(topic, partition) for partition in known], timeout=10)
            return {place.partition: max(place.offset, 0) for place in places}
        finally:
            consumer.close()

    def _gaps(self, topic: str) -> Iterator[str]:
        consumer = self._consumer(topic)
        try:
            for partition, committed in self._committed[topic].items():
                first, _ = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
                if committed < first:
                    yield f"{topic}[{partition}]@{committed} to {first - 1}"
        finally:
            consumer.close()

    def _read_topic(self, topic: str) -> Iterator[list[LogRecord]]:
        consumer = self._consumer(topic)
        try:
            places = [TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in self._committed[topic]]
            if self._since and places:
                at = int(self._since.timestamp() * 1000)
                places = consumer.offsets_for_times([TopicPartition(topic, p.partition, at) for p in places], 10)
            ends = {p.partition: consumer.get_watermark_offsets(p, timeout=10)[1] for p in places}
            places = [p for p in places if p.offset != OFFSET_END and self._has_records(consumer, p, ends)]
            consumer.assign(places)
            missing = {place.partition for place in places}
            while missing:
                messages = consumer.consume(READ_AT_ONCE, 1.0) or consumer.consume(READ_AT_ONCE, QUIET)
                if not messages:
                    raise KafkaException(f"{topic} could not be read to its end")
                yield [self._record(message) for message in messages if not message.error()]
                positions = {place.partition: place.offset for place in consumer.position(places)}
                missing = {partition for partition in missing if positions[partition] < ends[partition]}
        finally:
            consumer.close()

    def _has_records(self, consumer: Consumer, place: TopicPartition, ends: dict[int, int]) -> bool:
        first, _ = consumer.get_watermark_offsets(place, timeout=10)
        return max(first, place.offset) < ends[place.partition]

    def _record(self, message: Message) -> LogRecord:
        topic, partition, offset = message.topic() or "", message.partition() or 0, message.offset() or 0
        origin = (headers_of(message) or {}).get("origin", b"")
        return LogRecord(
            topic,
            partition,
            offset,
            message.value() or b"",
            origin.decode(errors="replace"),
            offset < self._committed[topic].get(partition, 0),
        )
