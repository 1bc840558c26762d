"""What becomes of a notification after an attempt."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.channels.outcomes import About, Cause, Outcome, SendError
from notifications.ledger import verdicts
from notifications.ledger.verdicts import JITTER, LEAST_REST, LONGEST_WAIT, Verdict
from notifications.messages.words import Reason, Status

seconds = st.floats(0, 80_000, allow_nan=False)
schedules = st.lists(seconds, min_size=1, max_size=8).map(tuple)
transient_causes = st.sampled_from([Cause.PROVIDER_ERROR, Cause.CONNECTION, Cause.TIMEOUT, Cause.BUG])
FIVE = (30.0, 120.0, 600.0, 1800.0, 7200.0)


def fail(error: SendError, attempts: int = 0, *, hold: bool = False, schedule: Sequence[float] = FIVE) -> Verdict:
    return verdicts.failed(error, attempts=attempts, hold=hold, schedule=schedule)


@given(schedules, st.data())
def test_a_retry_is_never_early_and_its_jitter_is_bounded(schedule: tuple[float, ...], data: st.DataObject) -> None:
    attempts = data.draw(st.integers(0, len(schedule) - 1))
    verdict = fail(SendError(data.draw(transient_causes)), attempts, schedule=schedule)
    assert verdict.status is Status.WAITING
    assert verdict.reason is Reason.RETRY
    assert verdict.due_in is not None
    step = schedule[attempts]
    assert step <= verdict.due_in <= min(step * (1 + JITTER), LONGEST_WAIT)


@given(schedules, st.floats(0, 200_000), st.booleans())
def test_a_retry_is_never_before_the_providers_retry_after(
    schedule: tuple[float, ...], after: float, throttled: bool
) -> None:
    cause = Cause.THROTTLED if throttled else Cause.PROVIDER_ERROR
    verdict = fail(SendError(cause, retry_after=after), schedule=schedule)
    assert verdict.due_in is not None
    assert min(after, LONGEST_WAIT) <= verdict.due_in <= LONGEST_WAIT
    if not throttled:
        assert verdict.due_in >= schedule[0]


@given(schedules, transient_causes)
def test_dead_exactly_when_every_retry_is_spent(schedule: tuple[float, ...], cause: Cause) -> None:
    spent = tries = 0
    while (verdict := fail(SendError(cause), spent, schedule=schedule)).status is Status.WAITING:
        assert verdict.spent
        spent, tries = spent + 1, tries + 1
    assert tries == len(schedule)  # the first try and as many retries as steps, so one try more than retries
    assert verdict.status is Status.DEAD
    assert verdict.spent
    assert (verdict.cause, verdict.outcome, verdict.due_in) == (cause, Outcome.TRANSIENT, None)


@given(st.integers(0, 50), st.booleans(), st.sampled_from([None, 0.0, 7.0, 1e9]))
def test_throttled_and_credentials_spend_nothing_however_often(attempts: int, hold: bool, after: float | None) -> None:
    throttled = fail(SendError(Cause.THROTTLED, retry_after=after), attempts, hold=hold)
    refused = fail(SendError(Cause.CREDENTIALS), attempts, hold=hold)
    for verdict, reason in ((throttled, Reason.THROTTLED), (refused, Reason.OUTAGE)):
        assert (verdict.status, verdict.reason, verdict.spent) == (Status.WAITING, reason, False)
        assert verdict.deferral == "begin"
        assert verdict.outcome is not None
    assert throttled.outcome is Outcome.THROTTLED


@given(schedules, st.integers(0, 20), st.sampled_from([None, 0.0, 0.5]), st.integers(0, 4))
def test_each_time_it_is_throttled_it_waits_as_long_as_for_a_retry(
    schedule: tuple[float, ...], throttled: int, after: float | None, attempts: int
) -> None:
    error = SendError(Cause.THROTTLED, retry_after=after)
    verdict = verdicts.failed(error, attempts=attempts, hold=False, schedule=schedule, throttled=throttled)
    step = max(schedule[min(throttled, len(schedule) - 1)], LEAST_REST)
    assert verdict.due_in is not None
    assert step <= verdict.due_in <= step * (1 + JITTER)


@given(schedules, st.integers(0, 50), st.booleans())
def test_a_full_mailbox_waits_long_and_spends_nothing(schedule: tuple[float, ...], attempts: int, hold: bool) -> None:
    verdict = fail(SendError(Cause.MAILBOX_FULL), attempts, hold=hold, schedule=schedule)
    assert (verdict.status, verdict.reason, verdict.spent) == (Status.WAITING, Reason.RETRY, False)
    assert (verdict.deferral, verdict.outcome) == ("begin", Outcome.TRANSIENT)
    assert verdict.due_in is not None
    assert schedule[-1] <= verdict.due_in <= min(schedule[-1] * (1 + JITTER), LONGEST_WAIT)


def test_what_our_account_may_not_do_for_one_receiver_asks_seldom() -> None:
    error = SendError(Cause.CREDENTIALS, about=About.RECEIVER)
    verdict = verdicts.failed(error, attempts=0, hold=False, schedule=(30.0, 7200.0))
    assert (verdict.reason, verdict.spent, verdict.deferral) == (Reason.OUTAGE, False, "begin")
    assert verdict.due_in is not None
    assert 7200 <= verdict.due_in <= 7200 * (1 + JITTER)


@pytest.mark.parametrize("reason", list(Reason))
def test_putting_back_spends_nothing_and_writes_no_attempt(reason: Reason) -> None:
    verdict = verdicts.put_back(reason, 3.0)
    assert (verdict.status, verdict.reason, verdict.due_in) == (Status.WAITING, reason, 3.0)
    assert not verdict.spent
    assert verdict.outcome is None
    assert verdict.deferral == ("begin" if reason in {Reason.OUTAGE, Reason.THROTTLED} else "keep")


@given(st.integers(0, 10), st.sampled_from(list(Cause)), st.booleans())
def test_a_permanent_failure_is_dead_at_once(attempts: int, cause: Cause, hold: bool) -> None:
    verdict = fail(SendError(cause, "too long", about=About.TEXT, permanent=True), attempts, hold=hold)
    assert (verdict.status, verdict.cause, verdict.outcome) == (Status.DEAD, cause, Outcome.PERMANENT)
    assert verdict.error == "too long"
    assert verdict.due_in is None


@given(schedules, st.data())
def test_an_unknown_outcome_is_resent_and_at_last_dead_as_unknown(
    schedule: tuple[float, ...], data: st.DataObject
) -> None:
    attempts = data.draw(st.integers(0, len(schedule)))
    verdict = fail(SendError(Cause.TIMEOUT, uncertain=True), attempts, schedule=schedule)
    assert verdict.spent
    assert verdict.outcome is Outcome.UNCERTAIN
    assert verdict.attempt_cause is Cause.TIMEOUT
    if attempts < len(schedule):
        assert (verdict.status, verdict.reason) == (Status.WAITING, Reason.UNCERTAIN)
        assert verdict.due_in is not None
        assert schedule[attempts] <= verdict.due_in
    else:
        assert (verdict.status, verdict.cause) == (Status.DEAD, Cause.OUTCOME_UNKNOWN)


@given(st.integers(0, 10))
def test_an_unknown_outcome_is_held_where_the_category_says_so(attempts: int) -> None:
    verdict = fail(SendError(Cause.TIMEOUT, uncertain=True), attempts, hold=True)
    assert (verdict.status, verdict.cause) == (Status.HELD, Cause.OUTCOME_UNKNOWN)
    assert verdict.due_in is None
    assert verdict.outcome is Outcome.UNCERTAIN


@pytest.mark.parametrize(
    ("hold", "handed", "status", "reason", "spent"),
    [
        (False, False, Status.WAITING, Reason.UNCERTAIN, True),
        (False, True, Status.WAITING, Reason.UNCERTAIN, True),
        (True, True, Status.HELD, "", True),
        (True, False, Status.WAITING, Reason.HANDED_BACK, False),
    ],
)
def test_a_passed_lease(*, hold: bool, handed: bool, status: Status, reason: str, spent: bool) -> None:
    verdict = verdicts.lease_expired(attempts=0, hold=hold, handed=handed, schedule=FIVE)
    assert (verdict.status, verdict.reason, verdict.spent) == (status, reason, spent)
    assert verdict.attempt_cause is Cause.LEASE_EXPIRED
    assert verdict.outcome is (Outcome.TRANSIENT if hold and not handed else Outcome.UNCERTAIN)


def test_without_a_schedule_the_first_failure_is_the_last() -> None:
    assert fail(SendError(Cause.CONNECTION), schedule=()).status is Status.DEAD
    assert verdicts.delay((), 0) == 0.0
    assert 5.0 <= verdicts.delay((1.0, 5.0), 9) <= 5.5


def test_sent_and_expired_end_the_way() -> None:
    assert verdicts.sent("x1") == Verdict(Status.SENT, provider_message_id="x1")
    assert verdicts.expired() == Verdict(Status.EXPIRED)
