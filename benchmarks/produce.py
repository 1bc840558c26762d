"""The bare loop for batches: encode, produce, and wait for all acknowledgements at the end."""

from __future__ import annotations

import json
import sys
import time

from confluent_kafka import KafkaError, Message, Producer

from benchmarks.traffic import receiver_of, text_of
from notifications.brokers.base import outbound
from notifications.brokers.kafka_client import PRODUCER, connection_settings
from notifications.messages.draft import Draft
from notifications.messages.message import new_message
from notifications.messages.words import Origin


def main() -> None:
    """Prints the rate as JSON. The messages are made before the clock starts: only the records are its work."""
    messages = [
        new_message(
            Draft(message=text_of(number)), client="main", channel="EMAIL", receiver=receiver_of("EMAIL", number)
        )
        for number in range(int(sys.argv[1]))
    ]
    like = outbound(messages[0], origin=Origin.INTAKE)
    headers: list[tuple[str, str | bytes | None]] = [("origin", like.origin), ("traceparent", like.traceparent)]
    producer = Producer(connection_settings() | PRODUCER | {"queue.buffering.max.messages": 1_000_000})
    acknowledged = 0

    def on_delivery(error: KafkaError | None, _message: Message) -> None:
        nonlocal acknowledged
        assert error is None, error
        acknowledged += 1

    producer.list_topics(timeout=10)
    began = time.perf_counter()
    for message in messages:
        producer.produce(like.topic, message.to_record(), message.id.hex, headers=headers, on_delivery=on_delivery)
        producer.poll(0)
    producer.flush(60)
    seconds = time.perf_counter() - began
    assert acknowledged == len(messages)
    print(json.dumps({"rate": acknowledged / seconds}))
