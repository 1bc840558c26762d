"""Topics, and the hash of a receiver that is the key of its records."""

from __future__ import annotations

from django.conf import settings

from notifications.messages.ids import receiver_hash
from notifications.messages.topics import all_topics, topic_of


def test_equal_receivers_have_one_topic_key_that_tells_nothing() -> None:
    assert receiver_hash("EMAIL", "ann@EXAMPLE.com") == receiver_hash("EMAIL", "ann@example.com")
    assert receiver_hash("EMAIL", "Ann@example.com") != receiver_hash("EMAIL", "ann@example.com")
    assert len(receiver_hash("SMS", "+49151234567")) == 32
    assert receiver_hash("SMS", "+49151234567") != receiver_hash("SMS", "+49151234568")


def test_topics() -> None:
    prefix = settings.TOPIC_PREFIX
    assert topic_of("EMAIL", "transactional") == f"{prefix}email"
    assert topic_of("SMS", "bulk") == f"{prefix}sms.bulk"
    assert len(set(all_topics())) == 7
    assert f"{prefix}dlq" in all_topics()
