"""What is Kafka's alone: the stash, lost logs, the intake's breaker, topics, and TLS with SASL."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator
from typing import cast

import pytest
from confluent_kafka import Consumer as RawConsumer
from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from pytest_django import Settings

from harness.services.kafka import Kafka
from harness.services.process import free_ports
from harness.services.shared import SharedKafka
from harness.services.waiting import wait_until
from notifications.brokers import kafka as module
from notifications.brokers.base import DURABLE, LogLost, Outbound, Record, outbound
from notifications.brokers.kafka import KafkaBroker, KafkaConsumer
from notifications.brokers.kafka_client import connection_settings
from notifications.messages.topics import all_topics, dlq_topic, topic_of
from notifications.messages.tracing import trace
from notifications.messages.words import Origin
from tests.notifications.rows import message


@pytest.fixture
def broker(kafka: SharedKafka, settings: Settings) -> KafkaBroker:
    """With topics of one partition, so that all is in one order."""
    settings.KAFKA_BOOTSTRAP_SERVERS = kafka.servers
    return created(settings)


def created(settings: Settings) -> KafkaBroker:
    settings.TOPIC_PREFIX = f"kafka-{uuid.uuid4().hex[:8]}."
    broker = KafkaBroker()
    broker.create_topics(1, 1)
    return broker


@pytest.fixture
def consumers(broker: KafkaBroker) -> Iterator[list[KafkaConsumer]]:
    """Those opened by a test, closed at its end."""
    opened: list[KafkaConsumer] = []
    yield opened
    for consumer in opened:
        consumer.close()


def numbered(count: int, first: int = 0) -> list[Outbound]:
    submitted = message()
    return [outbound(submitted, origin=Origin.INTAKE, value=str(first + number).encode()) for number in range(count)]


def one() -> list[Outbound]:
    return [outbound(message(), origin=Origin.INTAKE)]


def read(consumer: KafkaConsumer, count: int) -> list[Record]:
    found: list[Record] = []

    def enough() -> bool:
        found.extend(consumer.poll(count - len(found), 0.5))
        return len(found) >= count

    wait_until(enough, what=f"{count} records")
    return found


def values(records: list[Record]) -> list[int]:
    return [int(record.value or b"") for record in records]


def test_the_stash_neither_loses_nor_turns_around(
    broker: KafkaBroker, consumers: list[KafkaConsumer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through pauses, resumes and polls for nothing."""
    monkeypatch.setattr(module, "STASH", 40)
    monkeypatch.setattr(module, "PAUSE_AT_LEAST", 0.0)
    assert all(broker.publish(numbered(3000)))
    consumer = broker.consumer("EMAIL", "transactional")
    consumers.append(consumer)
    dice = random.Random(7)
    found: list[Record] = []
    paused = 0

    def all_read() -> bool:
        nonlocal paused
        for _ in range(dice.randint(0, 60)):
            assert consumer.poll(0, 0) == []
        paused += consumer._paused_at is not None
        assert len(consumer._stash) <= 500
        limit = dice.randint(1, 100)
        records = consumer.poll(limit, 0.2)
        assert len(records) <= limit
        found.extend(records)
        return len(found) >= 3000

    wait_until(all_read, deadline=60)
    assert values(found) == list(range(3000))
    assert [record.offset for record in found] == list(range(3000))
    assert paused, "it never came to a pause"


def test_a_gap_left_by_retention_stops_it_and_is_named(broker: KafkaBroker, consumers: list[KafkaConsumer]) -> None:
    assert all(broker.publish(numbered(20)))
    first = broker.consumer("EMAIL", "transactional")
    first.commit(read(first, 5))
    first.close()
    _delete_before(10)
    second = broker.consumer("EMAIL", "transactional")
    consumers.append(second)
    with pytest.raises(LogLost, match="email partition 0: offsets 5 to 9 can no longer be read"):
        read(second, 1)


def test_a_topic_made_anew_is_said_in_words(broker: KafkaBroker) -> None:
    """Not as offsets -1001 to -1."""
    assert all(broker.publish(numbered(20)))
    consumer = broker.consumer("EMAIL", "transactional")
    consumer.commit(read(consumer, 20))
    admin, topic = AdminClient(connection_settings()), topic_of("EMAIL", "transactional")
    admin.delete_topics([topic])[topic].result(30)
    wait_until(lambda: topic not in admin.list_topics(timeout=10).topics, what="it is gone")
    broker.create_topics(1, 1)
    try:
        with pytest.raises(LogLost, match="partition 0: the topic was deleted and made anew"):
            wait_until(lambda: consumer.poll(1, 0.5), what="the sender notices")
    finally:
        consumer.close()


