"""Topics, and the hash of a receiver that is the key of its records."""

from __future__ import annotations

from hashlib import blake2b

from pytest_django import Settings

from notifications.messages.ids import receiver_hash, receiver_hashes
from notifications.messages.topics import all_topics, topic_of


def test_equal_receivers_have_one_topic_key_that_tells_nothing() -> None:
    assert receiver_hash("EMAIL", "ann@EXAMPLE.com") == receiver_hash("EMAIL", "ann@example.com")
    assert receiver_hash("EMAIL", "Ann@example.com") != receiver_hash("EMAIL", "ann@example.com")
    assert len(receiver_hash("SMS", "+49151234567")) == 32
    assert receiver_hash("SMS", "+49151234567") != receiver_hash("SMS", "+49151234568")


def test_without_the_key_nobody_finds_the_receiver_of_a_hash(settings: Settings) -> None:
    found = receiver_hash("SMS", "+49151234567")
    assert found != blake2b(b"SMS:+49151234567", digest_size=16).hexdigest()
    settings.HASH_KEYS = (b"another", *settings.HASH_KEYS)
    assert receiver_hash("SMS", "+49151234567") != found


def test_rows_under_a_former_key_and_those_of_1_0_are_looked_for(settings: Settings) -> None:
    before = receiver_hash("SMS", "+49151234567")
    settings.HASH_KEYS = (b"another", *settings.HASH_KEYS)
    hashes = receiver_hashes("SMS", "+49151234567")
    assert hashes[0] == receiver_hash("SMS", "+49151234567")
    assert before in hashes
    assert blake2b(b"SMS:+49151234567", digest_size=16).hexdigest() in hashes


def test_topics(settings: Settings) -> None:
    prefix = settings.TOPIC_PREFIX
    assert topic_of("EMAIL", "transactional") == f"{prefix}email"
    assert topic_of("SMS", "bulk") == f"{prefix}sms.bulk"
    assert len(set(all_topics())) == 7
    assert f"{prefix}dlq" in all_topics()
