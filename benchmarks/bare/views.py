"""Parse the JSON, produce it, wait for the acknowledgement; nothing is checked, nobody is asked for an API key.

The record has a topic key as ours have: with it, records go to all partitions, so to more produce requests than the
one batch that librdkafka fills where there is none.
"""

from __future__ import annotations

import json
import threading
from functools import cache
from hashlib import md5

from confluent_kafka import KafkaError, Message, Producer
from django.conf import settings
from django.http import HttpRequest, HttpResponse

# As notifications/brokers/kafka.py has them; not imported from there, for that would load the product.
PRODUCER = {
    "bootstrap.servers": settings.KAFKA_BOOTSTRAP_SERVERS,
    "acks": "all",
    "enable.idempotence": True,
    "linger.ms": 2,
    "delivery.timeout.ms": 2500,
    "compression.type": "lz4",
}
lock = threading.Lock()


def submit(request: HttpRequest) -> HttpResponse:
    receiver = json.loads(request.body)["receiver"]
    acknowledged = threading.Event()
    errors: list[KafkaError] = []

    def on_delivery(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            errors.append(error)
        acknowledged.set()

    with lock:
        kafka = producer()
    key = md5(receiver.encode(), usedforsecurity=False).hexdigest()
    kafka.produce(settings.TOPIC_PREFIX + "email", request.body, key, on_delivery=on_delivery)
    if not acknowledged.wait(4) or errors:
        return HttpResponse(status=503)
    body = b'{"status":"accepted"}'
    headers = {"Content-Length": str(len(body))}
    return HttpResponse(body, status=202, content_type="application/json", headers=headers)


@cache
def producer() -> Producer:
    made = Producer(PRODUCER)
    threading.Thread(target=_serve, args=(made,), daemon=True).start()
    return made


def _serve(made: Producer) -> None:
    while True:
        made.poll(0.1)
