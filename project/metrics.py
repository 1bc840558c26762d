"""The metrics that Prometheus reads. Counts are of this process; the scheduler sets the gauges of the whole ledger.

With PROMETHEUS_MULTIPROC_DIR, Prometheus' client keeps them in files there, and `exposition` adds up those of all
workers of a web.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from notifications.channels.outcomes import Cause, Outcome
from notifications.channels.receipts import ReceiptType
from notifications.messages.words import PRIORITIES, Reason

SHARED_IN = os.environ.get("PROMETHEUS_MULTIPROC_DIR", "")  # as its client reads it, before any metric is made
if SHARED_IN:
    Path(SHARED_IN).mkdir(parents=True, exist_ok=True)


class Measured(Gauge):
    """A gauge without labels that has no value until it is set: one of 0 would say that this process measures it."""

    _is_measured = False

    def set(self, value: float) -> None:
        self._is_measured = True
        super().set(value)

    def set_function(self, f: Callable[[], float]) -> None:
        self._is_measured = True
        super().set_function(f)

    def collect(self) -> Iterable[Metric]:
        for family in super().collect():
            family.samples = family.samples if self._is_measured else []
            yield family


accepted = Counter("notifications_accepted", "Notifications answered 202", ["channel"])
published = Counter("notifications_published", "Records acknowledged by the broker", ["origin"])
outboxed = Counter("notifications_outboxed", "Notifications accepted through the outbox")
http_request_seconds = Histogram(
    "notifications_http_request_seconds",
    "Requests by call and kind of answer, and how long each took",
    ["call", "code"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
places_in_use = Measured("notifications_places_in_use", "Requests that are being worked on")
kafka_up = Gauge(
    "notifications_kafka_up",
    "1 while this process can publish to Kafka and read from it",
    multiprocess_mode="livemin",
)
kafka_up.set(1)
commit_failures = Counter("notifications_commit_failures", "Offset commits that Kafka refused")

claimed = Counter("notifications_claimed", "Rows claimed", ["channel", "priority"])
duplicates = Counter("notifications_duplicate_records", "Records whose row was not to be claimed", ["channel"])
decided = Counter("notifications_decided", "Claimed rows by what decided about their receiver", ["channel", "rule"])
unclaimable = Counter("notifications_unclaimable_records", "Records that became dead letters", ["cause"])
attempts = Counter("notifications_attempts", "Sends by outcome", ["channel", "provider", "outcome"])
dead = Counter("notifications_dead", "Notifications that died", ["channel", "cause"])
put_back = Counter("notifications_put_back", "Claimed rows put back unsent", ["channel", "reason"])
stale_settlements = Counter("notifications_stale_settlements", "Results whose row had moved on, so changed nothing")
receipts = Counter("notifications_receipts", "What providers report afterwards, each event once", ["channel", "type"])
in_flight = Gauge("notifications_in_flight", "Sends handed over and not answered", ["channel"])
ready = Gauge("notifications_ready", "Claimed rows waiting for a thread", ["channel"])
unsettled = Measured("notifications_unsettled", "Claimed rows without a settlement in the ledger")
breaker_open = Gauge("notifications_breaker_open", "1 while the circuit breaker is open", ["channel", "provider"])
accept_to_provider = Histogram(
    "notifications_accept_to_provider_seconds",
    "From accepted to the first hand-over",
    ["channel", "priority"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
)
send_seconds = Histogram(
    "notifications_send_seconds",
    "The provider's answer time",
    ["channel", "provider"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30),
)

database_connections = Gauge("notifications_database_connections", "Connections to the database that are open")
database_connects = Counter("notifications_database_connects", "Connections to the database that were opened")

consumer_lag = Gauge(
    "notifications_consumer_lag", "Records that the senders of a topic have still to read", ["channel", "topic"]
)
oldest_record = Gauge(
    "notifications_oldest_record_seconds",
    "Age of the oldest record that a topic's senders have to read",
    ["channel", "topic"],
)
last_poll = Gauge("notifications_last_poll_seconds", "Since a consumer asked for records last", ["topic"])
outbox_depth = Measured("notifications_outbox_depth", "Rows in the outbox, and those taken and not yet published")
waiting = Gauge("notifications_waiting", "Rows waiting", ["reason"])
digests = Gauge("notifications_digests", "Digests that have not ended", ["state"])
oldest_due = Measured("notifications_oldest_due_seconds", "How long the most overdue waiting row is due")
last_round = Measured("notifications_last_round_seconds", "Since the scheduler of this process began a round last")
leases_swept = Counter("notifications_leases_swept", "Leases that passed unsettled: their sender died or stood still")
ledger_default_rows = Measured("notifications_ledger_default_rows", "Rows in the default partition, counted to 10,000")
paused = Gauge("notifications_paused", "1 for each pause by hand that is in force", ["kind", "name"])
jobs = Gauge("notifications_jobs", "Jobs by state", ["kind", "state"])
open_problems = Gauge("notifications_open_problems", "Problems with open dead letters", ["state"])
growing_problems = Measured("notifications_growing_problems", "Problems whose deaths in an hour have more than doubled")
open_letters = Gauge("notifications_open_dead_letters", "Open dead letters", ["cause"])

ORIGINS = ("intake", "outbox", "retry", "replay")


class OfAllWorkers(MultiProcessCollector):
    """Adds up the counts of all workers. Other gauges than that of Kafka are of one of them, so it has none."""

    def collect(self) -> list[Metric]:
        untyped: Any = super()
        families: Iterable[Metric] = untyped.collect()
        return [each for each in families if each.type != "gauge" or each.name == "notifications_kafka_up"]


def exposition() -> bytes:
    """Returns the figures of this process, or of all workers that share them, in Prometheus' text format."""
    if not SHARED_IN:
        return generate_latest()
    registry = CollectorRegistry()
    untyped: Any = OfAllWorkers
    untyped(registry)
    return generate_latest(registry)


def start_at_zero(channels: Iterable[str]) -> None:
    """Shows every counter and histogram with each of its labels from the start.

    A counter that appears with its first event has no increase then, so that no alert sees that event. Gauges stay away
    until they are set, because a gauge shows that this process measures it.
    """
    channels = list(channels)
    labels: dict[Counter | Histogram, list[Iterable[str]]] = {
        accepted: [channels],
        published: [ORIGINS],
        claimed: [channels, PRIORITIES],
        duplicates: [channels],
        unclaimable: [(Cause.UNDECODABLE, Cause.REFUSED_BY_DATABASE)],
        dead: [channels, Cause],
        put_back: [channels, Reason],
        receipts: [channels, ReceiptType],
        accept_to_provider: [channels, PRIORITIES],
    }
    _show(labels)


def start_providers_at_zero(channel: str, providers: Iterable[str]) -> None:
    """Does the same for what a sender counts of the providers of its route; their breakers are closed."""
    providers = list(providers)
    _show({attempts: [[channel], providers, ("sent", *Outcome)], send_seconds: [[channel], providers]})
    for provider in providers:
        breaker_open.labels(channel, provider).set(0)


def _show(labels: Mapping[Counter | Histogram, Iterable[Iterable[str]]]) -> None:
    for metric, values in labels.items():
        for combination in product(*values):
            metric.labels(*combination)
