"""Each fault of a real Kafka is made once, and named with its remedy."""

from __future__ import annotations

from functools import partial
from uuid import uuid4

import pytest
from pytest_django import Settings

from harness.services.shared import SharedKafka
from harness.services.topics import delete_before, publish, reach, set_config
from harness.services.waiting import wait_until
from notifications.brokers.kafka import KafkaBroker, KafkaConsumer
from notifications.brokers.kafka_client import connection_settings
from notifications.brokers.kafka_groups import members
from project.operations.doctor import of_kafka

ON_ONE_BROKER = ["Fewer than 3 replicas", "min.insync.replicas is below"]


@pytest.fixture
def broker(kafka: SharedKafka, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> KafkaBroker:
    """One that knows no topic yet."""
    settings.KAFKA_BOOTSTRAP_SERVERS = kafka.servers
    settings.TOPIC_PREFIX = f"doctor-{uuid4().hex[:8]}."
    broker = KafkaBroker()
    monkeypatch.setattr(of_kafka, "open_broker", lambda: broker)
    return broker


def test_topics_that_are_missing_or_too_small(broker: KafkaBroker, settings: Settings) -> None:
    assert list(of_kafka.answers()) == []
    (problem,) = of_kafka.topics()
    assert problem.endswith("are missing: run manage.py create_topics.")
    assert list(of_kafka.groups()) == []
    broker.create_topics(1, 1)
    wait_until(lambda: not problem_about("missing"), what="all topics are known")
    assert [
        problem[: len(remedy)] for problem, remedy in zip(of_kafka.topics(), ON_ONE_BROKER, strict=True)
    ] == ON_ONE_BROKER
    set_config(settings.KAFKA_BOOTSTRAP_SERVERS, f"{settings.TOPIC_PREFIX}sms", max_message_bytes=100_000)
    wait_until(lambda: problem_about("max.message.bytes is below"), what="the size is seen")


def problem_about(words: str) -> bool:
    return any(words in problem for problem in of_kafka.topics())


def test_records_that_nobody_reads_or_nobody_can_and_senders_without_a_partition(
    broker: KafkaBroker, settings: Settings
) -> None:
    broker.create_topics(1, 1)
    topic, reached = f"{settings.TOPIC_PREFIX}email", reach(settings.KAFKA_BOOTSTRAP_SERVERS)
    publish(reached, topic, [b"1", b"2"])
    wait_until(partial(_has_coordinators, broker), deadline=60, what="a cluster that just started knows its groups")
    assert list(of_kafka.groups()) == [f"2 records wait in {topic}, and nobody reads it: start senders of its channel."]
    assert list(of_kafka.log()) == []
    readers = [broker.consumer("EMAIL", "transactional") for _ in range(2)]
    try:
        wait_until(partial(_joined, topic, readers), deadline=60, what="both are members")
        (problem,) = of_kafka.groups()
    finally:
        for reader in readers:
            reader.close()
    assert problem.endswith("run fewer, or manage.py create_topics --partitions 2.")
    delete_before(reached, topic, [2])
    (problem,) = of_kafka.log()
    assert problem.startswith(f"{topic}[0]@0 to 1 was deleted before it was read")


def _has_coordinators(broker: KafkaBroker) -> bool:
    try:
        return bool(broker.lags())
    except ConnectionError:
        return False


def _joined(topic: str, readers: list[KafkaConsumer]) -> bool:
    for reader in readers:
        reader.poll(0, 0.1)
    return members(connection_settings()).get(topic, (0, 0))[0] == len(readers)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"}, "None of Kafka's brokers"),
        ({"KAFKA_PASSWORD": "wrong"}, "Kafka refuses KAFKA_USERNAME with this KAFKA_PASSWORD."),
        ({"KAFKA_CA_FILE": ""}, "The TLS connection failed: look at KAFKA_CA_FILE"),
    ],
)
def test_a_way_to_kafka_that_is_wrong(
    kafka: SharedKafka,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    changed: dict[str, str],
    problem: str,
) -> None:
    for name, value in (kafka.sasl_environment | changed).items():
        setattr(settings, name, value)
    broker = KafkaBroker()
    monkeypatch.setattr(of_kafka, "open_broker", lambda: broker)
    (found,) = of_kafka.answers()
    assert found.startswith(problem)
    assert found.endswith(" docs/runbooks.md, Kafka is down.")
