"""Delivery reports: which of a publish's records failed, though all of them share one callback."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from pytest_django import Settings

from notifications.brokers.base import AWAY, DURABLE, Outbound
from notifications.brokers.kafka_publishing import ANY, Acks, Publisher
from notifications.messages.words import Origin

TIMED_OUT = KafkaError(KafkaError._MSG_TIMED_OUT)
FULL = KafkaError(KafkaError._QUEUE_FULL)


def records(*values: str, topic: str = "t") -> list[Outbound]:
    return [Outbound(topic, f"key of {value}", value.encode(), Origin.INTAKE, "trace") for value in values]


def report(acks: Acks, record: Outbound, error: KafkaError | None = None, partition: int = 7) -> None:
    """As the producer does."""
    key, value = record.key.encode(), record.value
    acks.report(error, Message(record.topic, partition, 0, key=key, value=value, error=error))


def test_of_what_failed_the_partition_is_known() -> None:
    """So that the others of its topic go on."""
    one, two, three = records("1", "2", "3")
    acks = Acks([one, two, three])
    report(acks, two, TIMED_OUT)
    report(acks, one)
    fates, partitions = acks.wait(60, {2: FULL})
    assert [fate.durable for fate in fates] == [True, False, False]
    assert partitions == {1: 7, 2: ANY}


@pytest.mark.parametrize("failed", range(3))
def test_the_one_that_failed_is_found_in_any_order(failed: int) -> None:
    submitted = records("1", "2", "3")
    acks = Acks(submitted)
    for position in (2, 0, 1):
        report(acks, submitted[position], TIMED_OUT if position == failed else None)
    assert [not fate for fate in acks.wait(60, {}).fates] == [position == failed for position in range(3)]


def test_what_has_no_report_in_time_is_away_and_the_rest_is_known() -> None:
    submitted = records("1", "2", "3")
    acks = Acks(submitted)
    report(acks, submitted[1])
    early = acks.wait(0.001, {})
    assert early.fates == [AWAY, DURABLE, AWAY]
    report(acks, submitted[0])
    report(acks, submitted[2], TIMED_OUT)  # too late: what was known stands, and nobody waits for it
    assert early.fates == [AWAY, DURABLE, AWAY]


def test_of_records_that_are_the_same_as_many_failed_as_were_reported() -> None:
    (one,) = records("1")
    acks = Acks([one, one, *records("1", topic="another")])
    report(acks, one, TIMED_OUT)
    report(acks, one)
    report(acks, records("1", topic="another")[0])
    fates = acks.wait(60, {}).fates
    assert sorted(fate.durable for fate in fates[:2]) == [False, True]
    assert fates[2] == DURABLE


def test_nobody_waits_where_the_last_report_came_before_the_producer_refused_the_others() -> None:
    one, two = records("1", "2")
    acks = Acks([one, two])
    report(acks, one)  # the thread of the acknowledgements is quick; one more is awaited
    assert acks.wait(60, {1: FULL}).fates[0] == DURABLE
    assert acks._none_missing.locked(), "it needed no signal"


def test_the_last_report_wakes_who_waits() -> None:
    one, two, three = records("1", "2", "3")
    acks = Acks([one, two, three])
    found: list[Sequence[bool]] = []
    waits = threading.Thread(target=lambda: found.append([bool(fate) for fate in acks.wait(200, {2: FULL}).fates]))
    waits.start()
    report(acks, one)
    report(acks, two)
    waits.join(100)
    assert found == [[True, True, False]]


def test_nothing_to_publish_waits_for_nothing() -> None:
    assert Acks([]).wait(60, {}) == ([], {})


class Picky:
    """A producer that refuses some values."""

    def __init__(self, refused: dict[bytes, Exception]) -> None:
        self._refused = refused
        self.taken: list[tuple[bytes, object]] = []

    def produce(self, _topic: str, value: bytes, _key: str, *more: object) -> None:
        if value in self._refused:
            raise self._refused[value]
        self.taken.append((value, more[-1]))


def test_what_the_producer_does_not_take_is_named_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    large = KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)
    picky = Picky({b"2": BufferError(), b"3": KafkaException(large)})
    publisher = Publisher()
    monkeypatch.setattr(publisher, "open", lambda: picky)
    submitted = records("1", "2", "3", "4")
    not_taken = publisher.send(submitted, Acks(submitted).report)
    assert {position: error.code() for position, error in not_taken.items()} == {1: FULL.code(), 2: large.code()}
    assert [value for value, _ in picky.taken] == [b"1", b"4"]


def test_each_record_has_its_own_headers_though_a_request_shares_them(monkeypatch: pytest.MonkeyPatch) -> None:
    picky = Picky({})
    publisher = Publisher()
    monkeypatch.setattr(publisher, "open", lambda: picky)
    given = [(Origin.INTAKE, "a"), (Origin.INTAKE, "a"), (Origin.INTAKE, "b"), (Origin.RETRY, "b")]
    submitted = [Outbound("t", "k", b"v", origin, trace) for origin, trace in given]
    publisher.send(submitted, Acks(submitted).report)
    assert [headers for _, headers in picky.taken] == [
        [("origin", origin), ("traceparent", trace)] for origin, trace in given
    ]


def test_where_the_settings_are_wrong_no_record_is_taken(settings: Settings) -> None:
    settings.KAFKA_BOOTSTRAP_SERVERS = "127.0.0.1:1"
    publisher = Publisher({"acks": "nonsense"})
    submitted = records("1", "2")
    acks = Acks(submitted)
    not_taken = publisher.send(submitted, acks.report)
    assert set(not_taken) == {0, 1}
    assert not any(acks.wait(60, not_taken).fates)


def test_a_record_that_a_producer_reports_is_found_by_what_it_was_given() -> None:
    """The report's record has the topic, key and value byte by byte, be the key empty or not ASCII."""
    producer = Producer({"bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    submitted = [Outbound("t", key, b"v", Origin.INTAKE, "trace") for key in ("", "k", "é")]
    acks = Acks(submitted)
    for record in submitted:
        producer.produce(record.topic, record.value, record.key, -1, acks.report, None, 0, [])
    producer.purge()
    producer.flush(30)
    fates, partitions = acks.wait(60, {})
    assert set(partitions) == {0, 1, 2}
    assert AWAY not in fates
    assert not any(fates)
