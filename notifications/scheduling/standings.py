"""What a scheduler counts every few seconds: for Prometheus, and for the pages, which count nothing themselves."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from itertools import product
from typing import Any

from django.db.models import Count

from notifications.brokers.base import Broker, Lag
from notifications.channels import channel_names
from notifications.ledger import partitions
from notifications.messages.topics import topic_of
from notifications.messages.words import PRIORITIES, DigestState, Reason
from notifications.models import Digest, Notification, Standing
from notifications.scheduling import job_rows
from project import metrics

logger = logging.getLogger(__name__)

Figures = Mapping[str, Any]
NOTHING = Lag()


def measure(broker: Broker, kinds: Collection[str]) -> None:
    """Counts, and writes the counts down with their time, in one statement. Sets the gauges of the whole ledger.

    Each count is one look at a partial index. What Kafka cannot be asked for keeps its old figures and their time.
    """
    metrics.ledger_default_rows.set(partitions.default_rows())
    _count_digests()
    figures = {
        Standing.Name.WAITING: _waiting(),
        Standing.Name.OUTBOX: _outbox(),
        Standing.Name.JOBS: _jobs(kinds),
        **_queued(broker),
    }
    Standing.note(figures)


def _waiting() -> Figures:
    """Returns what waits of each channel, by reason: how many rows, and when the oldest was accepted."""
    by_reason: dict[str, int] = {reason.value: 0 for reason in Reason}
    figures: dict[str, dict[str, Any]] = {}
    for (channel, reason), (rows, oldest) in Notification.objects.waiting().items():
        by_reason[reason] = by_reason.get(reason, 0) + rows
        figures.setdefault(channel, {})[reason] = {"rows": rows, "oldest": oldest.isoformat()}
    for reason, rows in by_reason.items():
        metrics.waiting.labels(reason).set(rows)
    return figures


def _count_digests() -> None:
    under_way = Digest.objects.exclude(state=DigestState.ENDED).order_by()
    found = dict(under_way.values_list("state").annotate(digests=Count("id")))
    for state in DigestState:
        if state is not DigestState.ENDED:
            metrics.digests.labels(state.value).set(found.get(state.value, 0))


def _outbox() -> Figures:
    rows, overdue = Notification.objects.count_unpublished(), Notification.objects.overdue_seconds()
    metrics.outbox_depth.set(rows)
    metrics.oldest_due.set(overdue)
    return {"rows": rows, "overdue": overdue}


def _jobs(kinds: Collection[str]) -> Figures:
    figures: dict[str, dict[str, int]] = {}
    for (kind, state), count in job_rows.by_state(kinds).items():
        metrics.jobs.labels(kind, state).set(count)
        figures.setdefault(kind, {})[state] = count
    return figures


def _queued(broker: Broker) -> dict[str, Figures]:
    """Returns what senders have still to read, by topic and by channel; nothing where Kafka does not answer.

    It is measured by the scheduler, so that a topic whose senders are all away is known too. When the oldest was
    accepted is known of those in the ledger alone: in the embedded queue of all, with Kafka of those published again.
    """
    try:
        lags = broker.lags()
    except ConnectionError as error:
        logger.warning("the lags of the senders cannot be measured: %s", error)
        return {}
    for channel, priority in product(channel_names(), PRIORITIES):
        if lag := lags.get(topic := topic_of(channel, priority)):
            metrics.consumer_lag.labels(channel, topic).set(lag.records)
            metrics.oldest_record.labels(channel, topic).set(lag.seconds)
    by_channel = {channel: _queued_of(channel, lags) for channel in channel_names()}
    return {
        Standing.Name.LAGS: {topic: lag.records for topic, lag in lags.items()},
        Standing.Name.QUEUED: by_channel,
    }


def _queued_of(channel: str, lags: Mapping[str, Lag]) -> Figures:
    rows = sum(lags.get(topic_of(channel, priority), NOTHING).records for priority in PRIORITIES)
    oldest = Notification.objects.oldest_queued((channel, priority) for priority in PRIORITIES) if rows else {}
    return {"rows": rows, "oldest": min(oldest.values()).isoformat() if oldest else None}
