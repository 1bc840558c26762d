"""How soon a group does without a member: soon after it was killed, and not for a member that is merely slow."""

from __future__ import annotations

import os
import sys
import time
import uuid
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from pytest_django import Settings

from harness.services.process import Process
from harness.services.shared import SharedKafka
from harness.services.waiting import wait_until
from notifications.brokers import kafka as kafka_broker
from notifications.brokers.kafka import KafkaBroker

OTHER = """
import django
django.setup()
from notifications.brokers.kafka import KafkaBroker
consumer = KafkaBroker().consumer("EMAIL", "transactional")
while True:
    consumer.poll(10, 0.2)
"""


def test_a_member_for_whom_no_partition_is_left_has_its_share(kafka: SharedKafka, settings: Settings) -> None:
    """Else a rollout would wait for ever for a sender that is one more than the partitions."""
    settings.KAFKA_BOOTSTRAP_SERVERS = kafka.servers
    settings.TOPIC_PREFIX = f"members-{uuid.uuid4().hex[:8]}."
    broker = KafkaBroker()
    broker.create_topics(1, 1)
    with (
        closing(broker.consumer("EMAIL", "transactional")) as one,
        closing(broker.consumer("EMAIL", "transactional")) as other,
    ):
        assert not one.is_assigned

        def shared() -> bool:
            for consumer in (one, other):
                consumer.poll(1, 0.1)
            return one.is_assigned and other.is_assigned

        wait_until(shared, deadline=60, what="both have their share")
        assert sum(len(each._consumer.assignment()) for each in (one, other)) == 1


class JustStarted:
    """A client whose broker answers that it cannot say yet what a group has committed."""

    def __init__(self, client: Consumer, times: int) -> None:
        self._client = client
        self.left = times

    def committed(self, partitions: list[TopicPartition], timeout: float) -> list[TopicPartition]:
        if self.left:
            self.left -= 1
            raise KafkaException(KafkaError(KafkaError.NOT_COORDINATOR))
        return self._client.committed(partitions, timeout=timeout)

    def assign(self, partitions: list[TopicPartition]) -> None:
        self._client.assign(partitions)


def test_a_broker_that_cannot_tell_yet_where_to_go_on_is_asked_again(
    kafka: SharedKafka, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.KAFKA_BOOTSTRAP_SERVERS = kafka.servers
    settings.TOPIC_PREFIX = f"members-{uuid.uuid4().hex[:8]}."
    monkeypatch.setattr(kafka_broker, "ASK_AGAIN", 0.01)
    broker = KafkaBroker()
    broker.create_topics(1, 1)
    with closing(broker.consumer("EMAIL", "transactional")) as consumer:
        client: Any = JustStarted(consumer._consumer, 2)
        consumer._assigned(client, [TopicPartition(consumer.topic, 0)])
        assert (client.left, consumer.is_assigned) == (0, True)
        assert [place.offset for place in consumer._consumer.assignment()] == [OFFSET_BEGINNING]
        monkeypatch.setattr(kafka_broker, "COMMITTED_SECONDS", 0.05)
        client.left = 1000
        with pytest.raises(ConnectionError, match="cannot tell where to start reading members-"):
            consumer._assigned(client, [TopicPartition(consumer.topic, 0)])


def test_a_killed_member_is_missed_soon_and_a_starved_one_keeps_its_partitions(
    kafka: SharedKafka, settings: Settings, tmp_path: Path
) -> None:
    settings.KAFKA_BOOTSTRAP_SERVERS = kafka.servers
    settings.TOPIC_PREFIX = f"members-{uuid.uuid4().hex[:8]}."
    broker = KafkaBroker()
    broker.create_topics(4, 1)
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "SECRET_KEY": "for-tests-only-" * 4,
        "DATABASE_URL": f"sqlite:///{tmp_path}/none.sqlite3",
        "KAFKA_BOOTSTRAP_SERVERS": kafka.servers,
        "TOPIC_PREFIX": settings.TOPIC_PREFIX,
    }
    other = Process("member", [sys.executable, "-c", OTHER], log=tmp_path / "member.log", env=environment)
    with closing(broker.consumer("EMAIL", "transactional")) as consumer:

        def owned() -> int:
            consumer.poll(10, 0.1)
            return len(consumer._consumer.assignment())

        try:
            wait_until(lambda: owned() == 2, deadline=60, what="the two share the topic")
            other.pause()
            until = time.monotonic() + 5  # half a session
            wait_until(lambda: owned() != 2 or time.monotonic() > until, what="half a session has passed")
            assert owned() == 2, "it was taken for dead"
            other.resume()
            other.kill()
            wait_until(lambda: owned() == 4, deadline=20, what="the killed one's partitions have moved on")
        finally:
            other.kill()
