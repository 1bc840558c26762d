"""What operators see of a running platform: refusals that end as letters, and workers that say how they are."""

from __future__ import annotations

import random
from functools import partial

import pytest

from harness.platform import Platform
from harness.platform.providers import Providers
from harness.platform.web import metric, request
from harness.services.process import Process, free_ports
from harness.services.shared import SharedKafka
from harness.services.topics import set_config
from harness.services.waiting import wait_until


def status(port: int, path: str) -> int:
    """Of a worker's metrics port; 0 while it does not listen."""
    try:
        return request(port, "GET", path).status
    except OSError:
        return 0


def started(process: Process, port: int) -> None:
    wait_until(lambda: status(port, "/metrics") or not process.running, deadline=60, what="it serves its metrics")
    assert process.running, process.output


def test_what_its_topic_refuses_ends_as_a_letter_and_takes_nobody_along(
    connected: Platform, providers: Providers
) -> None:
    topic = f"{connected.environment['TOPIC_PREFIX']}email"
    set_config(connected.environment["KAFKA_BOOTSTRAP_SERVERS"], topic, max_message_bytes=100_000)
    connected.start_web()
    connected.start_sender()
    large = random.Random(1).randbytes(100_000).hex()
    items = [
        {"type": "EMAIL", "receiver": providers.receiver("EMAIL", number), "message": f"mail {number}"}
        for number in range(10)
    ]
    items[4]["message"] = large
    assert connected.post({"notifications": items}, "/notifications").status == 202
    assert connected.post(items[4]).status == 202
    assert connected.get("/health/ready").status == 200, "a refusal is no outage"
    connected.wait_for(sent=9, dead=2)
    letters = connected.sql("SELECT cause, error FROM dlq_deadletter")
    assert [letter["cause"] for letter in letters] == ["refused-by-kafka"] * 2
    assert all("max.message.bytes" in letter["error"] for letter in letters)


def shows(port: int, line: str) -> bool:
    return line in request(port, "GET", "/metrics").body.decode()


@pytest.mark.parametrize("password", ["test-only", "wrong"])
def test_a_sender_says_whether_kafka_lets_it_read(connected: Platform, kafka: SharedKafka, password: str) -> None:
    connected.environment |= kafka.sasl_environment | {"KAFKA_PASSWORD": password}
    (port,) = free_ports(1)
    started(connected.start_sender("--metrics-port", str(port)), port)
    fine = password != "wrong"
    wait_until(lambda: status(port, "/health/ready") == (200 if fine else 503), what="ready or not")
    wait_until(lambda: metric(port, "notifications_kafka_up") == int(fine), what="the gauge says so")
    assert status(port, "/health/live") == 200, "a restart would not help"
    assert shows(port, 'notifications_unclaimable_records_total{cause="undecodable"} 0.0')
    for topic in ("email", "sms.bulk"):
        polled = f'notifications_last_poll_seconds{{topic="{connected.environment["TOPIC_PREFIX"]}{topic}"}}'
        wait_until(partial(shows, port, polled), what="every consumer has begun")


def test_the_scheduler_tells_the_lag_when_no_sender_is_left(connected: Platform, providers: Providers) -> None:
    connected.start_web()
    for number in range(3):
        connected.send(providers.receiver("SMS", number), channel="SMS")
    (port,) = free_ports(1)
    started(connected.start_scheduler("--metrics-port", str(port)), port)
    wait_until(lambda: metric(port, "notifications_consumer_lag") == 3, what="the lag is shown")
    assert status(port, "/health/live") == 200
