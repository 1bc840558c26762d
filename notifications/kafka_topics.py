"""The topics themselves: making and judging them, and reading them as a log beside their groups."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic, ResourceType

from notifications.broker import LogRecord
from notifications.message import all_topics, dlq_topic

READ_AT_ONCE = 5000
QUIET = 10.0  # seconds without a record, with some still expected, after which the broker is given up


def create_topics(connection: dict[str, Any], partitions: int, replication_factor: int) -> list[str]:
    """Make the topics that are missing, grow those with too few partitions; what was done, as lines."""
    admin = AdminClient(connection)
    known = admin.list_topics(timeout=10).topics
    config = {"min.insync.replicas": "2"} if replication_factor >= 3 else {}
    done = []
    for topic in all_topics():
        count = len(known[topic].partitions) if topic in known else 0
        if not count:
            new = NewTopic(topic, num_partitions=partitions, replication_factor=replication_factor, config=config)
            _create(admin, new)
            done.append(f"{topic}: created with {partitions} partitions, {replication_factor} replicas")
        elif count < partitions:
            admin.create_partitions([NewPartitions(topic, partitions)])[topic].result(30)
            done.append(f"{topic}: grown from {count} to {partitions} partitions")
        else:
            done.append(f"{topic}: has {count} partitions")
    return done


def _create(admin: AdminClient, new: NewTopic) -> None:
    try:
        admin.create_topics([new])[new.topic].result(30)
    except KafkaException as error:  # somebody else was faster, or the metadata did not tell yet
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise


def topic_warnings(connection: dict[str, Any]) -> list[str]:
    """What an operator should mend, as sentences."""
    admin = AdminClient(connection)
    known = admin.list_topics(timeout=5).topics
    missing = [topic for topic in all_topics() if topic not in known]
    found = [f"The topics {', '.join(missing)} are missing: run manage.py create_topics."] if missing else []
    there = [topic for topic in all_topics() if topic in known]
    thin = [t for t in there if any(len(p.replicas) < 3 for p in known[t].partitions.values())]
    if thin:
        found.append(f"Fewer than 3 replicas, so that a lost broker can lose what was accepted: {', '.join(thin)}.")
    resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in there]
    configs = {r.name: f.result(10) for r, f in admin.describe_configs(resources).items()} if resources else {}
    lax = [topic for topic, config in configs.items() if int(config["min.insync.replicas"].value or 1) < 2]
    if lax:
        found.append(f"min.insync.replicas is below 2: {', '.join(lax)}.")
    return found


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (KafkaException, KeyError) as error:
        raise ConnectionError(str(error)) from error


class KafkaLog:
    """The topics of notifications, read beside their groups: nothing is joined, moved or committed."""

    def __init__(self, connection: dict[str, Any], since: datetime | None) -> None:
        """Notes what is committed now. Raises ConnectionError."""
        self._connection = connection
        self._since = since
        topics = [topic for topic in all_topics() if topic != dlq_topic()]
        with _readable():
            self._committed = {topic: self._committed_offsets(topic) for topic in topics}

    def unread_and_gone(self) -> list[str]:
        with _readable():
            return [gap for topic in self._committed for gap in self._gaps(topic)]

    def read(self) -> Iterator[list[LogRecord]]:
        for topic in self._committed:
            with _readable():
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
        origin = dict(message.headers() or []).get("origin") or b""
        return LogRecord(
            topic,
            partition,
            offset,
            message.value() or b"",
            origin.decode(errors="replace") if isinstance(origin, bytes) else origin,
            offset < self._committed[topic].get(partition, 0),
        )
