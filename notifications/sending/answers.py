"""One hand-over to a provider, and what its answer means for the notification, the receiver and the provider."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Protocol

import msgspec
from django.conf import settings

from notifications.channels.outcomes import About, Cause, SendError
from notifications.ledger import verdicts
from notifications.ledger.rows import Claimed
from notifications.ledger.verdicts import Verdict
from notifications.messages.topics import topic_of
from project.traces import tracing
from project.traces.tracing import Span

logger = logging.getLogger(__name__)


class Sends(Protocol):
    """A provider."""

    def send(self, row: Claimed, /) -> str:
        """Returns the provider's id of the message, or "". Raises SendError."""


class SendsOnLoop(Protocol):
    """A provider whose sends are coroutines."""

    async def asend(self, row: Claimed, /) -> str:
        """Returns the provider's id of the message, or "". Raises SendError."""


class Answer(msgspec.Struct, frozen=True, gc=False):
    """How a hand-over ended. The last three have no value where the provider took the message."""

    verdict: Verdict
    ended: float  # monotonic
    seconds: float  # that it took
    blames: Cause | None = None  # of a failure, where it says something about the provider
    provider_rests: float | None = None  # seconds in which the provider is to be left alone, if it asked for that
    receiver_rests: float = 0.0  # seconds in which nothing is to be sent to the receiver


def hand_over(row: Claimed, provider: Sends, *, hold: bool) -> Answer:
    """Sends the row and waits for the answer. Raises nothing.

    `hold` is the category's policy for an unknown outcome.
    """
    span = tracing.NOTHING
    if tracing.is_on():
        span, row = _begin_span(row)
    began = time.monotonic()
    try:
        id = provider.send(row)
    except Exception as error:
        return _failed(row, error, began, span, hold=hold)
    return _sent(id, began, span)


async def ahand_over(row: Claimed, provider: SendsOnLoop, *, hold: bool) -> Answer:
    """Does the same on an event loop. Raises CancelledError where the loop ends, and nothing else."""
    span = tracing.NOTHING
    if tracing.is_on():
        span, row = _begin_span(row)
    began = time.monotonic()
    try:
        id = await provider.asend(row)
    except asyncio.CancelledError as error:
        if _is_ending():
            raise  # nobody knows how this send ends, so it has no answer
        return _failed(row, error, began, span, hold=hold)
    except Exception as error:
        return _failed(row, error, began, span, hold=hold)
    return _sent(id, began, span)


def _begin_span(row: Claimed) -> tuple[Span, Claimed]:
    """Returns the span of a send, and the row with it, so that the provider learns of it."""
    about = tracing.about("send", "process", topic_of(row.channel, row.priority), row.id)
    span = tracing.begin(f"send {row.channel}", row.traceparent, tracing.CLIENT, about)
    return span, msgspec.structs.replace(row, span=span.traceparent)


def _is_ending() -> bool:
    """Returns whether this task was cancelled, and not something that it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _sent(id: str, began: float, span: Span) -> Answer:
    ended = time.monotonic()
    span.end()
    return Answer(verdicts.sent(id), ended, ended - began)


def _failed(row: Claimed, error: BaseException, began: float, span: Span, *, hold: bool) -> Answer:
    ended = time.monotonic()
    if isinstance(error, SendError):
        failure = error
    else:
        about = {"id": row.id, "trace_id": row.trace_id}
        logger.error("a provider of %s raised what it does not declare", row.channel, exc_info=error, extra=about)
        failure = SendError(Cause.BUG, f"{type(error).__name__} in our code.")
    span.end(failure.cause)
    schedule = settings.RETRY_SCHEDULE
    verdict = verdicts.failed(failure, attempts=row.attempts, hold=hold, schedule=schedule, throttled=row.throttled)
    rest = _rest_of_receiver(failure, verdict)
    return Answer(verdict, ended, ended - began, *_about_provider(failure), rest)


def _about_provider(failure: SendError) -> tuple[Cause | None, float | None]:
    """Returns the cause, if it blames the provider, and for how many seconds the provider asked to be left alone."""
    if failure.permanent or failure.about in {About.RECEIVER, About.TEXT}:
        return None, None
    if failure.cause is Cause.THROTTLED:
        return failure.cause, min(failure.retry_after or 0.0, verdicts.LONGEST_WAIT)
    return failure.cause, None


def _rest_of_receiver(failure: SendError, verdict: Verdict) -> float:
    """Returns the seconds that the receiver asked for: to slow down, or to come back later. Returns 0.0 for neither."""
    if failure.permanent or failure.about is not About.RECEIVER:
        return 0.0
    if failure.cause is not Cause.THROTTLED and not failure.retry_after:
        return 0.0
    return min(max(verdict.due_in or 0.0, failure.retry_after or 0.0), verdicts.LONGEST_WAIT)
