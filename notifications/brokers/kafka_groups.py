"""Who reads the topics."""

from __future__ import annotations

from typing import Any

from confluent_kafka.admin import AdminClient

from notifications.brokers.kafka_client import QUIETLY
from notifications.brokers.kafka_log import notification_topics, readable

PATIENCE = 5.0  # seconds for each answer


def members(connection: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Returns how many members the group of each topic has, and how many partitions the topic, where it exists.

    Raises ConnectionError.
    """
    admin = AdminClient(connection | QUIETLY)
    with readable():
        known = admin.list_topics(timeout=PATIENCE).topics
        groups = {f"{topic}.senders": topic for topic in notification_topics() if topic in known}
        asked = admin.describe_consumer_groups(list(groups), request_timeout=PATIENCE) if groups else {}
        found = {groups[group]: len(future.result(PATIENCE + 1).members) for group, future in asked.items()}
    return {topic: (count, len(known[topic].partitions)) for topic, count in found.items()}
