"""Settling: what each outcome writes, and for whom it writes nothing."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from notifications.channels.outcomes import Cause, Outcome, SendError
from notifications.ledger import verdicts
from notifications.ledger.hooks import NO_HOOKS, Hooks
from notifications.ledger.rows import Claimed
from notifications.ledger.settle import Settlement, settle
from notifications.ledger.verdicts import Verdict
from notifications.messages.words import Reason, Status, standing
from notifications.models import Attempt, Notification
from tests.notifications.rows import HookCalls, ago, claim, claim_one, message, message_of, read, seconds_until

pytestmark = pytest.mark.django_db
SCHEDULE = (30.0, 120.0)


@pytest.fixture
def calls() -> HookCalls:
    return HookCalls()


def failed(error: SendError, attempts: int = 0, *, hold: bool = False) -> Verdict:
    return verdicts.failed(error, attempts=attempts, hold=hold, schedule=SCHEDULE)


def settle_one(claimed: Claimed, verdict: Verdict, hooks: Hooks = NO_HOOKS, **fields: Any) -> Notification:
    assert settle([Settlement(claimed, verdict, provider="smtp", **fields)], hooks=hooks) == {claimed.id}
    return read(claimed.id)


def test_sent(calls: HookCalls) -> None:
    found = settle_one(claim_one(), verdicts.sent("<id@mail>"), milliseconds=12, hooks=calls)
    assert (found.status, found.reason, found.provider, found.provider_message_id) == (
        Status.SENT,
        "",
        "smtp",
        "<id@mail>",
    )
    assert (found.owner, found.lease_until, found.due_at, found.attempts) == (None, None, None, 0)
    assert -5 < (seconds_until("settled_at", found.id) or 0) <= 0
    assert not Attempt.objects.exists()
    assert calls.final == [], "a plain success has no letter to resolve"


def test_a_retry(calls: HookCalls) -> None:
    claimed = claim_one()
    found = settle_one(claimed, failed(SendError(Cause.PROVIDER_ERROR, "500 from us")), milliseconds=250, hooks=calls)
    assert (found.status, found.reason, found.attempts, found.claims) == (Status.WAITING, Reason.RETRY, 1, 1)
    assert 29 < (seconds_until("due_at", found.id) or 0) <= 33
    assert (found.owner, found.lease_until, found.settled_at) == (None, None, None)
    assert (found.last_cause, found.last_error, found.provider) == (Cause.PROVIDER_ERROR, "500 from us", "smtp")
    (attempt,) = Attempt.objects.all()
    assert (attempt.notification_id, attempt.generation, attempt.number) == (claimed.id, 0, 1)
    assert (attempt.outcome, attempt.cause, attempt.error, attempt.milliseconds) == (
        Outcome.TRANSIENT,
        Cause.PROVIDER_ERROR,
        "500 from us",
        250,
    )
    assert (ago(0) - attempt.at).total_seconds() < 5
    assert calls.final == []


def test_throttled_spends_nothing_and_begins_the_deferral() -> None:
    found = settle_one(claim_one(), failed(SendError(Cause.THROTTLED, retry_after=45)))
    assert (found.status, found.reason, found.attempts) == (Status.WAITING, Reason.THROTTLED, 0)
    assert 44 < (seconds_until("due_at", found.id) or 0) <= 45
    assert found.deferred_since is not None
    assert Attempt.objects.get().outcome == Outcome.THROTTLED


@pytest.mark.parametrize(
    ("verdict", "kept"),
    [
        (failed(SendError(Cause.THROTTLED, retry_after=1)), True),
        (failed(SendError(Cause.CREDENTIALS)), True),
        (verdicts.put_back(Reason.OUTAGE), True),
        (verdicts.put_back(Reason.HANDED_BACK), True),
        (verdicts.put_back(Reason.PARKED), True),
        (failed(SendError(Cause.PROVIDER_ERROR)), False),
        (verdicts.sent("x"), False),
    ],
)
def test_the_first_deferral_is_kept_until_another_outcome(verdict: Verdict, kept: bool) -> None:
    claimed = claim_one()
    since = ago(3600)
    Notification.objects.filter(id=claimed.id).update(deferred_since=since)
    found = settle_one(claimed, verdict)
    assert found.deferred_since == (since if kept else None)


def test_putting_back_leaves_no_trace_of_a_failure() -> None:
    claimed = claim_one()
    Notification.objects.filter(id=claimed.id).update(last_cause=Cause.TIMEOUT, last_error="before", attempts=3)
    found = settle_one(claimed, verdicts.put_back(Reason.PARKED, 2.0))
    assert (found.status, found.reason, found.attempts) == (Status.WAITING, Reason.PARKED, 3)
    assert (found.last_cause, found.last_error, found.deferred_since) == (Cause.TIMEOUT, "before", None)
    assert 1 < (seconds_until("due_at", found.id) or 0) <= 2
    assert not Attempt.objects.exists()


def test_parked_rows_keep_their_order_though_they_are_settled_late_and_together() -> None:
    """Each was given its time when it was parked; the settler may have had no database since."""
    early, late, long_ago = claim(message(), message(), message())
    now = time.monotonic()
    parked = [
        Settlement(early, verdicts.put_back(Reason.PARKED, 30.0), waits_from=now - 20),
        Settlement(late, verdicts.put_back(Reason.PARKED, 20.0), waits_from=now),
        Settlement(long_ago, verdicts.put_back(Reason.PARKED, 1.0), waits_from=now - 60),
    ]
    assert len(settle(parked, hooks=NO_HOOKS)) == 3
    first, second, third = (seconds_until("due_at", one.id) or 0 for one in (long_ago, early, late))
    assert -5 < first <= 0
    assert 5 < second <= 10
    assert 15 < third <= 20


@pytest.mark.parametrize(
    ("error", "hold", "status", "cause"),
    [
        (SendError(Cause.UNKNOWN_RECEIVER, permanent=True), False, Status.DEAD, Cause.UNKNOWN_RECEIVER),
        (SendError(Cause.TIMEOUT, uncertain=True), True, Status.HELD, Cause.OUTCOME_UNKNOWN),
    ],
)
def test_ends_after_a_failure_are_told(
    error: SendError, hold: bool, status: Status, cause: Cause, calls: HookCalls
) -> None:
    claimed = claim_one()
    found = settle_one(claimed, failed(error, hold=hold), hooks=calls)
    assert (found.status, found.last_cause, found.due_at, found.attempts) == (status, cause, None, 1)
    assert found.settled_at is not None
    assert found.uncertain_count == int(error.uncertain)
    assert Attempt.objects.get().cause == error.cause
    (ended,) = calls.final
    assert (ended.id, ended.status, ended.channel, ended.cause, ended.attempts) == (
        claimed.id,
        status,
        "EMAIL",
        cause,
        1,
    )
    assert (ended.topic, ended.partition, ended.offset) == (found.topic, found.partition, found.offset)


def test_expired_is_an_end(calls: HookCalls) -> None:
    found = settle_one(claim_one(), verdicts.expired(), hooks=calls)
    assert (found.status, found.reason, found.attempts, found.lease_until) == (Status.EXPIRED, "", 0, None)
    assert found.settled_at is not None
    assert [row.status for row in calls.final] == [Status.EXPIRED]
    assert not Attempt.objects.exists()


def test_uncertain_is_counted_for_ever() -> None:
    found = settle_one(claim_one(), failed(SendError(Cause.TIMEOUT, uncertain=True)))
    assert (found.status, found.reason, found.uncertain_count, found.attempts) == (
        Status.WAITING,
        Reason.UNCERTAIN,
        1,
        1,
    )
    Notification.objects.filter(id=found.id).update(**standing(Status.QUEUED))
    found = settle_one(claim_one(message_of(found)), verdicts.sent("x"))
    assert (found.status, found.uncertain_count) == (Status.SENT, 1)


def test_a_success_after_failures_is_told(calls: HookCalls) -> None:
    """It may resolve a letter."""
    claimed, plain = claim(message(), message())
    Notification.objects.filter(id=claimed.id).update(last_cause=Cause.TIMEOUT)
    assert settle([Settlement(claimed, verdicts.sent("x")), Settlement(plain, verdicts.sent("y"))], hooks=calls) == {
        claimed.id,
        plain.id,
    }
    assert [(row.id, row.status) for row in calls.final] == [(claimed.id, Status.SENT)]


@pytest.mark.parametrize("verdict", [verdicts.sent("x"), failed(SendError(Cause.TIMEOUT))], ids=["sent", "failed"])
@pytest.mark.parametrize("wrong", ["id", "generation", "claims"])
def test_a_fence_that_does_not_match_changes_nothing(verdict: Verdict, wrong: str, calls: HookCalls) -> None:
    stale, good = claim(message(), message())
    Notification.objects.filter(id=stale.id).update(last_cause=Cause.TIMEOUT)
    before = Notification.objects.filter(id=stale.id).values().get()
    fence = msgspec.structs.replace(stale, **{wrong: message().id if wrong == "id" else getattr(stale, wrong) + 1})
    assert settle([Settlement(fence, verdict), Settlement(good, verdict)], hooks=calls) == {good.id}
    assert Notification.objects.filter(id=stale.id).values().get() == before
    assert not Attempt.objects.exclude(notification_id=good.id).exists()
    assert stale.id not in [row.id for row in calls.final]


SETTLES_SENT = {Status.SENDING, Status.QUEUED, Status.WAITING, Status.HELD, Status.DEAD}


@pytest.mark.parametrize("status", list(Status))
def test_a_late_success_counts_while_nobody_claimed_the_row_again(status: Status) -> None:
    claimed = claim_one()
    Notification.objects.filter(id=claimed.id).update(**standing(status, leased=True), due_at=ago(0))
    settled = settle([Settlement(claimed, verdicts.sent("late"))], hooks=NO_HOOKS)
    if status in SETTLES_SENT:
        assert settled == {claimed.id}
        assert (read(claimed.id).status, read(claimed.id).due_at) == (Status.SENT, None)
    else:
        assert read(claimed.id).status == status


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.SENDING}))
def test_any_other_outcome_needs_the_row_to_be_sending(status: Status) -> None:
    claimed = claim_one()
    Notification.objects.filter(id=claimed.id).update(**standing(status, leased=True))
    for verdict in (failed(SendError(Cause.TIMEOUT)), verdicts.expired(), verdicts.put_back(Reason.PARKED)):
        assert settle([Settlement(claimed, verdict)], hooks=NO_HOOKS) == set()
    assert (read(claimed.id).status, read(claimed.id).attempts) == (status, 0)
    assert not Attempt.objects.exists()


def test_a_retry_after_the_expiry_is_looked_at_when_it_expires() -> None:
    claimed = claim_one(message(expires_at=ago(-10)))
    found = settle_one(claimed, failed(SendError(Cause.TIMEOUT)))
    assert found.due_at == found.expires_at


def test_a_batch_of_all_outcomes_at_once() -> None:
    claims = claim(*(message() for _ in range(60)))
    ends = [
        verdicts.sent("x"),
        failed(SendError(Cause.TIMEOUT)),
        failed(SendError(Cause.OPTED_OUT, permanent=True)),
        verdicts.expired(),
        verdicts.put_back(Reason.OUTAGE, 15.0),
        failed(SendError(Cause.TIMEOUT, uncertain=True), hold=True),
    ]
    settled = settle([Settlement(one, ends[place % 6]) for place, one in enumerate(claims)], hooks=NO_HOOKS)
    assert settled == {one.id for one in claims}
    for place, one in enumerate(claims):
        assert read(one.id).status == ends[place % 6].status
    assert Attempt.objects.count() == 30


def test_a_providers_text_is_cleaned_and_cut() -> None:
    text = "a\x00b\ud800" + "x" * 2000
    found = settle_one(claim_one(), failed(SendError(Cause.PROVIDER_ERROR, text)))
    assert found.last_error.startswith("ab?x")
    assert len(found.last_error) <= 1000
    found = settle_one(claim_one(), verdicts.sent("\x00" + "y" * 400))
    assert found.provider_message_id == "y" * 254


@pytest.mark.postgresql
def test_a_result_the_database_refuses_is_settled_without_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the text was refused for: the outcome counts, and the rest of the batch does not wait for it."""
    monkeypatch.setattr("notifications.ledger.settle.clean", lambda text, _longest: text)
    claims = claim(*(message() for _ in range(20)))
    verdicts = [failed(SendError(Cause.PROVIDER_ERROR, "a\x00b" if place == 7 else "fine")) for place in range(20)]
    settled = settle([Settlement(*pair) for pair in zip(claims, verdicts, strict=True)], hooks=NO_HOOKS)
    assert settled == {one.id for one in claims}
    assert "refused the provider's text" in read(claims[7].id).last_error
    assert read(claims[8].id).last_error == "fine"


def test_settling_twice_writes_one_attempt() -> None:
    claimed = claim_one()
    settlement = Settlement(claimed, failed(SendError(Cause.TIMEOUT)))
    assert settle([settlement], hooks=NO_HOOKS) == {claimed.id}
    assert settle([settlement], hooks=NO_HOOKS) == set()
    assert (Attempt.objects.count(), read(claimed.id).attempts) == (1, 1)
