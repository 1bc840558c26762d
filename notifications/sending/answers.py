"""One hand-over to a provider, and what its answer means for the notification, the receiver and the provider."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Protocol

import msgspec

from notifications.channels.outcomes import About, Cause, SendError
from notifications.ledger import verdicts
from notifications.ledger.rows import Claimed
from notifications.ledger.verdicts import Verdict

logger = logging.getLogger(__name__)


class Sends(Protocol):
    """A provider."""

    def send(self, row: Claimed, /) -> str:
        """Returns the provider's id of the message, or "". Raises SendError."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """How a hand-over ended. `failure` is None where the provider took the message."""

    verdict: Verdict
    failure: SendError | None
    began: float  # monotonic
    ended: float  # monotonic

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    def about_provider(self) -> tuple[Cause | None, float | None]:
        """Returns the cause, if it blames the provider, and for how many seconds it is to be left alone."""
        failure = self.failure
        if failure is None or failure.permanent or failure.about in {About.RECEIVER, About.TEXT}:
            return None, None
        if failure.cause is Cause.THROTTLED:
            return failure.cause, min(failure.retry_after or 0.0, verdicts.LONGEST_WAIT)
        return failure.cause, None

    def rest_of_receiver(self) -> float:
        """Returns for how many seconds nothing is to be sent to the receiver, who asked us to slow down or come back.

        Returns 0.0 where it did not.
        """
        failure = self.failure
        if failure is None or failure.permanent or failure.about is not About.RECEIVER:
            return 0.0
        if failure.cause is not Cause.THROTTLED and not failure.retry_after:
            return 0.0
        return min(max(self.verdict.due_in or 0.0, failure.retry_after or 0.0), verdicts.LONGEST_WAIT)


def hand_over(row: Claimed, provider: Sends, *, hold: bool, schedule: Sequence[float]) -> Answer:
    """Sends the row and waits for the answer. Raises nothing.

    `hold` is the category's policy for an unknown outcome, `schedule` has the pauses before the retries in seconds.
    """
    failure: SendError | None = None
    began = time.monotonic()
    try:
        verdict = verdicts.sent(provider.send(row))
    except SendError as error:
        failure = error
    except Exception as error:
        logger.exception("a provider of %s raised what it does not declare", row.channel)
        failure = SendError(Cause.BUG, f"{type(error).__name__} in our code.")
    ended = time.monotonic()
    if failure is not None:
        verdict = verdicts.failed(failure, attempts=row.attempts, hold=hold, schedule=schedule, throttled=row.throttled)
    return Answer(verdict, failure, began, ended)
