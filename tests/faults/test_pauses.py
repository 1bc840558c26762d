"""Pauses by hand while a backlog drains: nothing goes meanwhile, and afterwards each once and in order."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from harness.fakes.fake import Fake
from harness.services.waiting import wait_until
from tests.faults.site import Site, wait_until_sending

RECEIVERS = 200


def numbered(site: Site, count: int, channel: str, **fields: str) -> list[str]:
    """Sends so many, in turns to the same receivers. Returns their ids."""
    items = [
        item | {"receiver": site.providers.receiver(channel, place % RECEIVERS)}
        for place, item in enumerate(site.items(count, channel, **fields))
    ]
    answer = site.post_batch(items)
    assert answer.status == 202, answer.body
    ids = [entry["id"] for entry in answer.json()["notifications"]]
    site.accepted |= {id: item["message"] for id, item in zip(ids, items, strict=True)}
    return ids


@pytest.fixture(autouse=True)
def a_long_lease(site: Site) -> None:
    """On a busy machine rows would wait for longer than the lease of a fault, be handed back, and lose their order."""
    site.platform.environment |= {"LEASE_SECONDS": "60"}


def assert_in_order(fake: Fake) -> None:
    """Each receiver got what the provider took in the order in which it was accepted: texts end with a number."""
    numbers = defaultdict(list)
    for message in fake.accepted:
        numbers[message.receiver].append(int(message.text.split()[-1]))
    wrong = {receiver: found for receiver, found in numbers.items() if found != sorted(found)}
    assert not wrong


def test_a_channel_is_paused_while_its_backlog_drains(site: Site) -> None:
    twilio = site.providers.twilio
    twilio.answer(delay=1.0)
    site.platform.start_web()
    numbered(site, 1000, "SMS")
    sender = site.platform.start_sender()
    twilio.wait_for(5)
    site.platform.manage("pause", "SMS", "--reason", "the texts are wrong")
    wait_until(lambda: not site.ids("status = 'sending'"), what="what was in memory went back")
    took = len(twilio.accepted)
    stopped = site.ids("status = 'waiting' AND reason = 'stopped'")
    assert stopped
    assert took + len(stopped) < 1000, "the rest was claimed, too"
    assert site.ids("reason = 'stopped' AND (attempts > 0 OR deferred_since IS NOT NULL OR due_at IS NULL)") == set()

    numbered(site, 100, "SMS")
    site.send(10, "EMAIL")
    site.providers.smtp.wait_for(10)
    assert sender.stop(60) == 0
    wait_until_sending(site.platform.start_sender())  # one that starts knows of the pause, too
    site.send(10, "EMAIL")
    site.providers.smtp.wait_for(20)
    assert len(twilio.accepted) == took

    twilio.answer(delay=0.0)
    site.platform.manage("resume", "SMS", "--reason", "corrected")
    site.wait_until_settled()
    assert site.ids("status <> 'sent' OR attempts > 0 OR uncertain_count > 0") == set()
    assert_in_order(twilio)
    site.balance()


def test_a_category_is_paused_and_the_rest_goes_on(site: Site) -> None:
    site.platform.sql(
        "INSERT INTO notifications_category (name, on_uncertain, sensitive) VALUES ('news', 'resend', false)"
    )
    site.platform.start_web()
    site.platform.manage("pause", "category:news", "--for", "1h", "--reason", "not today")
    wait_until_sending(site.platform.start_sender())
    soon = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
    numbered(site, 300, "SMS", category="news")
    (short,) = numbered(site, 1, "SMS", category="news", expires_at=soon)
    others = numbered(site, 100, "SMS")
    site.providers.twilio.wait_for(len(others))
    wait_until(lambda: len(site.ids("status = 'waiting' AND reason = 'stopped'")) == 300, what="they wait")
    wait_until(lambda: site.ids("status = 'expired'") == {short}, what="what expires ends all the same")
    assert len(site.ids("due_at BETWEEN now() + interval '55 minutes' AND now() + interval '1 hour'")) == 300
    assert len(site.providers.twilio.accepted) == len(others)

    site.platform.manage("resume", "category:news", "--reason", "now")
    for _ in range(10):  # what is new stays behind what comes back
        numbered(site, 100, "SMS", category="news")
    site.wait_until_settled()
    assert site.ids("status <> 'sent'") == {short}
    assert site.ids("attempts > 0 OR uncertain_count > 0") == set()
    news = site.providers.twilio.accepted[len(others) :]
    site.providers.twilio.accepted[:] = news
    assert_in_order(site.providers.twilio)
