"""What follows from settings is cached, and only until one changes."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from notifications.channels import channel_class
from notifications.messages.ids import receiver_hash
from notifications.messages.topics import topic_of
from project.caching import cache_of_settings


def test_it_is_made_once_until_a_setting_changes(settings: Settings) -> None:
    made: list[str] = []

    @cache_of_settings
    def prefix(end: str) -> str:
        made.append(end)
        if end == "wrong":
            raise KeyError(end)
        return f"{settings.TOPIC_PREFIX}{end}"

    settings.TOPIC_PREFIX = "a."
    assert [prefix("x"), prefix("x"), prefix("y")] == ["a.x", "a.x", "a.y"]
    settings.TOPIC_PREFIX = "b."
    assert prefix("x") == "b.x"
    assert made == ["x", "y", "x"]
    for _ in range(2):
        with pytest.raises(KeyError):
            prefix("wrong")
    assert made[-2:] == ["wrong", "wrong"], "what callers may name without end is not kept"


def test_channels_topics_and_hashes_follow_the_settings(settings: Settings) -> None:
    before = (topic_of("EMAIL", "bulk"), receiver_hash("EMAIL", "ann@example.com"), channel_class("EMAIL"))
    settings.TOPIC_PREFIX = "other."
    settings.HASH_KEYS = (b"other",)
    settings.CHANNELS = {"EMAIL": {"rules": "notifications.channels.sms.rules.Sms"}}
    after = (topic_of("EMAIL", "bulk"), receiver_hash("EMAIL", "ann@example.com"), channel_class("EMAIL"))
    assert after[0] == "other.email.bulk"
    assert not set(before) & set(after)
    with pytest.raises(KeyError):
        channel_class("SMS")
