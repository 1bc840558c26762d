"""Leases: renewed while the sender lives, marked before a hand-over, swept when it died."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications.channels.outcomes import Cause, Outcome, SendError
from notifications.ledger import due, leases, verdicts
from notifications.ledger.hooks import NO_HOOKS
from notifications.ledger.mend import mend
from notifications.ledger.settle import Settlement, mark_handed, renew, settle
from notifications.messages.words import TAKEN, Reason, Status, standing
from notifications.models import Attempt, Category, Lease, Notification
from tests.notifications.rows import (
    ago,
    as_an_older_version,
    claim,
    claim_one,
    id_of,
    ids,
    message,
    message_of,
    pass_leases,
    read,
    row,
    seconds_until,
)

pytestmark = pytest.mark.django_db
SCHEDULE = (30.0, 120.0)


@pytest.fixture
def hold() -> str:
    return str(Category.objects.create(name="invoice", on_uncertain=Category.OnUncertain.HOLD).name)


def test_a_renewal_moves_the_lease() -> None:
    claims = claim(message(), message(), lease=5)
    assert renew(claims, lease=60) == set(ids(claims))
    for claimed in claims:
        assert 55 < (seconds_until("lease_until", claimed.id) or 0) <= 60


def test_a_renewal_revives_a_passed_lease_while_nobody_took_the_row() -> None:
    claimed = claim_one()
    pass_leases(claimed)
    assert renew([claimed], lease=60) == {claimed.id}
    assert leases.sweep(SCHEDULE, 10, hooks=NO_HOOKS) == 0


def test_no_renewal_after_another_claim() -> None:
    claimed, other = claim(message(), message())
    settle([Settlement(claimed, verdicts.put_back(Reason.HANDED_BACK))], hooks=NO_HOOKS)
    Notification.objects.filter(id=claimed.id).update(**standing(Status.QUEUED))
    newer = claim_one(message_of(read(claimed.id)), owner="batch-2")
    until = read(claimed.id).lease_until
    assert renew([claimed, other], lease=600) == {other.id}
    assert read(claimed.id).lease_until == until
    assert renew([newer], lease=600) == {newer.id}


@pytest.mark.parametrize("change", [{"generation": 1}, {"claims": 2}, {"owner": "other"}, standing(Status.WAITING)])
def test_a_renewal_needs_the_whole_fence_and_the_owner(change: dict[str, Any]) -> None:
    claimed = claim_one()
    Notification.objects.filter(id=claimed.id).update(**change)
    assert renew([claimed], lease=600) == set()
    assert (seconds_until("lease_until", claimed.id) or 0) <= 60


def test_a_hand_over_is_noted_while_the_fence_matches() -> None:
    claimed, stale = claim(message(), message())
    Notification.objects.filter(id=stale.id).update(claims=2)
    assert mark_handed([claimed, stale]) == {claimed.id}
    assert -5 < (seconds_until("handed_at", claimed.id) or 0) <= 0
    assert read(stale.id).handed_at is None


def test_the_sweep_settles_what_a_dead_sender_left() -> None:
    dead, alive = claim(message(), message())
    pass_leases(dead)
    assert leases.sweep(SCHEDULE, 10, hooks=NO_HOOKS) == 1
    found = read(dead.id)
    assert (found.status, found.reason, found.attempts, found.uncertain_count) == (
        Status.WAITING,
        Reason.UNCERTAIN,
        1,
        1,
    )
    assert 29 < (seconds_until("due_at", dead.id) or 0) <= 33
    attempt = Attempt.objects.get()
    assert (attempt.cause, attempt.outcome) == (Cause.LEASE_EXPIRED, Outcome.UNCERTAIN)
    assert read(alive.id).status == Status.SENDING


def test_a_swept_row_without_retries_left_is_dead_as_unknown() -> None:
    claimed = claim_one()
    Notification.objects.filter(id=claimed.id).update(attempts=len(SCHEDULE))
    pass_leases(claimed)
    assert leases.sweep(SCHEDULE, 10, hooks=NO_HOOKS) == 1
    assert (read(claimed.id).status, read(claimed.id).last_cause) == (Status.DEAD, Cause.OUTCOME_UNKNOWN)


def test_in_a_hold_category_only_what_was_handed_over_is_held(hold: str) -> None:
    handed, unhanded = claim(message(category=hold), message(category=hold))
    assert mark_handed([handed]) == {handed.id}
    pass_leases(handed, unhanded)
    assert leases.sweep(SCHEDULE, 10, hooks=NO_HOOKS) == 2
    assert (read(handed.id).status, read(handed.id).attempts) == (Status.HELD, 1)
    found = read(unhanded.id)
    assert (found.status, found.reason, found.attempts) == (Status.WAITING, Reason.HANDED_BACK, 0)
    assert Attempt.objects.filter(cause=Cause.LEASE_EXPIRED).count() == 2


def test_a_new_claim_forgets_the_hand_over_of_the_last(hold: str) -> None:
    claimed = claim_one(message(category=hold))
    mark_handed([claimed])
    settle([Settlement(claimed, verdicts.put_back(Reason.PARKED))], hooks=NO_HOOKS)
    Notification.objects.filter(id=claimed.id).update(**standing(Status.QUEUED))
    claim_one(message_of(read(claimed.id)), owner="batch-2")
    assert read(claimed.id).handed_at is None


def test_the_sweep_takes_the_longest_passed_first_and_no_more_than_asked() -> None:
    claims = claim(*(message() for _ in range(5)))
    for place, claimed in enumerate(claims):
        pass_leases(claimed, seconds=100 - place)
    assert leases.sweep(SCHEDULE, 2, hooks=NO_HOOKS) == 2
    assert [read(claimed.id).status for claimed in claims] == [Status.WAITING] * 2 + [Status.SENDING] * 3


def test_a_sender_that_settles_after_the_sweep_is_late() -> None:
    claimed = claim_one()
    pass_leases(claimed)
    leases.sweep(SCHEDULE, 10, hooks=NO_HOOKS)
    failed = verdicts.failed(SendError(Cause.TIMEOUT), attempts=0, hold=False, schedule=SCHEDULE)
    assert settle([Settlement(claimed, failed)], hooks=NO_HOOKS) == set()
    assert settle([Settlement(claimed, verdicts.sent("late"))], hooks=NO_HOOKS) == {claimed.id}
    assert read(claimed.id).status == Status.SENT


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_worker_whose_clock_is_an_hour_off_moves_nothing(
    monkeypatch: pytest.MonkeyPatch, worker_clock: Callable[[float], None], hours: int
) -> None:
    """Leases and due times are the database's."""
    submitted = message()
    worker_clock(3600 * hours)
    claimed = claim_one(submitted)
    assert 55 < (seconds_until("lease_until", submitted.id) or 0) <= 60
    assert leases.sweep(SCHEDULE, 10, hooks=NO_HOOKS) == 0
    renew([claimed], lease=40)
    assert 35 < (seconds_until("lease_until", submitted.id) or 0) <= 40
    failed = verdicts.failed(SendError(Cause.TIMEOUT), attempts=0, hold=False, schedule=(30.0,))
    settle([Settlement(claimed, failed, "EMAIL")], hooks=NO_HOOKS)
    assert 29 < (seconds_until("due_at", submitted.id) or 0) <= 33
    assert due.take_due("me", 10) == []


