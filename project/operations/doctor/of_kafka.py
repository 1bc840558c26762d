"""Checks of Kafka."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings

from notifications.brokers.base import open_broker
from notifications.brokers.kafka_client import connection_settings
from notifications.brokers.kafka_groups import members
from project.operations.doctor.examine import LeftOut

BY_OUTBOX = "Accepting through the outbox."  # true of a web process alone


def answers() -> Iterator[str]:
    """It answers, and knows us."""
    _kafka_alone()
    if problem := open_broker().problem():
        yield f"{problem.removesuffix(BY_OUTBOX).strip()} docs/runbooks.md, Kafka is down."


def topics() -> Iterator[str]:
    """All are there, kept safely, and take our largest record."""
    _kafka_alone()
    yield from open_broker().warnings()


def groups() -> Iterator[str]:
    """Somebody reads each topic in which records wait, and no member has nothing to read."""
    _kafka_alone()
    lags = open_broker().lags()
    for topic, (reading, partitions) in members(connection_settings()).items():
        waiting = lags[topic].records if topic in lags else 0
        if waiting and not reading:
            yield f"{waiting} records wait in {topic}, and nobody reads it: start senders of its channel."
        if reading > partitions:
            yield (
                f"{reading} senders share the {partitions} partitions of {topic}, so {reading - partitions} of them "
                f"have nothing to read: run fewer, or manage.py create_topics --partitions {reading}."
            )


def log() -> Iterator[str]:
    """Nothing was deleted before it was read."""
    _kafka_alone()
    log = open_broker().log(None)
    for place in log.unread_and_gone() if log else ():
        yield f"{place} was deleted before it was read: docs/runbooks.md, Offsets were lost."


def _kafka_alone() -> None:
    if not settings.KAFKA_BOOTSTRAP_SERVERS:
        raise LeftOut("The ledger is the queue.")
