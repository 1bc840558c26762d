"""Topics from outside: writes records, reads offsets, deletes records, changes settings."""

from __future__ import annotations

from collections.abc import Iterable

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from harness.services.kafka import Kafka

Settings = dict[str, str | int | float | bool]


def direct(kafka: Kafka) -> Settings:
    """Returns the settings that reach a broker past the proxy in front of it."""
    names = {
        "KAFKA_BOOTSTRAP_SERVERS": "bootstrap.servers",
        "KAFKA_SECURITY_PROTOCOL": "security.protocol",
        "KAFKA_SASL_MECHANISM": "sasl.mechanism",
        "KAFKA_USERNAME": "sasl.username",
        "KAFKA_PASSWORD": "sasl.password",
        "KAFKA_CA_FILE": "ssl.ca.location",
    }
    return {names[name]: value for name, value in kafka.sasl_environment.items()}


def reach(servers: str) -> Settings:
    """Returns the settings that reach a broker that asks for no login."""
    return {"bootstrap.servers": servers}


def publish(settings: Settings, topic: str, values: Iterable[bytes], *, key: str = "key", origin: str = "") -> None:
    """Writes records into one partition, one after the other, as a foreign program might; ours with an origin."""
    producer = Producer(settings)
    for value in values:
        producer.produce(topic, value, key, headers=[("origin", origin.encode())] if origin else [])
    assert producer.flush(30) == 0


def ends(settings: Settings, topic: str, partitions: int = 4) -> list[int]:
    """Returns the end offset of each partition."""
    consumer = Consumer(settings | {"group.id": "outside"})
    try:
        return [
            consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=30)[1] for number in range(partitions)
        ]
    finally:
        consumer.close()


def committed(settings: Settings, topic: str, partitions: int = 4) -> list[int]:
    """Returns how far the topic's senders have committed; 0 where they never did."""
    consumer = Consumer(settings | {"group.id": f"{topic}.senders"})
    try:
        found = consumer.committed([TopicPartition(topic, number) for number in range(partitions)], timeout=30)
        return [max(0, place.offset) for place in found]
    finally:
        consumer.close()


def delete_before(settings: Settings, topic: str, offsets: list[int]) -> None:
    """Deletes the records before these offsets, as retention does."""
    places = [TopicPartition(topic, number, offset) for number, offset in enumerate(offsets)]
    admin = AdminClient(settings)  # whose answers end with it
    for done in admin.delete_records(places).values():
        done.result(30)


def rewind(settings: Settings, topic: str, partitions: int = 4) -> None:
    """Lets the topic's group, which must have no members, read from the beginning again."""
    places = [TopicPartition(topic, number, 0) for number in range(partitions)]
    admin = AdminClient(settings)  # whose answers end with it
    for done in admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(f"{topic}.senders", places)]).values():
        done.result(30)


def set_config(servers: str, topic: str, **values: int) -> None:
    """Changes settings of a topic; `max_message_bytes` is max.message.bytes."""
    entries = [
        ConfigEntry(name.replace("_", "."), str(value), incremental_operation=AlterConfigOpType.SET)
        for name, value in values.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    admin = AdminClient(reach(servers))
    admin.incremental_alter_configs([resource])[resource].result(30)
