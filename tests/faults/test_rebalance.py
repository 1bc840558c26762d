"""Senders that come and go while sends are under way."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest
from confluent_kafka import ConsumerGroupState
from confluent_kafka.admin import AdminClient

from harness.services.topics import committed, ends, rewind
from harness.services.waiting import wait_until
from tests.faults.site import THREADS, Site, wait_until_sending

LONGEST_GAP = 3.0  # seconds without anything at any provider


@pytest.mark.fault(10)
def test_a_rebalance_during_long_sends_costs_nothing(site: Site) -> None:
    topic = f"{site.platform.environment['TOPIC_PREFIX']}sms"
    site.platform.environment |= {"LEASE_SECONDS": "24", "SEND_TIMEOUT_SECONDS": "12"}
    site.providers.twilio.answer(delay=8.0)
    site.platform.start_web()
    first = site.platform.start_sender("--channels", "SMS")
    wait_until_sending(first)
    site.send(3 * THREADS, "SMS")
    wait_until(lambda: site.providers.twilio.asked == THREADS, what="long sends are under way")
    progress = [committed(site.kafka, topic)]
    others = []
    for members in (2, 3):
        others.append(site.platform.start_sender("--channels", "SMS"))
        wait_until(partial(_has_members, site, topic, members), deadline=60, what=f"{members} members")
        progress.append(committed(site.kafka, topic))
    assert first.stop(25) == 0
    progress.append(committed(site.kafka, topic))
    site.send(THREADS, "SMS")
    site.wait_until_settled()
    wait_until(lambda: committed(site.kafka, topic) == ends(site.kafka, topic), what="all is committed")
    progress.append(committed(site.kafka, topic))
    for earlier, later in itertools.pairwise(progress):
        assert all(a <= b for a, b in zip(earlier, later, strict=True)), f"offsets went back: {progress}"
    assert all(other.running for other in others)
    assert site.ids("status <> 'sent' OR uncertain_count > 0 OR attempts > 0") == set()
    assert "results came too late" not in "".join(sender.output for sender in (first, *others))
    site.balance()


def _has_members(site: Site, topic: str, count: int) -> bool:
    """Whether the topic's group has so many members and is stable."""
    group = f"{topic}.senders"
    admin = AdminClient(site.kafka)  # whose answers end with it
    found = admin.describe_consumer_groups([group])[group].result(30)
    return found.state is ConsumerGroupState.STABLE and len(found.members) == count


def test_a_log_read_again_from_the_beginning_sends_nothing_twice(site: Site) -> None:
    prefix = site.platform.environment["TOPIC_PREFIX"]
    topics = [f"{prefix}{name}" for name in ("email", "slack", "sms")]
    site.platform.start_web()
    sender = site.platform.start_sender()
    site.send(90)
    site.wait_until_settled()
    assert sender.stop() == 0
    for topic in topics:
        rewind(site.kafka, topic)
    site.platform.start_sender()
    site.send(30)
    site.wait_until_settled()
    wait_until(lambda: all(committed(site.kafka, t) == ends(site.kafka, t) for t in topics), what="all was read")
    assert site.platform.statuses() == {"sent": 120}
    assert site.ids("claims <> 1") == set()
    site.balance()


def test_a_rolling_restart_of_senders_costs_no_duplicate_and_leaves_no_long_gap(site: Site) -> None:
    """New senders come before the old ones go; at the providers something arrives all the while."""
    for fake in (site.providers.smtp, site.providers.slack, site.providers.twilio):
        fake.answer(delay=0.05)
    site.platform.start_web()
    senders = [site.platform.start_sender() for _ in range(2)]
    for sender in senders:
        wait_until_sending(sender)
    site.send(30)
    site.wait_until_took(30)
    with steady_traffic(site):
        began = time.time()
        for old in senders:
            new = site.platform.start_sender()
            wait_until_sending(new)
            assert old.stop() == 0
        ended = time.time()
    site.wait_until_settled()
    assert site.platform.statuses() == {"sent": len(site.accepted)}
    assert site.ids("uncertain_count > 0") == set()
    site.balance()
    times = [began, *sorted(entry.at for entry in site.providers.accepted if began < entry.at < ended), ended]
    assert max(b - a for a, b in itertools.pairwise(times)) < LONGEST_GAP


@contextmanager
def steady_traffic(site: Site) -> Iterator[None]:
    """Batches over all channels, one after the other."""
    stop = threading.Event()

    def post() -> None:
        while not stop.wait(0.1):
            site.send(15)

    thread = threading.Thread(target=post, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