def test_new_partitions_are_read_within_seconds(kafka: SharedKafka, settings: Settings) -> None:
    """Without a restart of the senders, though a web that has just started writes to them at once."""
    settings.KAFKA_BOOTSTRAP_SERVERS = kafka.servers
    broker = created(settings)
    consumer = broker.consumer("EMAIL", "transactional")
    try:
        assert all(broker.publish(one()))
        read(consumer, 1)
        broker.create_topics(6, 1)
        web = KafkaBroker()
        submitted = [message(receiver=f"r{number}@example.com") for number in range(60)]
        wait_until(lambda: web.publish(one())[0].durable, what="the web has metadata")
        assert all(web.publish([outbound(each, origin=Origin.INTAKE) for each in submitted]))
        assert len({record.partition for record in read(consumer, 61)}) > 1
    finally:
        consumer.close()


def test_a_new_group_begins_where_the_log_begins(broker: KafkaBroker, consumers: list[KafkaConsumer]) -> None:
    assert all(broker.publish(numbered(20)))
    _delete_before(10)
    consumers.append(broker.consumer("EMAIL", "transactional"))
    assert values(read(consumers[0], 10)) == list(range(10, 20))


def _delete_before(offset: int) -> None:
    place = TopicPartition(topic_of("EMAIL", "transactional"), 0, offset)
    admin = AdminClient(connection_settings())
    for result in admin.delete_records([place]).values():
        result.result(30)


def test_a_member_that_joins_takes_over_and_all_is_read(kafka: SharedKafka, settings: Settings) -> None:
    settings.KAFKA_BOOTSTRAP_SERVERS = kafka.servers
    settings.TOPIC_PREFIX = f"kafka-{uuid.uuid4().hex[:8]}."
    broker = KafkaBroker()
    broker.create_topics(4, 1)
    submitted = [message(receiver=f"r{number}@example.com") for number in range(200)]
    assert all(broker.publish([outbound(one, origin=Origin.INTAKE) for one in submitted]))
    members = [broker.consumer("EMAIL", "transactional")]
    read_ids: list[bytes | None] = []
    committed: set[tuple[int, int]] = set()

    def all_read() -> bool:
        for consumer in members:
            records = consumer.poll(5, 0.05)
            consumer.commit(records)
            read_ids.extend(record.value for record in records)
            committed.update((record.partition, record.offset) for record in records)
        if len(read_ids) >= 50 and len(members) == 1:
            members.append(broker.consumer("EMAIL", "transactional"))
        return len(committed) == 200

    try:
        wait_until(all_read, deadline=60)
    finally:
        for consumer in members:
            consumer.close()
    assert set(read_ids) == {one.to_record() for one in submitted}


def test_each_record_says_where_it_comes_from(broker: KafkaBroker) -> None:
    submitted = message()
    assert broker.publish([outbound(submitted, origin=Origin.REPLAY, traceparent=trace(trace_id="ab" * 16))]) == [
        DURABLE
    ]
    raw = RawConsumer(connection_settings() | {"group.id": "raw", "auto.offset.reset": "earliest"})
    try:
        raw.subscribe([submitted.topic])
        record = wait_until(lambda: raw.poll(1.0), what="the record")
        assert record is not None
        assert record.error() is None
        headers = dict(record.headers() or [])
        assert headers["origin"] == b"replay"
        traceparent = headers["traceparent"]
        assert isinstance(traceparent, bytes)
        assert traceparent.startswith(b"00-" + b"ab" * 16)
        assert record.key() == submitted.receiver_hash.encode()
        assert record.value() == submitted.to_record()
    finally:
        raw.close()


def test_an_unreachable_broker_is_told_as_not_durable(settings: Settings) -> None:
    settings.KAFKA_BOOTSTRAP_SERVERS = f"127.0.0.1:{free_ports(1)[0]}"
    broker = KafkaBroker()
    assert not any(broker.publish(one()))
    assert "outbox" in (broker.problem() or "")
    with pytest.raises(ConnectionError):
        broker.create_topics(1, 1)
    assert "cannot be reached" in broker.warnings()[0]


def test_a_missing_topic_is_told_as_not_durable(kafka: SharedKafka, settings: Settings) -> None:
    settings.KAFKA_BOOTSTRAP_SERVERS = kafka.servers
    settings.TOPIC_PREFIX = f"missing-{uuid.uuid4().hex[:8]}."
    broker = KafkaBroker()
    assert not any(broker.publish(one()))
    assert "missing" in broker.warnings()[0]
    broker.create_topics(1, 1)
    wait_until(lambda: all(broker.publish(one())), what="the topic is found")


