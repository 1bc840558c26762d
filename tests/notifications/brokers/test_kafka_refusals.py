"""What Kafka answers other than yes: never to this record, not now, not to this user."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from pytest_django import Settings

from harness.services.kafka import USERNAME, Kafka
from harness.services.shared import SharedKafka
from harness.services.topics import set_config
from harness.services.waiting import wait_until
from notifications.brokers import kafka_publishing
from notifications.brokers.base import Fate, Outbound, outbound
from notifications.brokers.kafka import KafkaBroker
from notifications.brokers.kafka_client import Troubles
from notifications.brokers.kafka_publishing import ANY, Outage, Publisher
from notifications.messages.topics import all_topics, topic_of
from notifications.messages.words import Origin
from project import metrics
from tests.notifications.rows import message

EMAIL = "EMAIL", "transactional"


def test_a_failure_during_a_look_at_the_metadata_is_not_overwritten_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look finds the topic, which fails again before the look is over: what was seen is older than the failure."""
    troubles = Troubles()
    outage = Outage(Publisher(), troubles)
    outage._watched = True  # the looks are made here
    failed = {(topic_of(*EMAIL), ANY): "No acknowledgement came in time."}
    outage.begin(failed)

    def fails_meanwhile(outage: Outage, _topic: str) -> bool:
        outage.begin(failed)
        return True

    monkeypatch.setattr(kafka_publishing, "DOUBT", 0.0)
    with monkeypatch.context() as during:
        during.setattr(Outage, "_is_there", fails_meanwhile)
        outage._look()
    assert "No acknowledgement" in str(troubles)
    monkeypatch.setattr(Outage, "_is_there", lambda *_: True)
    outage._look()
    assert str(troubles) == ""


@pytest.fixture
def broker(kafka: SharedKafka, settings: Settings) -> KafkaBroker:
    settings.KAFKA_BOOTSTRAP_SERVERS = kafka.servers
    return created(settings)


def created(settings: Settings, partitions: int = 1) -> KafkaBroker:
    settings.TOPIC_PREFIX = f"refusals-{uuid.uuid4().hex[:8]}."
    broker = KafkaBroker()
    broker.create_topics(partitions, 1)
    return broker


