"""What retention deleted, and groups that have never read."""

from __future__ import annotations

import pytest

from harness.services.topics import committed, delete_before, ends
from tests.faults.site import Site


@pytest.mark.fault(23)
def test_records_deleted_unread_stop_the_sender_and_are_named(site: Site) -> None:
    topic = f"{site.platform.environment['TOPIC_PREFIX']}sms"
    receiver = site.providers.receiver("SMS", 1)  # one, so one partition; few, so none is parked and published again
    site.platform.start_web()
    site.send(5, "SMS", receiver=receiver)
    sender = site.platform.start_sender("--channels", "SMS")
    site.wait_until_settled()
    assert sender.stop() == 0

    site.send(20, "SMS", receiver=receiver)
    delete_before(site.kafka, topic, [max(0, end - 5) for end in ends(site.kafka, topic)])
    sender = site.platform.start_sender("--channels", "SMS")
    assert sender.wait(60) == 1
    partition = ends(site.kafka, topic).index(25)
    assert f"{topic} partition {partition}: offsets 5 to 19 can no longer be read" in sender.output
    assert site.took() == 5, "it jumped over the gap"
    assert committed(site.kafka, topic)[partition] == 5


@pytest.mark.fault(23)
def test_a_new_group_on_a_full_topic_starts_at_the_beginning(site: Site) -> None:
    site.platform.start_web()
    site.send(90)
    site.platform.start_sender()
    site.struck()
    site.wait_until_settled()
    assert site.platform.statuses() == {"sent": 90}
    site.balance()