def test_topics_are_made_and_grown_and_never_shrunk(kafka: SharedKafka, settings: Settings) -> None:
    settings.KAFKA_BOOTSTRAP_SERVERS = kafka.servers
    settings.TOPIC_PREFIX = f"kafka-{uuid.uuid4().hex[:8]}."
    broker = KafkaBroker()
    assert all("created with 2" in line for line in broker.create_topics(2, 1))
    again = wait_until(
        lambda: [line for line in [broker.create_topics(1, 1)] if "created" not in str(line)], what="known"
    )
    assert all("has 2" in line for line in again[0])
    assert all("grown from 2 to 3" in line for line in broker.create_topics(3, 1))
    known = AdminClient(connection_settings()).list_topics(timeout=10).topics
    assert {len(known[topic].partitions) for topic in all_topics()} == {3}
    thin, lax = broker.warnings()
    assert "3 replicas" in thin
    assert "min.insync.replicas" in lax
    settings.RETENTION_DAYS = 6  # a topic of Kafka's default keeps seven
    long = broker.warnings()[-1]
    assert "retention.ms is longer than RETENTION_DAYS (6), so that a topic read again has a person decide" in long
    assert topic_of("EMAIL", "bulk") in long
    assert dlq_topic() not in long


def test_over_tls_with_sasl(kafka: SharedKafka, settings: Settings) -> None:
    for name, value in kafka.sasl_environment.items():
        setattr(settings, name, value)
    broker = created(settings)
    assert broker.publish(numbered(3)) == [DURABLE] * 3
    consumer = broker.consumer("EMAIL", "transactional")
    try:
        assert values(read(consumer, 3)) == [0, 1, 2]
    finally:
        consumer.close()


def test_with_a_wrong_password_nothing_is_durable_and_each_call_says_why(
    kafka: SharedKafka, settings: Settings
) -> None:
    for name, value in kafka.sasl_environment.items():
        setattr(settings, name, value)
    settings.KAFKA_PASSWORD = "wrong"
    broker = KafkaBroker()
    assert not any(broker.publish(one()))
    refused = "Kafka refuses KAFKA_USERNAME with this KAFKA_PASSWORD."
    assert refused in (broker.problem() or "")
    assert any(refused in warning for warning in broker.warnings())
    with pytest.raises(ConnectionError, match=refused):
        broker.create_topics(1, 1)


@pytest.fixture
def proxied(kafka: SharedKafka) -> Iterator[Kafka]:
    """A broker of our own, to take away. (`kafka` skips where there is no Java.)"""
    with Kafka(behind_proxy=True) as server:
        yield server


def test_after_one_lost_acknowledgement_nobody_waits_until_kafka_answers_again(
    proxied: Kafka, settings: Settings
) -> None:
    settings.KAFKA_BOOTSTRAP_SERVERS = proxied.servers
    broker = created(settings)
    assert all(broker.publish(one()))
    assert proxied.proxy is not None
    proxied.proxy.hang()
    assert not any(broker.publish(one()))
    assert "outbox" in (broker.problem() or "")
    began = time.monotonic()
    assert not any(broker.publish(one())[0] for _ in range(1000))
    assert time.monotonic() - began < 60, "each waited for Kafka: 1,000 would take most of an hour"
    proxied.proxy.resume()
    wait_until(lambda: broker.problem() is None, what="the probe finds it")
    wait_until(lambda: all(broker.publish(one())), what="it acknowledges again")


def test_a_producer_that_cannot_be_made_is_told_as_not_durable(settings: Settings) -> None:
    settings.KAFKA_BOOTSTRAP_SERVERS = "127.0.0.1:1"
    settings.KAFKA_SECURITY_PROTOCOL, settings.KAFKA_CA_FILE = "SSL", "/nonexistent"
    assert not any(KafkaBroker().publish(one()))


def test_a_producer_that_failed_for_good_is_replaced(broker: KafkaBroker) -> None:
    """librdkafka's fatal errors are for ever, and Kafka is well meanwhile."""
    failed = Fatal()
    broker._publisher._producer = cast("Producer", failed)
    assert not any(broker.publish(one()))
    wait_until(lambda: all(broker.publish(one())), what="a new producer publishes")
    assert failed.refused == 1


class Fatal:
    def __init__(self) -> None:
        self.refused = 0

    def produce(self, *_: object, **__: object) -> None:
        self.refused += 1
        raise KafkaException(KafkaError(KafkaError._FATAL))
