"""What a sender may rely on with either broker: the ledger as the queue, or a real Kafka."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from pytest_django import Settings

from harness.services.waiting import wait_until
from notifications.brokers.base import DURABLE, POLL_BYTES, Broker, Consumer, Record, outbound
from notifications.brokers.kafka import KafkaBroker
from notifications.brokers.ledger_queue import EmbeddedBroker
from notifications.ledger.claim import claim as claim_rows
from notifications.ledger.hooks import NO_HOOKS
from notifications.messages.message import Message, from_record
from notifications.messages.tracing import trace_id_of
from notifications.messages.words import Origin
from tests.notifications.rows import ids, incoming, message

pytestmark = pytest.mark.django_db
TRACE = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"


@pytest.fixture(params=["embedded", "kafka"])
def broker(request: pytest.FixtureRequest, settings: Settings) -> Broker:
    if request.param == "embedded":
        return EmbeddedBroker()
    settings.KAFKA_BOOTSTRAP_SERVERS = request.getfixturevalue("kafka").servers
    settings.TOPIC_PREFIX = f"contract-{uuid.uuid4().hex[:8]}."
    broker = KafkaBroker()
    broker.create_topics(4, 1)
    return broker


@contextmanager
def member(broker: Broker, priority: str = "transactional") -> Iterator[Consumer]:
    consumer = broker.consumer("EMAIL", priority)
    try:
        yield consumer
    finally:
        consumer.close()


def publish(broker: Broker, *submitted: Message) -> None:
    records = [outbound(one, origin=Origin.INTAKE, traceparent=TRACE) for one in submitted]
    assert broker.publish(records) == [DURABLE] * len(submitted)


def take(consumer: Consumer, count: int, *, limit: int = 500) -> list[Record]:
    """`count` records, claimed and committed as a sender does."""
    taken: list[Record] = []

    def enough() -> bool:
        records = consumer.poll(min(limit, count - len(taken)), 0.5)
        claim_and_commit(consumer, records)
        taken.extend(records)
        return len(taken) >= count

    wait_until(enough, what=f"{count} records")
    return taken


def claim_and_commit(consumer: Consumer, records: list[Record]) -> None:
    if records:
        batch = [incoming(from_record(record.value), topic=record.topic) for record in records]
        claim_rows(batch, owner=uuid.uuid4().hex, lease=60, hooks=NO_HOOKS)
        consumer.commit(records)


def ids_in(records: list[Record]) -> list[UUID]:
    return [from_record(record.value).id for record in records]


def nothing_more(consumer: Consumer) -> bool:
    return not any(consumer.poll(10, 0.3) for _ in range(3))


def test_what_is_published_is_read_once_in_order_for_each_receiver(broker: Broker) -> None:
    submitted = [message(receiver=f"r{number % 3}@example.com", message=str(number)) for number in range(60)]
    for start in range(0, 60, 20):
        publish(broker, *submitted[start : start + 20])
    with member(broker) as consumer:
        records = take(consumer, 60, limit=7)
        assert nothing_more(consumer)
    found: defaultdict[str, list[UUID]] = defaultdict(list)
    for one in (from_record(record.value) for record in records):
        found[one.receiver].append(one.id)
    assert {receiver: ids([one for one in submitted if one.receiver == receiver]) for receiver in found} == dict(found)
    assert sum(map(len, found.values())) == 60
    assert {from_record(record.value).message for record in records} == {str(number) for number in range(60)}


def test_large_records_come_a_few_at_a_time(broker: Broker) -> None:
    """What is polled takes several times its size while it is claimed, and a sender has little memory."""
    large = "ü" * 128 * 1024  # 256 KiB
    publish(broker, *(message(message=large, html=large) for _ in range(20)))
    taken: list[Record] = []

    def all_taken() -> bool:
        records = consumer.poll(500, 0.5)
        assert sum(len(record.value or b"") for record in records[:-1]) < POLL_BYTES
        claim_and_commit(consumer, records)
        taken.extend(records)
        return len(taken) == 20

    with member(broker) as consumer:
        wait_until(all_taken, what="all are taken")


def test_a_new_group_starts_at_the_beginning(broker: Broker) -> None:
    submitted = [message() for _ in range(3)]
    publish(broker, *submitted)
    with member(broker) as consumer:
        assert ids_in(take(consumer, 3)) == ids(submitted)


def test_the_next_member_continues_after_what_was_committed(broker: Broker) -> None:
    """Also where the first had fetched more than it was asked for."""
    submitted = [message() for _ in range(20)]
    publish(broker, *submitted)
    with member(broker) as first:
        assert ids_in(take(first, 5, limit=1)) == ids(submitted[:5])
    with member(broker) as second:
        assert ids_in(take(second, 15)) == ids(submitted[5:])
        assert nothing_more(second)


def test_what_was_not_committed_is_read_again(broker: Broker) -> None:
    submitted = [message() for _ in range(5)]
    publish(broker, *submitted)
    with member(broker) as first:
        wait_until(lambda: first.poll(5, 0.5), what="it is read, and the sender dies")
    with member(broker) as second:
        assert ids_in(take(second, 5)) == ids(submitted)


def test_polling_for_nothing_gives_nothing_and_loses_nothing(broker: Broker) -> None:
    submitted = [message() for _ in range(30)]
    publish(broker, *submitted)
    with member(broker) as consumer:
        read: list[UUID] = ids_in(take(consumer, 1, limit=1))
        for _ in range(29):
            assert [consumer.poll(0, 0.05) for _ in range(4)] == [[]] * 4
            read += ids_in(take(consumer, 1, limit=1))
    assert read == ids(submitted)


def test_looking_ahead_finds_every_client_and_keeps_each_receivers_order(broker: Broker) -> None:
    many = [message(client="shop", receiver=f"r{number % 200}@example.com") for number in range(3000)]
    behind = message(client="desk", receiver=many[-1].receiver)
    few = [message(client="desk", receiver=f"d{number}@example.com") for number in range(20)]  # in all partitions
    publish(broker, *many, behind, *few)
    with member(broker) as consumer:
        found = _ahead_until(consumer, *ids(few))
        assert len(found) < 1500
        found += take(consumer, 3021 - len(found))
        assert nothing_more(consumer)
    read = ids_in(found)
    assert sorted(read) == sorted(ids([*many, behind, *few]))
    for receiver in {submitted.receiver for submitted in many}:
        expected = ids([submitted for submitted in [*many, behind] if submitted.receiver == receiver])
        assert [id for id in read if id in expected] == expected


def test_what_was_read_ahead_and_not_claimed_is_read_again(broker: Broker) -> None:
    """The next member is given what was claimed since, too; its claim drops that."""
    many = [message(client="shop", receiver=f"r{number}@example.com") for number in range(1000)]
    one = message(client="desk", receiver="ann@example.com")
    publish(broker, *many, one)
    with member(broker) as first:
        found = _ahead_until(first, one.id)
    with member(broker) as second:
        missing = set(ids([*many, one])) - set(ids_in(found))

        def all_are_read() -> bool:
            records = second.poll(500, 0.5)
            claim_and_commit(second, records)
            missing.difference_update(ids_in(records))
            return not missing

        wait_until(all_are_read, what="all others are read")
        assert nothing_more(second)


def _ahead_until(consumer: Consumer, *wanted: UUID) -> list[Record]:
    """Records polled ten at a time, claimed and committed, until these are among them."""
    found: list[Record] = []
    missing = set(wanted)

    def are_there() -> bool:
        records = consumer.poll(10, 0.5, ahead=True)
        claim_and_commit(consumer, records)
        found.extend(records)
        missing.difference_update(ids_in(records))
        return not missing

    wait_until(are_there, what="they are found")
    return found


def test_the_trace_travels(broker: Broker) -> None:
    publish(broker, message())
    with member(broker) as consumer:
        (record,) = take(consumer, 1)
    assert trace_id_of(record.traceparent) == "ab" * 16


def test_each_priority_and_channel_has_its_own_queue(broker: Broker) -> None:
    bulk, text = message(priority="bulk"), message(channel="SMS", receiver="+49151234567")
    publish(broker, bulk, text)
    with member(broker) as transactional, member(broker, "bulk") as other:
        assert ids_in(take(other, 1)) == [bulk.id]
        assert nothing_more(transactional)


def test_nothing_published_is_nothing_durable(broker: Broker) -> None:
    assert broker.publish([]) == []


def test_a_broker_that_works_has_no_problem(broker: Broker) -> None:
    assert broker.problem() is None
    assert all(broker.create_topics(4, 1))


def test_a_consumer_without_records_gives_up_after_its_timeout(broker: Broker) -> None:
    with member(broker) as consumer:
        assert consumer.poll(5, 0.1) == []
