"""Retention on a ledger by time: a partition that is over goes as a whole, unless something in it stays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from dlq.models import DeadLetter
from notifications.ledger import partitions as by_time
from notifications.messages.ids import first_id_at
from notifications.messages.words import Status
from notifications.models import Attempt, IdempotencyKey, Job, Notification, PrunedDay
from notifications.scheduling import job_rows
from notifications.scheduling.jobs import Runner
from project.database.dialects import fetch
from project.operations import prune, retention
from project.operations.kinds import PRUNE, kinds
from tests.project.operations.past import State, hanging, past

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql]

OLD = 100.0  # days


@pytest.fixture(autouse=True)
def days(settings: object) -> Iterator[None]:
    """A ledger of a partition for each day from 103 to 87 days ago; what is younger is in the default partition."""
    today = retention.midnight(datetime.now(UTC).date())
    first = by_time.partitions()[0]
    fetch(f'DROP TABLE "{first.table}", "{first.attempts}"')
    for later in by_time.partitions():
        fetch(f'DROP TABLE "{later.table}", "{later.attempts}"')
    for number in range(103, 86, -1):
        since = today - timedelta(days=number)
        bounds = [first_id_at(since), first_id_at(since + timedelta(days=1))]
        for table in by_time.KEYS:
            fetch(f'CREATE TABLE "{table}_{since:%Y%m%d}" PARTITION OF {table} FOR VALUES FROM (%s) TO (%s)', bounds)
    yield


def run() -> Job:
    job = job_rows.create(PRUNE, "ann")
    runner = Runner(kinds(), only=job.pk)
    while runner.turn():
        pass
    job.refresh_from_db()
    assert job.state in (Job.State.DONE, Job.State.RUNNING), (job.state, job.error)
    return job


def there() -> set[str]:
    return {partition.table for partition in by_time.partitions()}


def partition_of(one: Notification) -> str:
    ((table,),) = fetch("SELECT tableoid::regclass::text FROM notifications_notification WHERE id = %s", [one.id])
    return str(table)


def test_a_partition_that_is_over_is_dropped_with_all_that_hangs_on_it() -> None:
    old = [past(OLD), past(OLD), past(OLD, Status.DEAD, letter=State.DISCARDED)]
    young, table = past(80), partition_of(old[0])
    before = there()
    job = run()
    assert table not in there()
    assert len(before) - len(there()) == 13, "empty partitions stay"
    assert [hanging(one) for one in old] == [{}] * 3
    assert hanging(young)
    assert (Attempt.objects.count(), IdempotencyKey.objects.count(), DeadLetter.objects.count()) == (1, 1, 0)
    assert job.done == job.total
    assert PrunedDay.objects.get(rows__sent=2).rows == {"sent": 2, "dead": 1}


@pytest.mark.parametrize(
    ("status", "letter"), [(Status.DEAD, State.OPEN), (Status.EXPIRED, State.REPLAYING), (Status.WAITING, "")]
)
def test_a_partition_with_something_that_stays_is_kept_and_the_rest_of_it_goes(status: Status, letter: str) -> None:
    gone, stays = past(OLD), past(OLD, status, letter=letter)
    table = partition_of(stays)
    run()
    assert table in there()
    assert (hanging(gone), Notification.objects.get().id) == ({}, stays.id)


def test_rows_wait_for_the_end_of_their_partition() -> None:
    bound = retention.Bounds.now().rows
    assert bound is not None
    assert bound in {partition.until for partition in by_time.partitions()}
    assert retention._end_of_partitions(bound - timedelta(hours=5)) == bound - timedelta(days=1)
    long_ago = bound - timedelta(days=100)
    assert retention._end_of_partitions(long_ago) == long_ago, "what is older than every partition waits"


def test_what_was_claimed_meanwhile_keeps_its_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    old = past(OLD, Status.DEAD, letter=State.DISCARDED)
    table = partition_of(old)
    (partition,) = (each for each in by_time.partitions() if each.table == table)
    monkeypatch.setattr(prune, "_is_needed", lambda *_: True)  # it was not when the rows were counted
    part = prune._drop(partition, {(old.accepted_at.date(), "dead"): 1}, "")
    assert (part.counts, part.after) == ({}, {"end": partition.until.isoformat()})
    assert hanging(old)["letters"] == 1
    assert not PrunedDay.objects.exists()


def test_a_partition_that_somebody_reads_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    old = past(OLD)

    def locked(*_: object, **__: object) -> bool:
        fetch("DO $$ BEGIN RAISE lock_not_available; END $$")
        return True

    monkeypatch.setattr(prune, "drop", locked)
    job = run()
    assert (job.state, job.failures) == (Job.State.RUNNING, 0)
    assert job.due_at > datetime.now(UTC) + timedelta(seconds=prune.LOCKED_PAUSE / 2)
    assert hanging(old)
