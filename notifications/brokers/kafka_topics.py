"""The topics themselves: making and judging them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
    TopicMetadata,
)
from django.conf import settings

from notifications.brokers.kafka_client import LARGEST_RECORD, QUIETLY, Reason
from notifications.messages.topics import all_topics, dlq_topic

SIZE = "max.message.bytes"
TOPIC_SIZE = 1_048_588  # Kafka's own default; a broker may have a smaller one
IN_SYNC = "min.insync.replicas"
RETENTION = "retention.ms"  # -1: for ever

MILLISECONDS_A_DAY = 86_400_000

Config = dict[str, int]  # the numbers among a topic's settings


class Denied(Exception):
    """Kafka answers, and this user may not; the text names the right and the topic."""


def create_topics(connection: dict[str, Any], partitions: int, replication_factor: int) -> list[str]:
    """Make the topics that are missing, grow those with too few partitions or too low a limit of a record's size.

    Returns what was done, as lines. Raises Denied, ConnectionError and KafkaException.
    """
    admin, known = _reach(connection, timeout=10)
    config = {SIZE: str(TOPIC_SIZE)} | ({IN_SYNC: "2"} if replication_factor >= 3 else {})
    done = []
    for topic in all_topics():
        count = len(known[topic].partitions) if topic in known else 0
        if not count:
            new = NewTopic(topic, num_partitions=partitions, replication_factor=replication_factor, config=config)
            _create(admin, new)
            done.append(f"{topic}: created with {partitions} partitions, {replication_factor} replicas")
        elif count < partitions:
            _result(admin.create_partitions([NewPartitions(topic, partitions)])[topic], "Alter", topic)
            done.append(f"{topic}: grown from {count} to {partitions} partitions")
        else:
            done.append(f"{topic}: has {count} partitions")
    return done + list(_raise_limits(admin, [topic for topic in all_topics() if topic in known]))


def topic_warnings(connection: dict[str, Any]) -> list[str]:
    """What an operator should mend, as sentences. Raises ConnectionError, and KafkaException, where nobody answers."""
    admin, known = _reach(connection, timeout=5)
    found = _missing_warnings(admin, [topic for topic in all_topics() if topic not in known])
    there = [topic for topic in all_topics() if topic in known]
    if thin := [t for t in there if any(len(p.replicas) < 3 for p in known[t].partitions.values())]:
        found.append(f"Fewer than 3 replicas, so that a lost broker can lose what was accepted: {', '.join(thin)}.")
    configs, denied = _configs(admin, there)
    if denied:
        found.append(
            f"The right DescribeConfigs is missing, so {IN_SYNC} and {SIZE} cannot be checked: {', '.join(denied)}."
        )
    if lax := [topic for topic, config in configs.items() if config[IN_SYNC] < 2]:
        found.append(f"{IN_SYNC} is below 2: {', '.join(lax)}.")
    if narrow := [topic for topic, config in configs.items() if config[SIZE] < LARGEST_RECORD]:
        found.append(
            f"{SIZE} is below {LARGEST_RECORD:,}, so that Kafka refuses what was accepted; "
            f"run manage.py create_topics: {', '.join(narrow)}."
        )
    return found + _retention_warnings(configs)


def _retention_warnings(configs: Mapping[str, Config]) -> list[str]:
    """A topic that keeps records for longer than the ledger keeps rows has more, read again, than the ledger knows."""
    days = settings.RETENTION_DAYS
    long = [topic for topic, config in configs.items() if not 0 <= config[RETENTION] <= days * MILLISECONDS_A_DAY]
    long = [topic for topic in long if topic != dlq_topic()]
    if not (days and long):
        return []
    problem = f"{RETENTION} is longer than RETENTION_DAYS ({days})"
    return [f"{problem}, so that a topic read again has a person decide about what was removed: {', '.join(long)}."]


def _reach(connection: dict[str, Any], timeout: float) -> tuple[AdminClient, dict[str, TopicMetadata]]:
    """Returns a client and the topics that there are. Raises ConnectionError where it is known why nobody answers."""
    reason = Reason()
    admin = AdminClient(connection | QUIETLY | {"error_cb": reason.note})
    try:
        return admin, admin.list_topics(timeout=timeout).topics
    except KafkaException:
        admin.poll(0)  # now it says what went wrong
        if why := reason.in_words():
            raise ConnectionError(why) from None
        raise


def _create(admin: AdminClient, new: NewTopic) -> None:
    with _unless(KafkaError.TOPIC_ALREADY_EXISTS):  # somebody else was faster, or the metadata did not tell yet
        _result(admin.create_topics([new])[new.topic], "Create", new.topic)


def _raise_limits(admin: AdminClient, topics: Sequence[str]) -> Iterator[str]:
    """Let existing topics take our largest record; lines about those that did not or may not."""
    configs, denied = _configs(admin, topics)
    for topic in denied:
        yield f"{topic}: {SIZE} is not known, for the right DescribeConfigs is missing"
    for topic, config in configs.items():
        if config[SIZE] < LARGEST_RECORD:
            entry = ConfigEntry(SIZE, str(TOPIC_SIZE), incremental_operation=AlterConfigOpType.SET)
            resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
            _result(admin.incremental_alter_configs([resource])[resource], "AlterConfigs", topic)
            yield f"{topic}: {SIZE} raised from {config[SIZE]:,} to {TOPIC_SIZE:,}"


def _missing_warnings(admin: AdminClient, topics: Sequence[str]) -> list[str]:
    """Kafka leaves topics that we may not see out of its list: asked for by name, it says so."""
    hidden = []
    for topic, future in admin.describe_topics(TopicCollection(list(topics))).items() if topics else ():
        try:
            with _unless(KafkaError.UNKNOWN_TOPIC_OR_PART):
                _result(future, "Describe", topic)
        except Denied:
            hidden.append(topic)
    missing = [topic for topic in topics if topic not in hidden]
    found = [f"The topics {', '.join(missing)} are missing: run manage.py create_topics."] if missing else []
    if hidden:
        found.append(f"The right Describe, which Read and Write imply, is missing: {', '.join(hidden)}.")
    return found


def _configs(admin: AdminClient, topics: Sequence[str]) -> tuple[dict[str, Config], list[str]]:
    """The settings of topics, and the topics whose settings we may not see."""
    configs: dict[str, Config] = {}
    denied = []
    resources = [ConfigResource(ResourceType.TOPIC, topic) for topic in topics]
    for resource, future in admin.describe_configs(resources).items() if resources else ():
        try:
            found = _result(future, "DescribeConfigs", resource.name)
        except Denied:
            denied.append(resource.name)
        else:
            configs[resource.name] = {name: int(found[name].value) for name in (SIZE, IN_SYNC, RETENTION)}
    return configs, denied


def _result(future: Future[Any], right: str, topic: str) -> Any:
    """What Kafka answers. Raises Denied where it answers that we lack the right."""
    try:
        return future.result(30)
    except KafkaException as error:
        if error.args[0].code() in (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.CLUSTER_AUTHORIZATION_FAILED):
            raise Denied(f"The right {right} on the topic {topic} is missing.") from error
        raise


@contextmanager
def _unless(code: int) -> Iterator[None]:
    """Do not raise this error of Kafka's."""
    try:
        yield
    except KafkaException as error:
        if error.args[0].code() != code:
            raise