def mail(size: int = 10, **fields: str) -> Outbound:
    """With a text that cannot be compressed."""
    return outbound(
        message(message=random.Random(size).randbytes(size // 2).hex() or "-", **fields), origin=Origin.INTAKE
    )


@pytest.mark.parametrize(
    ("sizes", "refused"),
    [
        ([200_000], [0]),
        ([100] * 5 + [200_000] + [100] * 4, [5]),
        ([1_100_000, 100], [0]),  # more than the client itself takes
        ([30_000] * 20, []),  # too large together, fine alone
    ],
)
def test_what_is_too_large_is_refused_alone_and_is_no_outage(
    broker: KafkaBroker, settings: Settings, sizes: list[int], refused: list[int]
) -> None:
    set_config(settings.KAFKA_BOOTSTRAP_SERVERS, topic_of(*EMAIL), max_message_bytes=100_000)
    fates = broker.publish([mail(size) for size in sizes])
    assert [position for position, fate in enumerate(fates) if not fate] == refused
    assert all(fates[position].refused for position in refused)
    assert all("larger" in fates[position].why or "large" in fates[position].why for position in refused)
    assert broker.problem() is None
    assert all(broker.publish([mail()]))


def test_a_topic_that_takes_less_than_we_do_is_warned_of_and_mended(broker: KafkaBroker, settings: Settings) -> None:
    set_config(settings.KAFKA_BOOTSTRAP_SERVERS, topic_of(*EMAIL), max_message_bytes=100_000)
    assert not all(broker.publish([mail(200_000)]))
    wait_until(lambda: any("max.message.bytes" in warning for warning in broker.warnings()), what="the warning")
    assert any("raised from 100,000" in line for line in broker.create_topics(1, 1))
    wait_until(lambda: not any("max.message.bytes" in warning for warning in broker.warnings()), what="it is mended")
    assert all(broker.publish([mail(800_000)]))


def test_the_partition_of_a_record_is_foretold(kafka: SharedKafka, settings: Settings) -> None:
    """So that what one dead partition refuses keeps nobody from the others."""
    settings.KAFKA_BOOTSTRAP_SERVERS = kafka.servers
    broker = created(settings, partitions=6)
    submitted = [mail(receiver=f"r{number}@example.com") for number in range(40)]
    assert all(broker.publish(submitted))
    assert broker._outage._is_there(topic_of(*EMAIL))
    foretold = {record.value: broker._outage._places(record)[1][1] for record in submitted}
    consumer = broker.consumer(*EMAIL)
    found: dict[bytes, int] = {}

    def all_read() -> bool:
        found.update({record.value or b"": record.partition for record in consumer.poll(50, 0.5)})
        return len(found) == len(submitted)

    try:
        wait_until(all_read, what="all are read")
    finally:
        consumer.close()
    assert found == foretold
    assert len(set(found.values())) > 1


def test_a_failure_during_a_look_is_not_forgotten(broker: KafkaBroker) -> None:
    outage = broker._outage
    place = (topic_of(*EMAIL), 0)
    outage.begin({place: "It failed."})
    outage._acknowledged(*place)
    outage.begin({place: "It failed again."})
    assert outage.covers(mail())
    assert "again" in (broker.problem() or "")


# Rights.


@pytest.fixture(scope="module")
def guarded(kafka: SharedKafka) -> Iterator[Kafka]:
    """A broker on which our user has no right that no test gives. (`kafka` skips where there is no Java.)"""
    with Kafka(guarded=True) as server:
        yield server


@pytest.fixture
def stranger(guarded: Kafka, settings: Settings) -> KafkaBroker:
    """A user without any right, and topics that somebody else made."""
    settings.KAFKA_BOOTSTRAP_SERVERS = guarded.servers
    forget_rights(guarded)
    created(settings)
    for name, value in guarded.sasl_environment.items():
        setattr(settings, name, value)
    return KafkaBroker()


def grant(guarded: Kafka, settings: Settings, operations: Sequence[AclOperation], *, group: bool = False) -> None:
    """Rights on all topics, or groups, of our prefix."""
    kind = ResourceType.GROUP if group else ResourceType.TOPIC
    prefix = settings.TOPIC_PREFIX
    change_rights(guarded, [rule(prefix, each, kind, ResourcePatternType.PREFIXED) for each in operations])


def rule(
    name: str,
    operation: AclOperation,
    kind: ResourceType = ResourceType.TOPIC,
    pattern: ResourcePatternType = ResourcePatternType.LITERAL,
    *,
    deny: bool = False,
) -> AclBinding:
    permission = AclPermissionType.DENY if deny else AclPermissionType.ALLOW
    return AclBinding(kind, name, pattern, f"User:{USERNAME}", "*", operation, permission)


def change_rights(guarded: Kafka, rules: list[AclBinding]) -> None:
    admin = AdminClient({"bootstrap.servers": guarded.servers})
    for made in admin.create_acls(rules).values():
        made.result(30)


def forget_rights(guarded: Kafka, permission: AclPermissionType = AclPermissionType.ANY) -> None:
    """Of our user, on everything."""
    admin = AdminClient({"bootstrap.servers": guarded.servers})
    any_text: Any = None  # which the stubs do not know
    anywhere = AclBindingFilter(
        ResourceType.ANY, any_text, ResourcePatternType.ANY, f"User:{USERNAME}", any_text, AclOperation.ANY, permission
    )
    for gone in admin.delete_acls([anywhere]).values():
        gone.result(30)


@pytest.fixture
def unwritable(guarded: Kafka, stranger: KafkaBroker, settings: Settings) -> KafkaBroker:
    """A user who may write and see all topics, but for one that they only see: as one whose leader is dead."""
    grant(guarded, settings, [AclOperation.WRITE])
    change_rights(guarded, [rule(topic_of(*EMAIL), AclOperation.WRITE, deny=True)])
    return stranger


def test_metadata_do_not_end_an_outage_and_nobody_waits_meanwhile(
    guarded: Kafka, unwritable: KafkaBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[bool] = []
    look = Outage._is_there

    def watched(outage: Outage, topic: str) -> bool:
        looks.append(look(outage, topic))
        return looks[-1]

    monkeypatch.setattr(Outage, "_is_there", watched)
    wait_until(lambda: not any(unwritable.publish([mail()])), what="the rights are known")
    waited: list[Outbound] = []
    publish = unwritable._publish

    def noted(records: Sequence[Outbound]) -> list[Fate]:
        waited.extend(records)
        return publish(records)

    monkeypatch.setattr(unwritable, "_publish", noted)

    def looked_at_often() -> bool:
        assert not any(unwritable.publish([mail()]))
        assert "right on the topic" in (unwritable.problem() or "")
        assert metrics.kafka_up._value.get() == 0
        return sum(looks) >= 6

    wait_until(looked_at_often, what="the metadata say that all is well")
    assert waited == [], "somebody waited for the topic"
    forget_rights(guarded, AclPermissionType.DENY)
    wait_until(lambda: all(unwritable.publish([mail()])), what="it acknowledges again")
    assert unwritable.problem() is None
    assert metrics.kafka_up._value.get() == 1


def test_the_other_topics_go_on(unwritable: KafkaBroker) -> None:
    """After the first failure each is in doubt, until it has acknowledged one record that nobody waited for."""
    wait_until(lambda: not any(unwritable.publish([mail()])), what="the rights are known")
    bulk = mail(priority="bulk")
    wait_until(lambda: all(unwritable.publish([bulk])), what="the other topic acknowledges")
    for _ in range(5):
        mixed = unwritable.publish([mail(), bulk])
        assert [fate.durable for fate in mixed] == [False, True]


def test_a_producer_that_kafka_refuses_for_ever_is_replaced(
    guarded: Kafka, stranger: KafkaBroker, settings: Settings
) -> None:
    """Without the right to write anywhere its idempotence is refused, which librdkafka never forgives."""
    first = stranger._publisher.open()
    assert not any(stranger.publish([mail()]))
    assert "right" in (stranger.problem() or "")
    wait_until(lambda: stranger._publisher._producer is not first, what="the thread of acknowledgements replaces it")
    grant(guarded, settings, [AclOperation.WRITE])
    wait_until(lambda: all(stranger.publish([mail()])), what="a new producer publishes")


def test_missing_rights_are_said_as_they_are(guarded: Kafka, stranger: KafkaBroker, settings: Settings) -> None:
    (warning,) = stranger.warnings()
    assert "The right Describe" in warning
    assert all(topic in warning for topic in all_topics())
    with pytest.raises(ConnectionError, match=r"The right Create on the topic .* is missing"):
        stranger.create_topics(1, 1)
    grant(guarded, settings, [AclOperation.WRITE, AclOperation.READ])
    wait_until(lambda: "DescribeConfigs" in str(stranger.warnings()), what="the next missing right")
    assert "reached" not in str(stranger.warnings())
    assert any("DescribeConfigs is missing" in line for line in stranger.create_topics(1, 1))
    with pytest.raises(ConnectionError, match=r"The right Alter on the topic .* is missing"):
        stranger.create_topics(2, 1)


def test_a_consumer_says_which_right_it_lacks_and_recovers(
    guarded: Kafka, stranger: KafkaBroker, settings: Settings
) -> None:
    grant(guarded, settings, [AclOperation.READ, AclOperation.WRITE])
    assert all(stranger.publish([mail()]))
    consumer = stranger.consumer(*EMAIL)
    try:
        wait_until(lambda: consumer.poll(1, 0.2) or stranger.problem(), what="it says why it cannot read")
        assert "the right Read on the consumer group" in (stranger.problem() or "")
        assert metrics.kafka_up._value.get() == 0
        grant(guarded, settings, [AclOperation.READ], group=True)
        wait_until(lambda: consumer.poll(1, 0.2), what="it reads")
        wait_until(lambda: consumer.poll(1, 0.2) or stranger.problem() is None, what="the trouble is over")
        assert metrics.kafka_up._value.get() == 1
    finally:
        consumer.close()


def test_a_consumer_with_a_wrong_password_counts(
    kafka: SharedKafka, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    for name, value in kafka.sasl_environment.items():
        setattr(settings, name, value)
    settings.KAFKA_PASSWORD = "wrong"
    broker = KafkaBroker()
    consumers = [broker.consumer(*EMAIL), broker.consumer("EMAIL", "bulk")]
    try:
        wait_until(lambda: [each.poll(1, 0.1) for each in consumers] and broker.problem(), what="it is noticed")
        for _ in range(10):
            [each.poll(1, 0.1) for each in consumers]
        assert "KAFKA_PASSWORD" in (broker.problem() or "")
        assert metrics.kafka_up._value.get() == 0
    finally:
        for each in consumers:
            each.close()
    assert sum("KAFKA_PASSWORD" in record.getMessage() for record in caplog.records) == 1
    assert "wrong" not in caplog.text
