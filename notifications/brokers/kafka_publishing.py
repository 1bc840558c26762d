"""Publishing to Kafka: a producer and its delivery reports, and what is not waited for while Kafka is away."""

from __future__ import annotations

import logging
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from notifications.brokers.base import AWAY, DURABLE, Fate, Outbound
from notifications.brokers.kafka_client import (
    PRODUCER,
    Reason,
    Troubles,
    client_logger,
    connection_settings,
    in_words,
)
from notifications.messages.topics import all_topics

logger = logging.getLogger(__name__)

PROBE_EVERY = 0.5  # seconds between two looks at a Kafka that did not answer
DOUBT = 10.0  # seconds without a new failure after which Kafka's metadata are believed; a scheduler tries each 5 s
ANY = -1  # instead of a partition: the topic as a whole

Place = tuple[str, int]  # topic and partition
Report = Callable[[KafkaError | None, Message], None]  # gets what went wrong, and the record as Kafka had it

# What Kafka says of a record that it will not take later either. (A missing right or topic is an operator's to mend.)
REFUSALS = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError._INVALID_DIFFERENT_RECORD,  # of the batch: its neighbour was refused
        KafkaError.INVALID_MSG,
        KafkaError.POLICY_VIOLATION,
    }
)


def fate_of(error: KafkaError | None) -> Fate:
    """What became of a record, from its delivery report."""
    if error is None:
        return DURABLE
    if error.code() in REFUSALS:
        return Fate(durable=False, refused=True, why=in_words(error))
    return Fate(durable=False, why=in_words(error))


class Publisher:
    """One librdkafka producer, made on first use, with one thread that serves its delivery reports."""

    def __init__(self, own: dict[str, Any] | None = None) -> None:
        self._own = own or {}
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self.reason = Reason()

    def send(self, records: Sequence[Outbound], report: Report) -> dict[int, KafkaError]:
        """Hands records over. Returns what went wrong with those that the producer did not take, by position.

        `report` is called once for each of the others, by the thread that serves this producer, perhaps already before
        this returns. All of them share it, and those of one request share their headers: a callback and a list of
        headers for each record would cost a third of a publish. So would names for the arguments.
        """
        try:
            producer = self.open()
        except KafkaException as error:
            return dict.fromkeys(range(len(records)), error.args[0])
        not_taken: dict[int, KafkaError] = {}
        of: tuple[str, str] | None = None
        headers: list[tuple[str, str | bytes | None]] = []
        for position, record in enumerate(records):
            if of != (record.origin, record.traceparent):
                of = (record.origin, record.traceparent)
                headers = [("origin", record.origin), ("traceparent", record.traceparent)]
            try:
                # topic, value, key, partition (any), callback, on_delivery (the same), timestamp (now), headers
                producer.produce(record.topic, record.value, record.key, -1, report, None, 0, headers)
            except BufferError:
                not_taken[position] = KafkaError(KafkaError._QUEUE_FULL)
            except KafkaException as error:
                not_taken[position] = error.args[0]
                if error.args[0] == KafkaError._FATAL:  # it will refuse all others too
                    self._replace(producer)
        return not_taken

    def open(self) -> Producer:
        """The producer. Raises KafkaException where its settings are wrong."""
        if self._producer is None:
            with self._lock:
                if self._producer is None:
                    own = {"error_cb": self.reason.note} | self._own
                    producer = Producer(connection_settings() | PRODUCER | own, logger=client_logger)
                    self._producer = producer
                    threading.Thread(target=self._serve, args=(producer,), name="kafka-acks", daemon=True).start()
        return self._producer

    def _replace(self, producer: Producer) -> None:
        """Have the next record make a new producer, if nobody has done so."""
        with self._lock:
            if self._producer is producer:
                self._producer = None

    def _serve(self, producer: Producer) -> None:
        """Delivery reports, until the producer was replaced and nobody waits for it."""
        while producer is self._producer or len(producer):
            try:
                producer.poll(0.1)
            except KafkaException as error:  # fatal, so for ever
                client_logger.error("PRODUCER failed for good and is replaced: %s", in_words(error.args[0]))
                self._replace(producer)
                producer.purge()  # ends every wait now


def _partition_of(message: Message) -> int:
    partition = message.partition()
    return ANY if partition is None else partition


class Acked(NamedTuple):
    """What became of records, by position, and the partitions of those that failed."""

    fates: list[Fate]
    partitions: dict[int, int]


