"""The names of the topics. They follow from the registered channels."""

from __future__ import annotations

from django.conf import settings

from notifications.channels import channel_names
from notifications.messages.words import PRIORITIES
from project.caching import cache_of_settings


@cache_of_settings
def topic_of(channel: str, priority: str) -> str:
    """Returns the topic of a channel that is registered, and of a priority."""
    return f"{settings.TOPIC_PREFIX}{channel.lower()}{'.bulk' if priority == 'bulk' else ''}"


def all_topics() -> list[str]:
    """Every topic there must be, the dead letters' included."""
    return [topic_of(name, priority) for name in channel_names() for priority in PRIORITIES] + [dlq_topic()]


def dlq_topic() -> str:
    return f"{settings.TOPIC_PREFIX}dlq"
