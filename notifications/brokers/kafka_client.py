"""How this process reaches Kafka, and what keeps it from doing so."""

from __future__ import annotations

import gc
import logging
import threading
import time
from typing import Any

from confluent_kafka import KafkaError, Message
from django.conf import settings

from notifications.messages.message import MAX_RECORD_BYTES
from project import metrics

logger = logging.getLogger(__name__)

SAY_AGAIN = 10.0  # seconds between two log lines of the client about the same
LARGEST_RECORD = MAX_RECORD_BYTES + 10_000  # with its key, its headers and the frame of its batch

# Partitions that were added are found after so long: a group rebalances over them, a producer writes to them.
FRESH = {"topic.metadata.refresh.interval.ms": 5_000}
PRODUCER = FRESH | {
    "acks": "all",
    "enable.idempotence": True,
    "linger.ms": 2,
    "delivery.timeout.ms": 2500,
    "compression.type": "lz4",
    "message.max.bytes": 1_000_000,
}
CONSUMER = FRESH | {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    # With on_assign in kafka.py: a new group starts at the beginning, and a gap left by retention is never jumped.
    "auto.offset.reset": "error",
    # After so long a killed member's partitions move on. Heartbeats are sent by a thread of the client's own, so that
    # a busy member is not taken for a dead one.
    "session.timeout.ms": 10_000,
    # By the answer to a heartbeat a member learns that another one has come: until then the new one has no partition,
    # and who learned it first waits for the others. The client's own 3 s were too long for both.
    "heartbeat.interval.ms": 1_000,
    "max.poll.interval.ms": 300_000,
    # Of each partition: enough for a second or two, and a backlog of a million does not fill the memory.
    "queued.min.messages": 5_000,
    "fetch.queue.backoff.ms": 50,
    "queued.max.messages.kbytes": 2048,
    # A fetch is unpacked whatever that bound says, to a hundred times its size. One whole batch comes at least.
    "fetch.message.max.bytes": 65_536,
    "fetch.max.bytes": 65_536,
    "message.max.bytes": 65_536,  # of a producer, yet it would raise fetch.max.bytes
}

# For clients whose every answer is an exception or a value. (Not a logger: an AdminClient that had one hung.)
QUIETLY = {"log_level": 0}

# Errors in the words of somebody who can mend them; other errors keep the words of librdkafka.
WORDS = {
    KafkaError._AUTHENTICATION: "Kafka refuses KAFKA_USERNAME with this KAFKA_PASSWORD.",
    KafkaError._ALL_BROKERS_DOWN: "None of Kafka's brokers can be reached.",
    KafkaError._TRANSPORT: "None of Kafka's brokers can be reached.",
    KafkaError._TIMED_OUT: "None of Kafka's brokers can be reached.",
    KafkaError._MSG_TIMED_OUT: "No acknowledgement came in time.",
    KafkaError._SSL: "The TLS connection failed: look at KAFKA_CA_FILE and KAFKA_SECURITY_PROTOCOL.",
    KafkaError._UNKNOWN_TOPIC: "There is no such topic: run manage.py create_topics.",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "There is no such topic: run manage.py create_topics.",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "The user lacks a right on the topic.",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "The user lacks the right Read on the consumer group.",
    KafkaError.MSG_SIZE_TOO_LARGE: "It is larger than the max.message.bytes of its topic.",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "The user lacks a right on the cluster, or Write on any topic.",
}

# Errors of a client as a whole, each of which explains why no broker answers it or acknowledges.
EXPLAIN = frozenset({KafkaError._AUTHENTICATION, KafkaError._SSL})


def connection_settings() -> dict[str, Any]:
    """librdkafka's settings for reaching the brokers, TLS and SASL included."""
    found: dict[str, Any] = {
        "bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS,
        "security.protocol": settings.KAFKA_SECURITY_PROTOCOL,
        "client.id": "notifications",
        "reconnect.backoff.max.ms": 1000,
    }
    if settings.KAFKA_SECURITY_PROTOCOL.startswith("SASL"):
        found |= {
            "sasl.mechanism": settings.KAFKA_SASL_MECHANISM,
            "sasl.username": settings.KAFKA_USERNAME,
            "sasl.password": settings.KAFKA_PASSWORD,
        }
    if settings.KAFKA_CA_FILE:
        found["ssl.ca.location"] = settings.KAFKA_CA_FILE
    return found


def in_words(error: KafkaError) -> str:
    """What an error means to an operator."""
    return WORDS.get(error.code(), f"{error.str()}.".replace("..", "."))


class Reason:
    """Why no broker answers a client, where the client knows it: its calls say no more than that nobody did.

    `note` is the client's `error_cb`. The client tries again each second, so what it noted lately is still true.
    """

    def __init__(self) -> None:
        self._noted: tuple[float, KafkaError] | None = None

    def note(self, error: KafkaError) -> None:
        if error.code() in EXPLAIN:
            self._noted = time.monotonic(), error

    def in_words(self) -> str:
        """Returns the reason, "" where none is known."""
        noted = self._noted
        return in_words(noted[1]) if noted and time.monotonic() - noted[0] < SAY_AGAIN else ""


def headers_of(message: Message) -> dict[str, bytes] | None:
    """The headers of a record by name, or None where they cannot be read.

    Kafka takes any bytes as a header's name, and confluent_kafka 2.16.1 decodes them as UTF-8. Where that fails its
    error comes up in this call or in the next one, and the pair lacks its first member: to look at it would end the
    process. Only the garbage collector can count what is in a pair without looking at it.
    """
    try:
        pairs: Any = message.headers() or []
        whole = len(gc.get_referents(*pairs)) == 2 * len(pairs)
    except (SystemError, UnicodeDecodeError):
        return None
    if not whole:
        return None
    return {name: text.encode() if isinstance(text, str) else text or b"" for name, text in pairs}


class Troubles:
    """What keeps this process from publishing or reading, by who noticed. Sets notifications_kafka_up."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}
        self._lock = threading.Lock()

    def begin(self, who: str, why: str) -> None:
        """Say it in one line, unless others have the same trouble already."""
        with self._lock:
            is_new = why not in self._found.values()
            self._found[who] = why
            metrics.kafka_up.set(0)
        if is_new:
            logger.error("%s: %s", who, why)

    def end(self, who: str) -> None:
        with self._lock:
            if self._found.pop(who, None) is None:
                return
            metrics.kafka_up.set(0 if self._found else 1)
        logger.warning("%s: Kafka answers again", who)

    def __str__(self) -> str:
        """All of them, "" where there is none."""
        by_reason: dict[str, list[str]] = {}
        for who, why in sorted(self._found.items()):
            by_reason.setdefault(why, []).append(who)
        return " ".join(f"{', '.join(who)}: {why}" for why, who in by_reason.items())


class _Damped(logging.Filter):
    """The client says again and again that it cannot connect; once in a while is enough of each kind."""

    def __init__(self) -> None:
        super().__init__()
        self._logged: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind, now = record.getMessage().partition(" ")[0], time.monotonic()
        if now - self._logged.get(kind, -SAY_AGAIN) < SAY_AGAIN:
            return False
        self._logged[kind] = now
        return True


client_logger = logging.getLogger("notifications.brokers.kafka.client")
client_logger.addFilter(_Damped())
