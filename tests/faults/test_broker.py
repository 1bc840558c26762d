"""The broker goes away, or its answers do."""

from __future__ import annotations

import statistics
import time

import pytest

from harness.services.kafka import Kafka
from harness.services.postgres import Postgres
from harness.services.shared import SharedPostgres
from harness.services.topics import direct, ends
from harness.services.waiting import wait_until
from tests.faults.conftest import Opener
from tests.faults.site import Site, wait_until_sending

pytestmark = pytest.mark.xdist_group("own-kafka")


@pytest.fixture
def site(open_with: Opener, postgres: SharedPostgres, own_kafka: Kafka) -> Site:
    """On the module's own broker, which each test gives back as it was."""
    return open_with(postgres_port=postgres.port, kafka_servers=own_kafka.servers)


@pytest.mark.fault(3)
def test_senders_resume_unaided_after_a_restart_of_the_broker(site: Site, own_kafka: Kafka) -> None:
    site.providers.twilio.answer(delay=0.1)
    site.platform.start_web()
    senders = [site.platform.start_sender(), site.platform.start_sender()]
    for sender in senders:  # one that starts without a broker ends
        wait_until_sending(sender)
    site.send(150)
    site.wait_until_took(30)
    own_kafka.kill()
    site.send(30)
    own_kafka.start()
    site.struck()
    site.send(30)
    site.wait_until_settled()
    assert all(sender.running for sender in senders)
    assert site.platform.statuses() == {"sent": 210}
    site.balance()


@pytest.mark.fault(4)
def test_intake_goes_through_the_outbox_while_the_broker_is_down(site: Site, own_kafka: Kafka) -> None:
    site.platform.start_web()
    site.platform.start_sender()
    usual = _times(site, 100)
    own_kafka.stop()
    site.send(1)  # the first one waits for Kafka, and trips
    down = _times(site, 100)
    # One that waited for Kafka would take three seconds.
    assert _p99(down) < max(0.05, 4 * _p99(usual)), f"p99 {_p99(down):.3f} s, usually {_p99(usual):.3f} s"
    assert statistics.median(down) < max(0.025, 4 * statistics.median(usual))
    own_kafka.start()
    site.struck()
    site.wait_until_settled()
    assert site.platform.statuses() == {"sent": 201}
    site.balance()


def _times(site: Site, count: int) -> list[float]:
    """Have so many accepted, one by one; seconds each took."""
    times = []
    for item in site.items(count):
        began = time.monotonic()
        answer = site.platform.post(item)
        times.append(time.monotonic() - began)
        assert answer.status == 202, answer.body
        site.accepted[answer.json()["id"]] = item["message"]
    return times


def _p99(times: list[float]) -> float:
    return sorted(times)[-max(1, len(times) // 100) - 1]


@pytest.mark.fault(5)
def test_without_broker_and_database_nothing_is_promised(
    open_with: Opener, own_postgres: Postgres, own_kafka: Kafka
) -> None:
    site = open_with(postgres_port=own_postgres.port, kafka_servers=own_kafka.servers)
    site.platform.start_web()
    site.send(3)
    own_postgres.stop()
    own_kafka.stop()
    for key in (None, "with a key"):
        for item in site.items(2):
            answer = site.platform.post(item, key=key)
            assert (answer.status, answer.headers.get("retry-after")) == (503, "5"), answer.body
    assert site.post_batch(site.items(5)).status == 503
    own_postgres.start()
    own_kafka.start()
    site.struck()
    wait_until(lambda: site.platform.get("/health/ready").status == 200, what="it is ready again")
    site.send(3)
    site.platform.start_sender()
    site.wait_until_settled()
    assert site.platform.statuses() == {"sent": 6}
    site.balance()


@pytest.mark.fault(6)
def test_a_lost_acknowledgement_makes_two_records_and_one_send(site: Site, own_kafka: Kafka) -> None:
    topic = f"{site.platform.environment['TOPIC_PREFIX']}sms"
    site.platform.start_web()
    site.send(1, "SMS")  # connects the producer
    assert own_kafka.proxy
    own_kafka.proxy.hold_answers()
    site.send(20, "SMS")
    assert len(site.ids("status = 'accepted'")) == 20
    assert sum(ends(direct(own_kafka), topic)) == 21, "the broker has them too"
    own_kafka.proxy.drop()
    own_kafka.proxy.resume()
    site.struck()
    site.platform.start_sender("--channels", "SMS")
    site.wait_until_settled()
    # The first copy may be claimed, and sent, while the outbox is still being published.
    wait_until(lambda: sum(ends(direct(own_kafka), topic)) == 41, what="the outbox was published")
    assert site.platform.statuses() == {"sent": 21}
    site.balance()


@pytest.mark.fault(21)
def test_a_scheduler_killed_after_publishing_publishes_twice_and_one_is_sent(site: Site, own_kafka: Kafka) -> None:
    topic = f"{site.platform.environment['TOPIC_PREFIX']}sms"
    site.platform.environment["RETRY_SCHEDULE"] = "600"
    site.providers.twilio.answer(status=500, code=20500)
    site.platform.start_web()
    sender = site.platform.start_sender("--no-scheduler", "--channels", "SMS")
    first, *others = site.send(8, "SMS")
    site.platform.wait_for(waiting=8)
    sender.stop()
    site.providers.twilio.mend()

    scheduler = site.platform.start_scheduler()
    _due_now(site, [first])
    wait_until(lambda: site.ids("status = 'queued' AND owner IS NULL") == {first}, what="its producer is connected")
    assert own_kafka.proxy
    own_kafka.proxy.hold_answers()
    _due_now(site, others)
    wait_until(lambda: sum(ends(direct(own_kafka), topic)) == 8 + 8, what="all are published")
    scheduler.kill()
    own_kafka.proxy.drop()
    own_kafka.proxy.resume()
    site.struck()
    assert site.ids("status = 'queued' AND lease_until IS NOT NULL") == set(others)

    site.platform.sql("UPDATE notifications_notification SET lease_until = now() WHERE owner IS NOT NULL")
    site.platform.start_scheduler()
    wait_until(lambda: sum(ends(direct(own_kafka), topic)) == 8 + 8 + 7, what="they are published again")
    sender = site.platform.start_sender("--no-scheduler", "--channels", "SMS")
    wait_until_sending(sender)
    site.wait_until_settled()
    assert site.platform.statuses() == {"sent": 8}
    site.balance()


def _due_now(site: Site, ids: list[str]) -> None:
    listed = ", ".join(f"'{id}'" for id in ids)
    site.platform.sql(f"UPDATE notifications_notification SET due_at = now() WHERE id IN ({listed})")
