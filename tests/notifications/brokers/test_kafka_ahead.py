"""How far a consumer of Kafka looks for other clients' records, and what becomes of those it passes over."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing

import pytest
from confluent_kafka import Producer
from pytest_django import Settings

from harness.services.shared import SharedKafka
from harness.services.waiting import wait_until
from notifications.brokers import kafka as kafka_module
from notifications.brokers import stash
from notifications.brokers.base import Record
from notifications.brokers.kafka import KafkaBroker, KafkaConsumer
from notifications.brokers.kafka_client import connection_settings
from notifications.messages.topics import topic_of
from tests.notifications.rows import message

MANY, RECEIVERS = 4_000, 1_000


@pytest.fixture
def broker(kafka: SharedKafka, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> KafkaBroker:
    """Its consumers hold up to 1,000 records, and what the shop has sent is four times as much."""
    monkeypatch.setattr(stash, "LOOK_AHEAD", 1_000)
    monkeypatch.setattr(kafka_module, "STASH", 50)
    monkeypatch.setattr(kafka_module, "LOOK_PAST_AFTER", 0.0)
    settings.KAFKA_BOOTSTRAP_SERVERS = kafka.servers
    settings.TOPIC_PREFIX = f"ahead-{uuid.uuid4().hex[:8]}."
    broker = KafkaBroker()
    broker.create_topics(4, 1)
    publish("shop", MANY)
    return broker


@pytest.fixture
def consumer(broker: KafkaBroker) -> Iterator[KafkaConsumer]:
    with closing(broker.consumer("EMAIL", "transactional")) as consumer:
        yield consumer


def publish(client: str, count: int) -> None:
    submitted = [message(client=client, receiver=f"{client}{n}@example.com") for n in range(min(count, RECEIVERS))]
    producer = Producer(connection_settings())
    for number in range(count):
        one = submitted[number % RECEIVERS]
        producer.produce(one.topic, one.to_record(), one.receiver_hash)
    assert producer.flush(60) == 0


def test_ten_records_behind_a_long_backlog_are_found_and_nothing_is_lost_or_turned_around(
    broker: KafkaBroker, consumer: KafkaConsumer
) -> None:
    publish("desk", 10)
    found: list[Record] = []

    def until(count: int, client: bytes) -> None:
        def enough() -> bool:
            found.extend(records := consumer.poll(10, 0.5, ahead=True))
            consumer.commit(records)
            return sum(client in (record.value or b"") for record in found) == count

        wait_until(enough, what=f"{count} of {client!r}", deadline=60)

    until(10, b'"client":"desk"')
    assert len(found) < MANY / 2, "they did not wait for the end of it"
    until(MANY, b'"client":"shop"')
    assert len(found) == MANY + 10, "none comes twice"
    assert in_order(found)
    wait_until(lambda: broker.lags()[topic_of("EMAIL", "transactional")].records == 0, what="all is committed")


def in_order(found: list[Record]) -> bool:
    """Returns whether those of each receiver are in the order of their partition."""
    of_receiver: defaultdict[bytes, list[int]] = defaultdict(list)
    for record in found:
        of_receiver[record.key].append(record.offset)
    return all(offsets == sorted(offsets) for offsets in of_receiver.values())
