"""Retention on a ledger by time: a partition that is over goes as a whole, unless something in it stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
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


def meanwhile(monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> None:
    """Has `work` done once, after a partition was counted and before it is locked."""
    real, left = by_time.drop, [work]

    def drop(partition: by_time.Partition, *, when: Callable[[], bool]) -> bool:
        if left:
            left.pop()()
        return real(partition, when=when)

    monkeypatch.setattr(prune, "drop", drop)


def noted() -> int:
    return sum(sum(rows.values()) for rows in PrunedDay.objects.values_list("rows", flat=True))


def test_what_was_claimed_meanwhile_keeps_its_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    old = past(103.0, Status.DEAD, letter=State.DISCARDED)
    table = partition_of(old)
    meanwhile(monkeypatch, lambda: past(103.0, Status.WAITING))
    (partition,) = (each for each in by_time.partitions() if each.table == table)
    bounds = retention.Bounds.now()
    part = prune.drop_partitions(bounds, {"end": partition.since.isoformat() if partition.since else ""})
    assert (part.counts, part.after) == ({}, {"end": partition.until.isoformat()})
    assert hanging(old)["letters"] == 1
    assert noted() == 0


def test_what_another_job_removed_meanwhile_is_not_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    old = [past(OLD) for _ in range(3)]

    (partition,) = (each for each in by_time.partitions() if each.table == partition_of(old[0]))
    end = {"end": partition.since.isoformat() if partition.since else ""}
    meanwhile(monkeypatch, lambda: prune.delete_rows(retention.Bounds.now(), None))
    part = prune.drop_partitions(retention.Bounds.now(), end)
    assert (part.after, part.counts, part.pause) == (end, {}, prune.LOCKED_PAUSE)
    assert partition.table in there()
    again = prune.drop_partitions(retention.Bounds.now(), part.after)
    assert partition.table not in there()
    assert again.counts["notifications"] == noted()


def test_a_job_that_is_resumed_notes_what_goes_then_and_no_earlier_count() -> None:
    first, second = [past(OLD) for _ in range(3)], past(OLD - 1)
    (partition,) = (each for each in by_time.partitions() if each.table == partition_of(first[0]))
    counted = {"end": "", "counted": [[first[0].accepted_at.date().isoformat(), "sent", 3]]}  # as it once was kept
    job = job_rows.create(PRUNE, "ann")
    job.cursor = {"stage": "partitions", "after": counted, "bounds": retention.Bounds.now().words()}
    job.save()
    fetch(f'DROP TABLE "{partition.table}", "{partition.attempts}"')
    runner = Runner(kinds(), only=job.pk)
    while runner.turn():
        pass
    assert Job.objects.get(pk=job.pk).state == Job.State.DONE
    assert not hanging(second)
    assert (noted(), PrunedDay.objects.get(rows__sent=1).day) == (1, second.accepted_at.date())


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