@pytest.fixture
def worker_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets this process's wall clock off by so many seconds; the database keeps the true time."""
    import time

    true_time, true_now = time.time, timezone.now

    def set_off(seconds: float) -> None:
        def now() -> datetime:
            return true_now() + timedelta(seconds=seconds)

        monkeypatch.setattr(time, "time", lambda: true_time() + seconds)
        monkeypatch.setattr(timezone, "now", now)

    return set_off


def test_a_lease_goes_once_none_of_its_rows_is_being_sent() -> None:
    first, second = claim(message(), message())
    other = claim_one(owner="batch-2")
    settle([Settlement(first, verdicts.sent("x"))], hooks=NO_HOOKS)
    assert Lease.objects.count() == 2, "settling leaves leases alone"
    pass_leases(first, second)
    assert leases.sweep(SCHEDULE, 10, hooks=NO_HOOKS) == 1
    assert bytes(Lease.objects.get().ids) == other.id.bytes


def test_a_lease_of_renewed_rows_is_looked_at_when_theirs_passes() -> None:
    quick, slow = claim(message(), message())
    pass_leases(quick, slow)
    renew([quick], lease=30)
    renew([slow], lease=600)
    assert leases.sweep(SCHEDULE, 10, hooks=NO_HOOKS) == 0
    assert Lease.objects.get().look_at == read(quick.id).lease_until
    pass_leases(quick)
    assert leases.sweep(SCHEDULE, 10, hooks=NO_HOOKS) == 1
    assert Lease.objects.get().look_at == read(slow.id).lease_until


