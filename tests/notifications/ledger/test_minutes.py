"""The minutes: counted in memory, added by one statement, kept while the database is away."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications.channels.outcomes import Cause
from notifications.ledger import due, leases
from notifications.ledger import minutes as module
from notifications.ledger.claim import claim as claim_rows
from notifications.ledger.hooks import Unclaimable
from notifications.ledger.minutes import Minutes
from notifications.messages.words import Happened, Reason, Status
from notifications.models import Minute
from tests.notifications.rows import LETTERS, ago, claim_one, pass_leases, read, row

SENT = ("EMAIL", "smtp", Happened.SENT, "")
DEAD = ("SMS", "twilio", Happened.DEAD, Cause.OPTED_OUT.value)


def total() -> int:
    counted: int | None = Minute.objects.aggregate(all=Sum("count"))["all"]
    return counted or 0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets the monotonic clock of this process go on by so many seconds."""
    moment = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: moment[0])

    def go_on(seconds: float) -> None:
        moment[0] += seconds

    return go_on


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The database does not answer until the function that this gives is called."""
    real = module.add_to_minutes

    def fail(**_: Any) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(module, "add_to_minutes", fail)
    return lambda: monkeypatch.setattr(module, "add_to_minutes", real)


@pytest.mark.django_db
def test_what_was_counted_is_added_once_by_one_statement() -> None:
    counting = Minutes()
    counting.add({SENT: 3, DEAD: 1})
    counting.add({SENT: 2})
    with CaptureQueriesContext(connection) as captured:
        counting.write()
        counting.write()
    assert len(captured) == 1, "nothing is written twice, and nothing where nothing was counted"
    other = Minutes()
    other.add({SENT: 10})
    other.write()
    kept = {(row.channel, row.provider, row.happened, row.cause): row.count for row in Minute.objects.all()}
    assert kept in ({SENT: 15, DEAD: 1}, {SENT: 10, DEAD: 1}), "the minute may have passed between the two"
    assert total() == 16
    [minute, *_] = Minute.objects.values_list("minute", flat=True)
    assert (minute.second, minute.microsecond) == (0, 0)
    assert timezone.now() - minute < timedelta(minutes=2)


@pytest.mark.django_db
def test_counts_are_kept_by_the_minute_while_the_database_is_away(
    clock: Callable[[float], None], away: Callable[[], None]
) -> None:
    counting = Minutes()
    for _ in range(30):
        counting.add({SENT: 1})
        with pytest.raises(OperationalError):
            counting.write()
        clock(5)
    assert len(counting._kept) == 3, "thirty times five seconds are three minutes"
    away()
    counting.write()
    assert total() == 30
    first, *_, last = Minute.objects.values_list("minute", flat=True)
    assert last - first == timedelta(minutes=2), "each count is in the minute in which it happened"
    counting.write()
    assert total() == 30


@pytest.mark.django_db
def test_what_is_kept_is_bounded(
    clock: Callable[[float], None], away: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 4)
    counting = Minutes()
    for _ in range(9):
        counting.add({SENT: 1})
        with pytest.raises(OperationalError):
            counting.write()
        clock(60)
    away()
    counting.write()
    assert total() == 4, "the oldest went"


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_what_the_database_refuses_is_not_kept() -> None:
    counting = Minutes()
    counting.add({("EMAIL", "a longer name than a provider's may be" * 2, Happened.SENT, ""): 1})
    counting.write()
    counting.add({SENT: 1})
    counting.write()
    assert total() == 1


@pytest.mark.django_db(transaction=True)
def test_ends_outside_of_a_sender_are_counted_once_they_are_committed() -> None:
    row(Status.WAITING, due_at=ago(1), expires_at=ago(1))
    row(Status.WAITING, deferred_since=ago(1000), reason=Reason.OUTAGE, provider="smtp")
    swept = claim_one()
    pass_leases(swept)
    due.expire(10, hooks=LETTERS)
    due.give_up(100, 10, hooks=LETTERS)
    leases.sweep([], 10, hooks=LETTERS)
    assert read(swept.id).status == Status.DEAD
    module.minutes.write()
    assert {(one.provider, one.happened, one.cause): one.count for one in Minute.objects.all()} == {
        ("", "expired", ""): 1,
        ("smtp", "dead", "provider-outage"): 1,
        ("", "dead", "outcome-unknown"): 1,
    }


@pytest.mark.django_db(transaction=True)
def test_a_record_without_a_row_is_counted_as_dead() -> None:
    unreadable = Unclaimable(Cause.UNDECODABLE, "JSON is malformed", "EMAIL", "notifications.email", 0, 1, b"{")
    claim_rows([], unreadable=[unreadable], owner="batch-1", lease=60, hooks=LETTERS)
    module.minutes.write()
    [one] = Minute.objects.all()
    assert (one.channel, one.happened, one.cause, one.count) == ("EMAIL", "dead", "undecodable", 1)
