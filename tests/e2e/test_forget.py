"""A person is erased while their records are in Kafka: nothing more goes to them, and no topic keeps them for good."""

from __future__ import annotations

import json

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from harness.platform import Platform
from harness.platform.providers import Providers
from harness.services.topics import delete_before, ends, reach
from harness.services.waiting import wait_until

PARTITIONS = 4
NAME, MAIL = "ann-archer-4711", "ann.archer@example.com"
OWN = (NAME, MAIL, "Dear Ann")


def topics(platform: Platform) -> list[str]:
    prefix = platform.environment["TOPIC_PREFIX"]
    consumer = Consumer(reach(platform.environment["KAFKA_BOOTSTRAP_SERVERS"]) | {"group.id": "outside"})
    try:
        return sorted(topic for topic in consumer.list_topics(timeout=30).topics if topic.startswith(prefix))
    finally:
        consumer.close()


def records(platform: Platform) -> list[str]:
    """Returns the key, the value and the headers of every record of every topic of the platform."""
    settings, found = reach(platform.environment["KAFKA_BOOTSTRAP_SERVERS"]), []
    consumer = Consumer(settings | {"group.id": "outside"})
    try:
        for topic in topics(platform):
            until = ends(settings, topic, PARTITIONS)
            for partition, end in enumerate(until):
                place = TopicPartition(topic, partition, OFFSET_BEGINNING)
                first, _ = consumer.get_watermark_offsets(place, timeout=30)
                consumer.assign([place])
                while first < end and (record := consumer.poll(30)) is not None:
                    found.append(f"{record.key()!r} {record.value()!r} {record.headers()!r}")
                    first = (record.offset() or 0) + 1
    finally:
        consumer.close()
    return found


def named(platform: Platform) -> list[str]:
    return [record for record in records(platform) if any(word in record for word in OWN)]


def test_what_waits_in_kafka_is_neither_sent_nor_written_down(connected: Platform, providers: Providers) -> None:
    connected.environment |= {"LEASE_SECONDS": "4", "SEND_TIMEOUT_SECONDS": "2"}
    connected.start_web()
    device = {"type": "EMAIL", "address": MAIL}
    body = json.dumps({"devices": [device]}).encode()
    assert connected.request("PUT", f"/users/{NAME}", body, {"Content-Type": "application/json"}).status == 201
    sender = connected.start_sender()
    texts = {"subject": "Dear Ann", "message": "Dear Ann"}
    assert connected.post({"user": NAME, **texts}).status == 202
    connected.wait_for(sent=1)
    assert sender.stop() == 0
    assert connected.post({"user": NAME, **texts}).status == 202  # its record has no row yet
    connected.send(MAIL, priority="bulk", **texts)

    assert connected.request("POST", f"/users/{NAME}/forget", b"").status == 202
    connected.start_sender()
    connected.wait_for(sent=1, cancelled=2)
    wait_until(
        lambda: connected.get(f"/users/{NAME}/forget").json()["state"] == "done", deadline=60, what="the job is done"
    )
    assert len(providers.accepted) == 1
    assert len(named(connected)) == 3, "what Kafka keeps for a while is in its records alone"
    for topic in topics(connected):  # as retention does
        settings = reach(connected.environment["KAFKA_BOOTSTRAP_SERVERS"])
        delete_before(settings, topic, ends(settings, topic, PARTITIONS))
    assert named(connected) == []
    dumped = connected.sql("SELECT n::text AS row FROM notifications_notification AS n")
    assert not [row for row in dumped if any(word in row["row"] for word in OWN)]
    assert "It balances." in connected.manage("balance")