def test_rows_that_are_claimed_anew_are_under_the_new_lease_alone() -> None:
    claimed = claim_one()
    settle([Settlement(claimed, verdicts.put_back(Reason.PARKED))], hooks=NO_HOOKS)
    Notification.objects.filter(id=claimed.id).update(**standing(Status.QUEUED))
    claim_one(message_of(read(claimed.id)), owner="batch-2")
    Lease.objects.filter(owner="batch-1").update(look_at=ago(1))
    assert leases.sweep(SCHEDULE, 10, hooks=NO_HOOKS) == 0
    assert [lease.owner for lease in Lease.objects.all()] == ["batch-2"]


def test_a_sweep_looks_at_every_lease_that_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "LEASES_AT_ONCE", 2)
    claims = [claim_one(owner=f"batch-{number}") for number in range(5)]
    pass_leases(*claims)
    assert leases.sweep(SCHEDULE, 4, hooks=NO_HOOKS) == 4
    assert leases.sweep(SCHEDULE, 4, hooks=NO_HOOKS) == 1
    assert not Lease.objects.exists()


def test_a_sweep_ends_after_some_time_and_the_next_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "LEASES_AT_ONCE", 2)
    monkeypatch.setattr(leases, "LONGEST_SWEEP", 0.0)
    claims = [claim_one(owner=f"batch-{number}") for number in range(5)]
    settle([Settlement(one, verdicts.sent("x")) for one in claims[:4]], hooks=NO_HOOKS)
    pass_leases(*claims)
    assert [leases.sweep(SCHEDULE, 10, hooks=NO_HOOKS) for _ in range(3)] == [0, 0, 1]
    assert not Lease.objects.exists()


def test_a_row_whose_lease_was_emptied_by_hand_is_swept_too() -> None:
    first, second, third = claim(message(), message(), message())
    pass_leases(first, third)
    Notification.objects.filter(id=second.id).update(lease_until=None)
    assert leases.sweep(SCHEDULE, 2, hooks=NO_HOOKS) == 2
    Lease.objects.update(look_at=ago(1))
    assert leases.sweep(SCHEDULE, 2, hooks=NO_HOOKS) == 1
    assert {read(one.id).status for one in (first, second, third)} == {Status.WAITING}


def test_a_row_that_no_lease_leads_to_is_found_and_mended() -> None:
    found, stale = claim(message(), message())
    Lease.objects.all().delete()
    settle([Settlement(stale, verdicts.sent("x"))], hooks=NO_HOOKS)
    assert leases.without_lease(Notification.objects.all()) == [(found.id, "batch-1")]
    assert mend() == (0, 1)
    assert mend() == (0, 0)
    pass_leases(found)
    assert leases.sweep(SCHEDULE, 10, hooks=NO_HOOKS) == 1


def test_a_lease_of_an_older_claim_leads_to_no_row_of_a_newer_one() -> None:
    """As a sender of 1.0 claims what was retried: the sweep would forget that lease, and never come to the row."""
    claimed = claim_one()
    Notification.objects.filter(id=claimed.id).update(owner="batch-2", claims=2)
    assert leases.without_lease(Notification.objects.all()) == [(claimed.id, "batch-2")]
    assert mend() == (0, 1)
    assert mend() == (0, 0)


@pytest.mark.parametrize("rows_at_once", [1, 2, 5, 100])
def test_rows_that_an_older_version_wrote_are_listed(monkeypatch: pytest.MonkeyPatch, rows_at_once: int) -> None:
    as_an_older_version()
    monkeypatch.setattr("notifications.ledger.mend.ROWS_AT_ONCE", rows_at_once)
    rows = [row(Status.WAITING), row(Status.DEAD), row(), row(owner="o", lease_until=ago(1)), row(Status.SENT)]
    Notification.objects.filter(status=Status.SENT).update(listed="waiting")
    Notification.objects.exclude(status=Status.SENT).update(listed=None)
    with CaptureQueriesContext(connection) as queries:
        assert mend() == (5, 0)
    statements = [query["sql"] for query in queries if "/* relist */" in query["sql"]]
    assert len(statements) == 5 // rows_at_once + 1, "each locks no more rows than that"
    assert [read(one.id).listed for one in rows] == ["waiting", "dead", "queued", TAKEN, None]
    assert mend() == (0, 0)


def test_whether_a_row_of_a_time_is_being_sent() -> None:
    old, new = claim(message(id=id_of(9)), message())
    middle = id_of(5)
    assert leases.any_sending(UUID(int=0), middle)
    settle([Settlement(old, verdicts.sent("x"))], hooks=NO_HOOKS)
    assert not leases.any_sending(UUID(int=0), middle)
    assert leases.any_sending(middle, UUID(int=new.id.int + 1))
    assert not leases.any_sending(middle, new.id)
