"""Senders that come and go while sends are under way."""

from __future__ import annotations

import itertools
from functools import partial

import pytest
from confluent_kafka import ConsumerGroupState
from confluent_kafka.admin import AdminClient

from tests.faults.log import committed, ends, reach
from tests.faults.site import THREADS, Site, wait_until_sending
from tests.services.waiting import wait_until


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
    progress = [committed(reach(site), topic)]
    others = []
    for members in (2, 3):
        others.append(site.platform.start_sender("--channels", "SMS"))
        wait_until(partial(_has_members, site, topic, members), deadline=60, what=f"{members} members")
        progress.append(committed(reach(site), topic))
    assert first.stop(25) == 0
    progress.append(committed(reach(site), topic))
    site.send(THREADS, "SMS")
    site.wait_until_settled()
    wait_until(lambda: committed(reach(site), topic) == ends(reach(site), topic), what="all is committed")
    progress.append(committed(reach(site), topic))
    for earlier, later in itertools.pairwise(progress):
        assert all(a <= b for a, b in zip(earlier, later, strict=True)), f"offsets went back: {progress}"
    assert all(other.running for other in others)
    assert site.ids("status <> 'sent' OR uncertain_count > 0 OR attempts > 0") == set()
    assert "results came too late" not in "".join(sender.output for sender in (first, *others))
    site.balance()


def _has_members(site: Site, topic: str, count: int) -> bool:
    """Whether the topic's group has so many members and is stable."""
    group = f"{topic}.senders"
    admin = AdminClient(reach(site))  # whose answers end with it
    found = admin.describe_consumer_groups([group])[group].result(30)
    return found.state is ConsumerGroupState.STABLE and len(found.members) == count
