"""What becomes of a notification after an attempt: pure functions, no clock, no database."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Literal

import msgspec

from notifications.channels.outcomes import About, Bounce, Cause, Outcome, SendError
from notifications.messages.words import SENT, Reason, Status, SuppressedFor

JITTER = 0.1  # a retry comes up to a tenth later, never earlier
LONGEST_WAIT = 86_400.0  # seconds; whatever a provider's Retry-After says
LEAST_REST = 1.0  # seconds until we ask again after an answer to slow down
OUTAGE_PAUSE = 15.0  # seconds until a notification that met an outage is looked at again
Deferral = Literal["begin", "keep", "end"]  # of the time since which a notification was put off, unspent


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """How one attempt is settled. `due_in` is in seconds; an `outcome` means that the ledger gets an Attempt row."""

    status: Status
    reason: Reason | SuppressedFor | Literal[""] = ""
    due_in: float | None = None
    spent: bool = False
    deferral: Deferral = "end"
    cause: Cause | None = None
    outcome: Outcome | None = None
    attempt_cause: Cause | None = None
    error: str = ""
    provider_message_id: str = ""
    bounce: Bounce | None = None  # of a dead one: what the failure says of the address


def sent(provider_message_id: str) -> Verdict:
    return Verdict(SENT, provider_message_id=provider_message_id)


def expired() -> Verdict:
    return Verdict(Status.EXPIRED)


def cancelled() -> Verdict:
    return Verdict(Status.CANCELLED)


def suppressed(reason: SuppressedFor) -> Verdict:
    return Verdict(Status.SUPPRESSED, reason)


def put_back(reason: Reason, due_in: float = 0.0) -> Verdict:
    """Not handed over: back to waiting, nothing spent."""
    deferral: Deferral = "begin" if reason in {Reason.OUTAGE, Reason.THROTTLED} else "keep"
    return Verdict(Status.WAITING, reason, due_in, deferral=deferral)


def failed(error: SendError, *, attempts: int, hold: bool, schedule: Sequence[float], throttled: int = 0) -> Verdict:
    """After a SendError. `attempts` were spent before; `hold` is the category's policy for unknown outcomes.

    `throttled` is how many times it was asked to slow down before. It spends no retry, yet each time it waits
    longer, as for a retry: a provider that says "try again at once" for a day would be asked all day.
    """
    if error.permanent:
        return _dead(error.cause, error, spent=True)
    if error.uncertain:
        return _uncertain(error, attempts=attempts, hold=hold, schedule=schedule)
    if error.cause is Cause.THROTTLED:
        wait = max(delay(schedule, throttled), error.retry_after or 0.0, LEAST_REST)
        return _waiting(Reason.THROTTLED, wait, error, deferral="begin")
    if error.cause is Cause.CREDENTIALS:  # ours, not the message's: it waits until somebody mends them
        # No breaker keeps back what is refused for this receiver alone, so it asks seldom by itself.
        pause = delay(schedule, len(schedule)) if error.about is About.RECEIVER else 0.0
        return _waiting(Reason.OUTAGE, max(pause, OUTAGE_PAUSE), error, deferral="begin")
    if error.cause is Cause.MAILBOX_FULL:  # its owner has to delete mails: seldom, but for as long as an outage
        return _waiting(Reason.RETRY, delay(schedule, len(schedule)), error, deferral="begin")
    if attempts >= len(schedule):
        return _dead(error.cause, error, spent=True)
    return _waiting(Reason.RETRY, max(delay(schedule, attempts), error.retry_after or 0.0), error, spent=True)


def lease_expired(*, attempts: int, hold: bool, handed: bool, schedule: Sequence[float]) -> Verdict:
    """After a sender died with the notification. `handed` is known for `hold` categories alone."""
    if hold and not handed:
        error = SendError(Cause.LEASE_EXPIRED, "The sender's lease passed before it handed this over.")
        return _waiting(Reason.HANDED_BACK, 0.0, error, deferral="keep")
    error = SendError(Cause.LEASE_EXPIRED, "The sender's lease passed before it settled.", uncertain=True)
    return _uncertain(error, attempts=attempts, hold=hold, schedule=schedule)


def delay(schedule: Sequence[float], attempts: int) -> float:
    """Returns the seconds until the retry after `attempts` spent ones, with jitter. The last step serves later ones."""
    if not schedule:
        return 0.0
    return schedule[min(attempts, len(schedule) - 1)] * (1 + JITTER * random.random())


def _uncertain(error: SendError, *, attempts: int, hold: bool, schedule: Sequence[float]) -> Verdict:
    if hold:
        return Verdict(
            Status.HELD,
            spent=True,
            cause=Cause.OUTCOME_UNKNOWN,
            outcome=Outcome.UNCERTAIN,
            attempt_cause=error.cause,
            error=error.detail,
        )
    if attempts >= len(schedule):
        return _dead(Cause.OUTCOME_UNKNOWN, error, spent=True)
    return _waiting(Reason.UNCERTAIN, delay(schedule, attempts), error, spent=True)


def _waiting(
    reason: Reason, due_in: float, error: SendError, *, spent: bool = False, deferral: Deferral = "end"
) -> Verdict:
    return Verdict(
        Status.WAITING,
        reason,
        min(max(due_in, 0.0), LONGEST_WAIT),
        spent=spent,
        deferral=deferral,
        cause=error.cause,
        outcome=error.outcome,
        attempt_cause=error.cause,
        error=error.detail,
    )


def _dead(cause: Cause, error: SendError, *, spent: bool = False) -> Verdict:
    return Verdict(
        Status.DEAD,
        spent=spent,
        cause=cause,
        outcome=error.outcome,
        attempt_cause=error.cause,
        error=error.detail,
        bounce=error.bounce,
    )
