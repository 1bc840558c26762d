"""Lets the groups read again what they had read, after the ledger was restored from a backup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from notifications.brokers.base import Rewind
from notifications.brokers.kafka_client import QUIETLY
from notifications.brokers.kafka_log import notification_topics, readable

PATIENCE = 10  # seconds for an answer
HAS_MEMBERS = (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION, KafkaError.REBALANCE_IN_PROGRESS)


def rewinds(connection: dict[str, Any], to: datetime | None) -> list[Rewind]:
    """Returns from where to where each partition would be read again; without `to`, all that the topics have.

    Raises ConnectionError.
    """
    with readable():
        return [each for topic in notification_topics() for each in _of_topic(connection, topic, to)]


def rewind(connection: dict[str, Any], places: Sequence[Rewind]) -> None:
    """Moves the groups there. Raises ConnectionError, also where a group has members."""
    for topic, of_topic in groupby(places, key=lambda each: each.topic):
        offsets = [TopicPartition(topic, each.partition, each.offset) for each in of_topic]
        consumer = _consumer(connection, topic)
        try:
            with readable():
                consumer.commit(offsets=offsets, asynchronous=False)
        except ConnectionError as error:
            cause = error.__cause__
            if isinstance(cause, KafkaException) and cause.args[0].code() in HAS_MEMBERS:
                raise ConnectionError(f"Senders read {topic} still: stop them all first.") from error
            raise
        finally:
            consumer.close()


def _of_topic(connection: dict[str, Any], topic: str, to: datetime | None) -> Iterator[Rewind]:
    consumer = _consumer(connection, topic)
    try:
        known = consumer.list_topics(topic, timeout=PATIENCE).topics[topic].partitions
        read = consumer.committed([TopicPartition(topic, partition) for partition in known], timeout=PATIENCE)
        for place in [place for place in read if place.offset > 0]:
            first, _ = consumer.get_watermark_offsets(place, timeout=PATIENCE)
            wanted = _first_since(consumer, place, to) if to else first
            yield Rewind(topic, place.partition, min(max(wanted, first), place.offset), place.offset)
    finally:
        consumer.close()


def _first_since(consumer: Consumer, place: TopicPartition, to: datetime) -> int:
    """Returns the offset of the first record of that time or later; where there is none, the group's own."""
    asked = TopicPartition(place.topic, place.partition, int(to.timestamp() * 1000))
    [found] = consumer.offsets_for_times([asked], PATIENCE)
    return found.offset if found.offset >= 0 else place.offset


def _consumer(connection: dict[str, Any], topic: str) -> Consumer:
    return Consumer(connection | QUIETLY | {"group.id": f"{topic}.senders", "enable.auto.commit": False})
