"""Partitions are made ahead, listed and dropped, whoever else works on the ledger."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError, connection, connections, transaction

from notifications.channels.outcomes import Cause, SendError
from notifications.ledger import partitions as module
from notifications.ledger.hooks import NO_HOOKS
from notifications.ledger.partitions import (
    LEDGER,
    Partition,
    boundary_after,
    default_rows,
    drop,
    make_ahead,
    partitions,
)
from notifications.ledger.settle import Settlement, settle
from notifications.ledger.verdicts import failed
from notifications.messages.ids import first_id_at, span
from notifications.models import Attempt, Notification
from project.database.dialects import fetch
from tests.notifications.rows import claim_one, in_threads, message

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db]


def id_at(moment: datetime) -> UUID:
    return UUID(int=first_id_at(moment).int | 7 << 76 | 2 << 62)


def failed_at(moment: datetime) -> UUID:
    """A notification accepted at that moment, with the attempt that failed."""
    claimed = claim_one(message(id=id_at(moment)))
    verdict = failed(SendError(Cause.TIMEOUT), attempts=0, hold=False, schedule=(60.0,))
    assert settle([Settlement(claimed, verdict)], hooks=NO_HOOKS) == {claimed.id}
    return claimed.id


def tables_of(id: UUID) -> list[str]:
    """The partitions in which a notification and its attempt stand."""
    return [
        str(fetch(f"SELECT tableoid::regclass::text FROM {table} WHERE {key} = %s", [id])[0][0])
        for table, key in module.KEYS.items()
    ]


def test_a_fresh_ledger_has_a_partition_for_everything_until_a_monday() -> None:
    first = partitions()[0]
    assert first.since is None
    assert first.until.weekday() == 0
    assert datetime.now(UTC) < first.until
    assert tables_of(failed_at(datetime.now(UTC))) == [first.table, first.attempts]
    assert default_rows() == 0


def test_partitions_are_made_ahead_one_after_the_other(settings: Any) -> None:
    before = partitions()
    now = before[-1].until + timedelta(weeks=2)
    settings.LEDGER_PARTITION = "week"
    made = make_ahead(now)
    assert partitions() == before + made
    assert make_ahead(now) == []
    settings.LEDGER_PARTITION = "day"
    days = make_ahead(now + timedelta(weeks=2))
    assert {each.until - each.since for each in made if each.since} == {timedelta(weeks=1)}
    assert {each.until - each.since for each in days if each.since} == {timedelta(days=1)}
    assert all(one.until == following.since for one, following in pairwise(partitions()))
    assert partitions()[-1].until >= now + timedelta(weeks=2) + module.AHEAD["day"]
    last = made[-1]
    assert last.since is not None
    assert (last.table, last.attempts) == (
        f"{LEDGER}_{last.since:%Y%m%d}",
        f"notifications_attempt_{last.since:%Y%m%d}",
    )
    assert tables_of(failed_at(last.since)) == [last.table, last.attempts]


@pytest.mark.parametrize(
    ("step", "moment", "boundary"),
    [
        ("day", "2026-11-29T00:00:00Z", "2026-11-30T00:00:00Z"),
        ("day", "2026-11-29T23:59:59.999Z", "2026-11-30T00:00:00Z"),
        ("day", "2026-11-30T00:30:00+01:00", "2026-11-30T00:00:00Z"),
        ("week", "2026-11-29T23:59:59Z", "2026-11-30T00:00:00Z"),
        ("week", "2026-11-30T00:00:00Z", "2026-12-07T00:00:00Z"),
    ],
)
def test_days_and_weeks_begin_at_midnight_utc(step: str, moment: str, boundary: str) -> None:
    assert boundary_after(datetime.fromisoformat(moment), step) == datetime.fromisoformat(boundary)


def test_the_span_of_ids_is_of_whole_weeks() -> None:
    early, late = datetime(2026, 11, 29, 23, 59, 59, tzinfo=UTC), datetime(2026, 12, 7, tzinfo=UTC)
    begin, end = datetime(2026, 11, 23, tzinfo=UTC), datetime(2026, 12, 14, tzinfo=UTC)
    first, last = (UUID(id) for id in span(id_at(moment) for moment in (late, early)).values())
    assert (first, last.int + 1) == (first_id_at(begin), first_id_at(end).int)
    assert [UUID(id).version for id in span([]).values()] == [None, None]


def test_what_fell_into_the_default_partition_moves_when_its_own_is_made() -> None:
    late = failed_at(partitions()[-1].until + timedelta(days=1))
    assert tables_of(late) == [f"{LEDGER}_default", "notifications_attempt_default"]
    assert default_rows() == 1
    made = make_ahead(partitions()[-1].until - timedelta(days=1))[0]
    assert tables_of(late) == [made.table, made.attempts]
    assert default_rows() == 0


def test_a_partition_has_the_storage_parameters_that_the_default_one_was_given() -> None:
    fetch(f"ALTER TABLE {LEDGER}_default SET (fillfactor = 80)")
    made = make_ahead(partitions()[-1].until)
    assert fetch("SELECT reloptions FROM pg_class WHERE relname = %s", [made[-1].table]) == [(["fillfactor=80"],)]


def test_a_dropped_partition_takes_its_rows_and_their_attempts_with_it() -> None:
    make_ahead(partitions()[-1].until)
    first, second = partitions()[:2]
    old, new = failed_at(datetime.now(UTC)), failed_at(second.until - timedelta(days=1))
    assert not drop(first, when=lambda: Notification.objects.count() > 2)
    assert Notification.objects.filter(id=old).exists()
    assert drop(first, when=lambda: Notification.objects.count() == 2)
    assert first not in partitions()
    assert [row.id for row in Notification.objects.all()] == [new]
    assert [row.notification_id for row in Attempt.objects.all()] == [new]
    assert tables_of(failed_at(datetime.now(UTC))) == [f"{LEDGER}_default", "notifications_attempt_default"]


@pytest.fixture
def unmade() -> Iterator[None]:
    """Takes back the partitions that a test commits."""
    before = partitions()
    yield
    for made in partitions():
        if made not in before:
            drop(made)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("unmade")
def test_many_schedulers_make_each_partition_once() -> None:
    before = partitions()
    now = before[-1].until + timedelta(weeks=3)
    made: list[list[Partition]] = []
    in_threads(*[lambda: made.append(make_ahead(now))] * 4)
    made.append(make_ahead(now))
    assert sorted((one for some in made for one in some), key=lambda one: one.until) == partitions()[len(before) :]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("unmade")
def test_whoever_reads_the_ledger_for_long_keeps_no_scheduler_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOCK_SECONDS", 0.05)
    there, enough = threading.Event(), threading.Event()

    def reads() -> None:
        try:
            with transaction.atomic():
                Notification.objects.count()
                there.set()
                enough.wait(30)
        finally:
            connections.close_all()

    reader = threading.Thread(target=reads, daemon=True)
    reader.start()
    assert there.wait(30)
    try:
        assert make_ahead(partitions()[-1].until) == []
        with pytest.raises(OperationalError, match="lock timeout"):
            drop(partitions()[0])
    finally:
        enough.set()
        reader.join(30)
    assert make_ahead(partitions()[-1].until) != []


def test_where_nothing_is_partitioned_there_is_nothing_to_do() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {LEDGER} RENAME TO other")
        cursor.execute(f"CREATE TABLE {LEDGER} (LIKE other INCLUDING ALL)")
    assert partitions() == make_ahead() == []
