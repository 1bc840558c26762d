"""The names of the topics. They follow from the registered channels."""

from __future__ import annotations

from functools import cache

from django.conf import settings

from notifications.channels import channel_names
from notifications.messages.words import PRIORITIES


def topic_of(channel: str, priority: str) -> str:
    return _topic_of(settings.TOPIC_PREFIX, channel, priority)


@cache
def _topic_of(prefix: str, channel: str, priority: str) -> str:
    return f"{prefix}{channel.lower()}{'.bulk' if priority == 'bulk' else ''}"


def all_topics() -> list[str]:
    """Every topic there must be, the dead letters' included."""
    return [topic_of(name, priority) for name in channel_names() for priority in PRIORITIES] + [dlq_topic()]


def dlq_topic() -> str:
    return f"{settings.TOPIC_PREFIX}dlq"