class Acks:
    """The delivery reports of one publish. All its records share `report`.

    It takes no lock: the one thread that serves the producer appends reports, the one that publishes changes how many
    are awaited, and each looks at the other's after it has changed its own. So one of them sees that all are there.
    """

    def __init__(self, records: Sequence[Outbound]) -> None:
        self._records = records
        self._awaited = len(records)
        self._reports: list[Message] = []
        self._failed = False
        self._none_missing = threading.Lock()  # locked until all are there: lighter than an Event
        self._none_missing.acquire()

    def report(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failed = True
        self._reports.append(message)
        if len(self._reports) == self._awaited:
            self._none_missing.release()

    def wait(self, timeout: float, not_taken: Mapping[int, KafkaError]) -> Acked:
        """Returns what is known in `timeout` seconds at the latest; reports that come later change nothing of it.

        `not_taken` are the records for which no report comes.
        """
        self._awaited -= len(not_taken)
        if len(self._reports) < self._awaited:
            self._none_missing.acquire(timeout=timeout)
        reports = list(self._reports)
        if not self._failed and len(reports) == len(self._records):
            return Acked([DURABLE] * len(reports), {})
        return self._sorted(reports, not_taken)

    def _sorted(self, reports: Sequence[Message], not_taken: Mapping[int, KafkaError]) -> Acked:
        """Returns the fates by position: of each report, that of a record which is the same and was not reported yet.

        A record without a report is AWAY, so the outbox takes it.
        """
        acked = Acked([AWAY] * len(self._records), {})
        positions: dict[tuple[str, bytes, bytes], list[int]] = {}
        for position, record in enumerate(self._records):
            if (error := not_taken.get(position)) is not None:
                acked.fates[position], acked.partitions[position] = fate_of(error), ANY
            else:
                positions.setdefault((record.topic, record.key.encode(), record.value), []).append(position)
        for message in reports:
            same = positions.get((message.topic() or "", message.key() or b"", message.value() or b""))
            if not same:
                continue
            position = same.pop()
            acked.fates[position] = fate_of(message.error())
            if message.error() is not None:
                acked.partitions[position] = _partition_of(message)
        return acked


class Outage:
    """The partitions for whose acknowledgement nobody waits: at three seconds each, a few threads would wait away
    the intake.

    Only an acknowledgement ends it, never metadata: they name topics whose leader is dead, or which we may not
    write. Twice a second the next record of each such partition is published without waiting for it, beside the
    copy of it that goes to the outbox. After the first failure all topics are in doubt until their next record.
    """

    def __init__(self, publisher: Publisher, troubles: Troubles) -> None:
        self._publisher = publisher
        self._troubles = troubles
        self._lock = threading.Lock()
        self._next_try: dict[Place, float] = {}  # the places in doubt
        self._failed_at: dict[str, float] = {}  # the topics that failed, and when they did last
        self._partitions: dict[str, int] = {}  # how many a topic has
        self._watched = False

    def __bool__(self) -> bool:
        return bool(self._next_try)

    def covers(self, record: Outbound) -> bool:
        """Returns True where nobody should wait for this record."""
        return any(place in self._next_try for place in self._places(record))

    def begin(self, failed: Mapping[Place, str]) -> None:
        """Somebody waited in vain for records to these places; why, in words."""
        now = time.monotonic()
        with self._lock:
            doubted = {topic for topic, _ in failed} | set(() if self._failed_at else all_topics())
            for topic in doubted:
                self._next_try.setdefault((topic, ANY), now)
            for place, why in failed.items():
                self._fail(place, why)

    def try_without_waiting(self, records: Sequence[Outbound]) -> None:
        """Of these, which nobody waits for, publish those whose place is to be tried now."""
        now = time.monotonic()
        for record in records:
            with self._lock:
                due = [place for place in self._places(record) if self._next_try.get(place, now + 1) <= now]
                self._next_try |= dict.fromkeys(due, now + PROBE_EVERY)
            if due:
                for error in self._publisher.send([record], partial(self._reported, record.topic)).values():
                    self._tried(record.topic, ANY, error)

    def _reported(self, topic: str, error: KafkaError | None, message: Message) -> None:
        self._tried(topic, _partition_of(message), error)

    def _tried(self, topic: str, partition: int, error: KafkaError | None) -> None:
        fate = fate_of(error)
        with self._lock:
            if fate.durable:
                self._acknowledged(topic, partition)
            elif not fate.refused:
                self._fail((topic, partition), fate.why)

    def _fail(self, place: Place, why: str) -> None:
        topic, now = place[0], time.monotonic()
        self._next_try[place] = now + PROBE_EVERY
        self._failed_at[topic] = now
        why = self._publisher.reason.in_words() or why
        self._troubles.begin(f"Publishing to {topic}", f"{why} Accepting through the outbox.")
        if not self._watched:
            self._watched = True
            threading.Thread(target=self._watch, name="kafka-probe", daemon=True).start()

    def _acknowledged(self, topic: str, partition: int) -> None:
        for place in ((topic, ANY), (topic, partition)):
            self._next_try.pop(place, None)
        if not any(name == topic for name, _ in self._next_try):
            self._mend(topic)

    def _mend(self, topic: str) -> None:
        if self._failed_at.pop(topic, None):
            self._troubles.end(f"Publishing to {topic}")

    def _watch(self) -> None:
        """Where nothing is published nothing is acknowledged. Then metadata must do: for what is shown, no more."""
        while True:
            time.sleep(PROBE_EVERY)
            self._look()
            with self._lock:
                if not self._failed_at:
                    self._watched = False
                    return

    def _look(self) -> None:
        """Asks for the metadata of every topic that failed. Ends the trouble of those that are there for long enough.

        A topic may fail again while we ask, which takes seconds. So a failure counts from the start of the look: what
        failed after that was not seen by it.
        """
        started = time.monotonic()
        missing = {topic for topic in list(self._failed_at) if not self._is_there(topic)}
        with self._lock:
            for topic, failed_at in list(self._failed_at.items()):
                if topic in missing:
                    self._failed_at[topic] = max(started, failed_at)
                elif started - failed_at > DOUBT:
                    self._mend(topic)

    def _is_there(self, topic: str) -> bool:
        try:
            known = self._publisher.open().list_topics(topic, timeout=2).topics[topic]
        except (KafkaException, KeyError):
            return False
        self._partitions[topic] = len(known.partitions)
        return known.error is None and bool(known.partitions) and all(p.leader >= 0 for p in known.partitions.values())

    def _places(self, record: Outbound) -> tuple[Place, Place]:
        """The topic as a whole, and the partition that librdkafka's `consistent_random` chooses by CRC-32."""
        count = self._partitions.get(record.topic)
        partition = zlib.crc32(record.key.encode()) % count if count and record.key else ANY
        return (record.topic, ANY), (record.topic, partition)
