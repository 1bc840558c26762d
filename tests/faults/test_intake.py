"""What callers and foreign programs bring in."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest

from harness.services.topics import committed, ends, publish
from harness.services.waiting import wait_until
from tests.faults.balance import Result
from tests.faults.site import Site

NOW = f"{time.time_ns() // 1_000_000:012x}"  # as an id begins: an old one would count as removed by retention
GOOD = {
    "v": 1,
    "id": f"{NOW[:8]}-{NOW[8:]}-7000-8000-000000000001",
    "generation": 0,
    "channel": "SMS",
    "receiver": "+15550000001",
    "message": "good",
    "client": "main",
    "accepted_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
}
POISON = {
    "not JSON": b"\xff\x00 this is not JSON",
    "empty": b"",
    "not an object": b"[1, 2]",
    "unknown version": json.dumps(GOOD | {"v": 2}).encode(),
    "NUL": json.dumps(GOOD | {"message": "a\x00b"}).encode(),
    "lone surrogate": json.dumps(GOOD | {"message": "\ud800"}).encode(),
    "huge number": json.dumps(GOOD | {"generation": 10**30}).encode(),
    "number out of range": json.dumps(GOOD | {"generation": 2**31}).encode(),
    "bad id": json.dumps(GOOD | {"id": "not-a-uuid"}).encode(),
    "year 1": json.dumps(GOOD | {"accepted_at": "0001-01-01T00:00:00Z"}).encode(),
    "long category": json.dumps(GOOD | {"category": "x" * 101}).encode(),
    "unknown channel": json.dumps(GOOD | {"channel": "FAX"}).encode(),
    "another topic's": json.dumps(GOOD | {"channel": "EMAIL", "receiver": "a@example.com"}).encode(),
}


def record(number: int, **fields: object) -> bytes:
    """A record as intake publishes it."""
    id = f"{NOW[:8]}-{NOW[8:]}-7000-9000-{number:012d}"
    return json.dumps(
        GOOD | {"id": id, "receiver": f"+1666{number:07d}", "message": f"record {number}"} | fields
    ).encode()


@pytest.mark.fault(12)
def test_poison_records_become_dead_letters_and_the_rest_is_sent(site: Site) -> None:
    """Also one that decodes and that the database refuses, for a reason nobody foresaw."""
    topic = f"{site.platform.environment['TOPIC_PREFIX']}sms"
    site.platform.sql(
        "ALTER TABLE notifications_notification ADD CONSTRAINT unforeseen CHECK (message <> 'refuse this')"
    )
    refused = record(1, message="refuse this")
    values = [bytes(value) for pair in zip(POISON.values(), _records(2, len(POISON)), strict=True) for value in pair]
    publish(site.kafka, topic, [*values, refused, record(100)])
    site.platform.start_sender("--channels", "SMS")
    site.platform.wait_for(sent=len(POISON) + 1)
    letters = site.platform.sql("SELECT cause, raw, error FROM dlq_deadletter")
    found = {bytes(letter["raw"]): letter["cause"] for letter in letters}
    assert found == dict.fromkeys(POISON.values(), "undecodable") | {refused: "refused-by-database"}
    wait_until(lambda: max(committed(site.kafka, topic)) == len(values) + 2, what="the partition moved on")
    assert site.providers.texts().total() == len(POISON) + 1
    site.note(Result(messages=len(values) + 2, lost=0, duplicated=0))


def _records(start: int, count: int) -> list[bytes]:
    return [record(number) for number in range(start, start + count)]


@pytest.mark.fault(13)
def test_a_body_of_10_mb_is_refused_and_leaves_nothing(site: Site) -> None:
    site.platform.start_web()
    sms = {"type": "SMS", "receiver": "+15550000001", "message": "x" * 10_000_000}
    for body, path in ((sms, "/notification"), ({"notifications": [sms]}, "/notifications")):
        answer = site.platform.post(body, path)
        assert answer.status == 413, answer.body
        assert answer.json()["detail"]
    assert site.send(1)
    prefix = site.platform.environment["TOPIC_PREFIX"]
    assert sum(sum(ends(site.kafka, f"{prefix}{name}")) for name in ("email", "slack", "sms")) == 1
    assert site.ids("true") == set()
    site.platform.start_sender()
    site.wait_until_settled()
    site.balance()


@pytest.mark.fault(14)
def test_the_same_id_twice_is_sent_once(site: Site) -> None:
    """In one batch, in the next one, and after it was sent."""
    topic = f"{site.platform.environment['TOPIC_PREFIX']}sms"
    records = _records(1, 20)
    publish(site.kafka, topic, [*records, *records])
    publish(site.kafka, topic, records, key="another key")
    site.platform.start_sender("--channels", "SMS")
    site.platform.wait_for(sent=20)
    publish(site.kafka, topic, records)
    wait_until(lambda: sum(committed(site.kafka, topic)) >= 80, what="all were read")
    site.platform.stop_all()
    assert site.platform.statuses() == {"sent": 20}
    assert set(site.providers.texts().values()) == {1}
    site.note(Result(messages=20, lost=0, duplicated=0))


@pytest.mark.fault(15)
def test_an_idempotency_key_stands_for_the_first_body(site: Site) -> None:
    """Also while that is in Kafka alone, unclaimed."""
    site.platform.start_web()
    first, other = site.items(2)
    answer = site.platform.post(first, key="order 1")
    assert answer.status == 202
    site.accepted[answer.json()["id"]] = first["message"]
    assert site.ids("true") == set(), "nothing has claimed it"
    for _ in range(2):
        assert site.platform.post(other, key="order 1").status == 409
        again = site.platform.post(first, key="order 1")
        assert (again.status, again.json()["id"]) == (202, answer.json()["id"])
    batch = site.post_batch([site.items(1)[0], other | {"idempotency_key": "order 1"}])
    assert batch.status == 409
    assert list(batch.json()["notifications"]) == ["1"]
    site.platform.start_sender()
    site.wait_until_settled()
    assert site.platform.post(other, key="order 1").status == 409
    assert site.platform.post(first, key="order 1").json()["id"] == answer.json()["id"]
    site.balance()
