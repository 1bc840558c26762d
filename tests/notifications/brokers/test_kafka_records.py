"""What stands in Kafka, whoever wrote it: hostile records, and how much of it is unread."""

from __future__ import annotations

import time
import uuid
from contextlib import closing
from typing import Any

import pytest
from pytest_django import Settings

from dlq.models import DeadLetter
from harness.services.process import free_ports
from harness.services.records import Header, write_record
from harness.services.shared import SharedKafka
from harness.services.topics import delete_before
from harness.services.waiting import wait_until
from notifications.brokers import kafka_log
from notifications.brokers.base import Record, outbound
from notifications.brokers.kafka import KafkaBroker
from notifications.ledger.claim import claim
from notifications.messages.topics import all_topics, topic_of
from notifications.messages.words import Origin
from notifications.sending import claiming
from tests.notifications.rows import LETTERS, message


@pytest.fixture
def broker(kafka: SharedKafka, settings: Settings) -> KafkaBroker:
    settings.KAFKA_BOOTSTRAP_SERVERS = kafka.servers
    settings.TOPIC_PREFIX = f"records-{uuid.uuid4().hex[:8]}."
    broker = KafkaBroker()
    broker.create_topics(1, 1)
    return broker


def test_errors_do_not_pile_up_between_two_looks_at_the_lags(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clients note each connection that fails, and nobody else asks them."""
    monkeypatch.setattr(kafka_log, "PATIENCE", 0.1)
    often = {"reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 10}
    away = often | {"bootstrap.servers": f"127.0.0.1:{free_ports(1)[0]}"}
    lags: Any = kafka_log.GroupLags(lambda: away)

    def noted() -> int:
        with pytest.raises(ConnectionError):
            lags.measure()
        return len(lags._admin)

    noted()
    wait_until(lambda: len(lags._admin) > 20, what="many connections have failed")
    assert noted() < 20


def read_and_commit(broker: KafkaBroker, count: int) -> list[Record]:
    found: list[Record] = []
    with closing(broker.consumer("EMAIL", "transactional")) as consumer:

        def enough() -> bool:
            found.extend(consumer.poll(count - len(found), 0.5))
            return len(found) == count

        wait_until(enough, what=f"{count} records")
        consumer.commit(found)
    return found


HOSTILE_HEADERS = {
    "a name that is not UTF-8": [(b"\xff\xfe", b"x"), (b"origin", b"intake")],
    "no name, no value": [(b"", None)],
    "values that are not UTF-8": [(b"origin", b"\xff"), (b"traceparent", b"\xff")],
    "nulls": [(b"origin", None), (b"traceparent", None)],
    "many": [(b"h%d" % number, b"x") for number in range(2_000)],
    "large": [(b"a" * 100_000, b"b" * 400_000), (b"traceparent", b"00-" + b"a" * 300_000)],
}


@pytest.mark.django_db
@pytest.mark.parametrize("headers", HOSTILE_HEADERS.values(), ids=HOSTILE_HEADERS)
@pytest.mark.parametrize("value", [b"\x00\xff", None, b"{}"])
def test_hostile_records_become_letters_with_their_bytes_and_the_rest_goes_on(
    broker: KafkaBroker, settings: Settings, headers: list[Header], value: bytes | None
) -> None:
    submitted = message()
    write_record(settings.KAFKA_BOOTSTRAP_SERVERS, submitted.topic, value, key=b"\xff", headers=headers)
    assert all(broker.publish([outbound(submitted, origin=Origin.INTAKE)]))
    records = read_and_commit(broker, 2)
    batch, unreadable = claiming.read(records)
    (claimed,) = claim(batch, owner="me", lease=60, unreadable=unreadable, hooks=LETTERS)
    assert claimed.id == submitted.id
    (letter,) = DeadLetter.objects.all()
    assert (letter.cause, bytes(letter.raw or b"")) == ("undecodable", value or b"")
    log = broker.log(None)
    assert [entry.value for entries in log.read() for entry in entries] == [value or b"", submitted.to_record()]


@pytest.mark.django_db
def test_a_notification_with_an_unreadable_header_is_a_letter_with_its_bytes(
    broker: KafkaBroker, settings: Settings
) -> None:
    submitted = message()
    write_record(settings.KAFKA_BOOTSTRAP_SERVERS, submitted.topic, submitted.to_record(), headers=[(b"\xc3", b"")])
    batch, unreadable = claiming.read(read_and_commit(broker, 1))
    assert claim(batch, owner="me", lease=60, unreadable=unreadable, hooks=LETTERS) == []
    (letter,) = DeadLetter.objects.all()
    assert (letter.error, bytes(letter.raw or b"")) == ("The name of a header is not UTF-8.", submitted.to_record())


def test_the_lag_of_a_group_is_what_it_has_not_committed(
    broker: KafkaBroker, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where no member of it is alive, or never was. The age of the oldest is known to a quarter."""
    email = topic_of("EMAIL", "transactional")
    assert all(broker.publish([outbound(message(), origin=Origin.INTAKE) for _ in range(20)]))
    wait_until(lambda: broker.lags()[email].records == 20, what="all is unread")
    read_and_commit(broker, 5)
    delete_before({"bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS}, email, [10])
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    lags = broker.lags()
    assert {topic: lag.records for topic, lag in lags.items()} == {
        topic: 10 if topic == email else 0 for topic in all_topics() if not topic.endswith(".dlq")
    }
    assert 3600 / 1.25 < lags[email].seconds <= 3700
    assert {lag.seconds for topic, lag in lags.items() if topic != email} == {0.0}
