"""What the scheduler counts for the pages: by channel, with the time, and with the last figures where Kafka is away."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications.brokers.base import Broker, Lag
from notifications.brokers.ledger_queue import EmbeddedBroker
from notifications.messages.words import DigestState, Reason, Status
from notifications.models import Digest, Job, Standing
from notifications.scheduling.standings import measure
from project import metrics
from tests.notifications.rows import ago, row

pytestmark = pytest.mark.django_db


class Away:
    """A broker that cannot be asked."""

    def lags(self) -> dict[str, Lag]:
        raise ConnectionError("Kafka does not answer.")


def figures() -> dict[str, object]:
    return {standing.name: standing.figures for standing in Standing.objects.all()}


def test_it_writes_down_what_stands_and_when_it_was_counted() -> None:
    first = row(Status.WAITING, due_at=ago(100), reason=Reason.RETRY)
    row(Status.WAITING, due_at=ago(-100), reason=Reason.RETRY)
    row(Status.WAITING, due_at=ago(-100), reason=Reason.OUTAGE, channel="SMS")
    row(Status.ACCEPTED)
    queued = row()
    row(priority="bulk")
    Job.objects.create(kind="prune", actor="ann", state=Job.State.PAUSED)
    measure(EmbeddedBroker(), ["prune"])
    found = figures()
    waiting = cast("dict[str, dict[str, object]]", found["waiting"])
    assert waiting["EMAIL"] == {"retry": {"rows": 2, "oldest": first.accepted_at.isoformat()}}
    assert set(waiting["SMS"]) == {"outage"}
    of_channel = cast("dict[str, object]", found["queued"])
    assert of_channel["EMAIL"] == {"rows": 2, "oldest": queued.accepted_at.isoformat()}
    assert of_channel["SLACK"] == {"rows": 0, "oldest": None}
    outbox = cast("dict[str, float]", found["outbox"])
    assert (outbox["rows"], 90 < outbox["overdue"] < 200) == (1, True)
    assert cast("dict[str, dict[str, int]]", found["jobs"])["prune"]["paused"] == 1
    assert all(timezone.now() - standing.as_of < timedelta(minutes=1) for standing in Standing.objects.all())


def test_it_counts_the_digests_that_have_not_ended_by_their_state() -> None:
    of = {"channel": "EMAIL", "category": "news", "client": "shop", "joined": 2, "opened_at": ago(60)}
    at = {"closes_at": ago(1), "look_at": ago(1)}
    states = [DigestState.OPEN, DigestState.OPEN, DigestState.CLOSED, DigestState.ENDED]
    Digest.objects.bulk_create(Digest(state=state, receiver_hash=str(n), **of, **at) for n, state in enumerate(states))
    measure(EmbeddedBroker(), [])
    shown = {sample.labels["state"]: sample.value for sample in next(iter(metrics.digests.collect())).samples}
    assert shown == {"open": 2, "closing": 0, "closed": 1}


def test_what_kafka_cannot_be_asked_for_keeps_its_time() -> None:
    measure(EmbeddedBroker(), [])
    long_ago = timezone.now() - timedelta(hours=1)
    Standing.objects.update(as_of=long_ago)
    measure(cast("Broker", Away()), [])
    old = set(Standing.objects.filter(as_of=long_ago).values_list("name", flat=True))
    assert old == {"queued", "lags"}


def test_writing_down_takes_one_statement_whatever_there_is() -> None:
    with CaptureQueriesContext(connection) as captured:
        Standing.note({"b": {"x": 1}, "a": {}})
        Standing.note({"b": {"x": 2}})
    assert len([one for one in captured if "INSERT" in one["sql"]]) == 2
    assert figures() == {"a": {}, "b": {"x": 2}}
