"""A dead notification whose provider says that its address is bad suppresses the address, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from pytest_django import DjangoAssertNumQueries

from notifications.channels.outcomes import About, Bounce, Cause, SendError
from notifications.ledger import due, verdicts
from notifications.ledger.hooks import NO_HOOKS, FinalRow, Hooks
from notifications.ledger.rows import Claimed
from notifications.ledger.settle import Settlement, settle
from notifications.messages.words import Status, SuppressedFor
from notifications.models import Notification
from tests.notifications.rows import ago, claim, claim_one, message, row
from users.recipients.models import Suppression

pytestmark = pytest.mark.django_db
SCHEDULE = (30.0,)
NOBODY = SendError(Cause.UNKNOWN_RECEIVER, "550 5.1.1 Nobody", permanent=True, bounce=Bounce.HARD)
UNREACHED = SendError(Cause.PROVIDER_ERROR, "450 4.2.1", about=About.RECEIVER, bounce=Bounce.SOFT)


def fail(claimed: Sequence[Claimed], error: SendError, *, attempts: int = 0, hooks: Hooks = NO_HOOKS) -> None:
    verdict = verdicts.failed(error, attempts=attempts, hold=False, schedule=SCHEDULE)
    settle([Settlement(each, verdict, provider="smtp") for each in claimed], hooks=hooks)


@pytest.mark.parametrize(
    ("bounce", "reason"),
    [
        (Bounce.HARD, SuppressedFor.BOUNCED),
        (Bounce.STOP, SuppressedFor.STOP),
        (Bounce.GONE, SuppressedFor.GONE),
    ],
)
def test_an_address_that_is_bad_for_good_is_suppressed(bounce: Bounce, reason: SuppressedFor) -> None:
    claimed = claim_one()
    fail([claimed], SendError(Cause.UNKNOWN_RECEIVER, "550 5.1.1 Nobody", permanent=True, bounce=bounce))
    suppression = Suppression.objects.get()
    assert (suppression.address_hash, suppression.channel, suppression.scope) == (claimed.receiver_hash, "EMAIL", "")
    assert (suppression.reason, suppression.until) == (reason, None)
    assert (suppression.evidence, suppression.provider) == ("550 5.1.1 Nobody", "smtp")


@pytest.mark.parametrize(
    "error",
    [
        SendError(Cause.UNKNOWN_RECEIVER, permanent=True),
        SendError(Cause.REJECTED_CONTENT, "550 5.7.1 Blocked", about=About.RECEIVER, permanent=True),
        SendError(Cause.OPTED_OUT, "restricted_action", permanent=True),
        SendError(Cause.TIMEOUT, uncertain=True),
        SendError(Cause.PROVIDER_ERROR),
    ],
)
def test_no_other_end_suppresses(error: SendError) -> None:
    fail([claim_one()], error, attempts=9)
    assert Notification.objects.get().status == Status.DEAD
    assert not Suppression.objects.exists()


def test_a_failure_that_is_tried_again_suppresses_nothing() -> None:
    for error in (UNREACHED, SendError(Cause.MAILBOX_FULL, bounce=Bounce.SOFT), SendError(Cause.CREDENTIALS)):
        fail([claim_one()], error)
    assert set(Notification.objects.values_list("status", flat=True)) == {Status.WAITING}
    assert not Suppression.objects.exists()


def test_soft_bounces_count_at_the_end_and_suppress_at_the_fourth() -> None:
    for _ in range(3):
        fail([claim_one()], UNREACHED, attempts=1)
    assert not Suppression.objects.in_force().exists()
    fail([claim_one()], UNREACHED, attempts=1)
    assert Suppression.objects.in_force().get().score == pytest.approx(4.0, abs=0.01)


def test_a_mailbox_that_stays_full_counts_once_it_is_given_up() -> None:
    row(Status.WAITING, deferred_since=ago(100), last_cause=Cause.MAILBOX_FULL, due_at=ago(1))
    row(Status.WAITING, deferred_since=ago(100), last_cause=Cause.CREDENTIALS, due_at=ago(1))
    assert due.give_up(10.0, 100, hooks=NO_HOOKS) == 2
    assert Suppression.objects.get().score == pytest.approx(1.0)


def test_a_mailbox_that_is_emptied_or_a_mail_that_expires_meanwhile_counts_nothing() -> None:
    full = {"last_cause": Cause.MAILBOX_FULL}
    row(Status.WAITING, **full, due_at=ago(1), expires_at=ago(1))
    assert due.expire(100, hooks=NO_HOOKS) == 1
    claimed = claim_one()
    Notification.objects.filter(pk=claimed.id).update(**full)
    settle([Settlement(claimed, verdicts.sent("id"), provider="smtp")], hooks=NO_HOOKS)
    assert set(Notification.objects.values_list("status", flat=True)) == {Status.EXPIRED, Status.SENT}
    assert not Suppression.objects.exists()


def test_a_batch_of_bounces_takes_one_statement_more(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    plain = claim(*(message(receiver=f"a{number}@example.com") for number in range(5)), owner="plain")
    bounced = claim(*(message(receiver=f"b{number}@example.com") for number in range(5)), owner="bounced")
    with django_assert_num_queries(4):  # two of them the savepoint's
        fail(plain, SendError(Cause.UNKNOWN_RECEIVER, permanent=True))
    with django_assert_num_queries(5):
        fail(bounced, NOBODY)
    assert Suppression.objects.count() == 5


def test_what_is_rolled_back_suppresses_nothing() -> None:
    class Fails(Hooks):
        def on_final(self, rows: Sequence[FinalRow]) -> None:
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail([claim_one()], NOBODY, hooks=Fails())
    assert not Suppression.objects.exists()


def test_a_result_that_comes_too_late_suppresses_nothing() -> None:
    claimed = claim_one()
    Notification.objects.update(claims=5)
    fail([claimed], NOBODY)
    assert not Suppression.objects.exists()
