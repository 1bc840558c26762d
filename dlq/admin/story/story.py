"""What happened to a notification, from its acceptance to its end, as lines in the order of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.utils import timezone

from dlq.models import DeadLetter, DeadLetterEvent, Run
from dlq.story.explanations import explain
from dlq.story.outages import Turn
from notifications.channels import channel_in_words
from notifications.channels.outcomes import Outcome
from notifications.channels.receipts import ReceiptType
from notifications.messages.words import StaffVerb, Status
from notifications.models import Attempt, Digest, Notification, Receipt, StaffAction
from project.desk.audit import details, printed
from project.desk.moments import age
from project.desk.sight import Sight

SAME_DEATH = timedelta(seconds=10)  # between the time of a letter and that of its event
MOST_LINES = 24  # that stand unfolded
OUTCOMES = {
    Outcome.TRANSIENT: ("failed", "warning"),
    Outcome.PERMANENT: ("refused for good", "danger"),
    Outcome.THROTTLED: ("asked to slow down", "warning"),
    Outcome.UNCERTAIN: ("outcome unknown", "warning"),
}
REPORTED = {
    ReceiptType.DELIVERED: ("Delivered", "success"),
    ReceiptType.BOUNCED: ("Bounced: nobody is there", "danger"),
    ReceiptType.SOFT_BOUNCED: ("Bounced: it could not be delivered now", "danger"),
    ReceiptType.OPTED_OUT: ("Not delivered: the receiver has blocked such messages", "danger"),
    ReceiptType.UNDELIVERED: ("Not delivered, for a reason that is not the receiver's", "danger"),
    ReceiptType.COMPLAINED: ("The receiver complained about it as spam", "danger"),
    ReceiptType.UNSUBSCRIBED: ("The receiver unsubscribed at the provider", "warning"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the story. `details` are words of others: a provider's, or a person's."""

    at: datetime
    what: str
    label: str = ""
    colour: str = ""
    details: str = ""
    ago: str = ""

    @property
    def time(self) -> str:
        return f"{timezone.localtime(self.at):%d %b %H:%M:%S}"

    @property
    def whole_time(self) -> str:
        return printed(self.at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What a story is made of, as the database has it."""

    notification: Notification | None
    letter: DeadLetter | None
    attempts: Sequence[Attempt] = ()
    actions: Sequence[StaffAction] = ()
    deaths: Sequence[DeadLetterEvent] = ()
    digest: Digest | None = None  # that it was folded into, or is
    turns: Sequence[Turn] = ()
    receipts: Sequence[Receipt] = ()


@dataclass(frozen=True, slots=True)
class Story:
    """The lines of a story. Those in the middle of a long one are folded."""

    first: list[Line]
    folded: list[Line]
    last: list[Line]


def story_of(rows: Rows, sight: Sight, now: datetime) -> Story:
    """Returns the story as this person may read it."""
    receivers = [rows.notification.receiver] if rows.notification else []
    # Of what happened in one instant, cause comes before effect: the sort is stable.
    lines = sorted(_lines(rows), key=lambda line: line.at)
    shown = [
        replace(line, details=sight.answer(line.details, *receivers) if line.details else "", ago=age(line.at, now))
        for line in lines
    ]
    if len(shown) <= MOST_LINES:
        return Story(shown, [], [])
    half = MOST_LINES // 2
    return Story(shown[:half], shown[half:-half], shown[-half:])


def _lines(rows: Rows) -> Iterator[Line]:
    row = rows.notification
    if row:
        yield Line(row.accepted_at, f"Accepted from {row.client}")
    yield from (_turn(turn, row.channel if row else "") for turn in rows.turns)
    yield from map(_attempt, rows.attempts)
    yield from _deaths(rows)
    yield from map(_action, rows.actions)
    if rows.letter and rows.letter.run:
        yield from _run(rows.letter.run, rows.actions)
    if row and row.settled_at:
        yield from _end(row)
    yield from map(_reported, rows.receipts)


def _turn(turn: Turn, channel: str) -> Line:
    name = channel_in_words(channel)
    if turn.is_open:
        why = f": {explain(turn.cause).clause}" if turn.cause else ""
        return Line(turn.at, f"{name} ({turn.provider}) went out of order{why}", "channel", "warning")
    return Line(turn.at, f"{name} ({turn.provider}) works again", "channel", "success")


def _attempt(attempt: Attempt) -> Line:
    words, colour = OUTCOMES.get(Outcome(attempt.outcome), (attempt.outcome, ""))
    took = f" after {attempt.milliseconds:,} ms" if attempt.milliseconds is not None else ""
    replayed = f" (replay {attempt.generation})" if attempt.generation else ""
    what = f"Attempt {attempt.number}{replayed}: {explain(attempt.cause).clause}{took}"
    return Line(attempt.at, what, words, colour, attempt.error)


def _deaths(rows: Rows) -> Iterator[Line]:
    """Yields every death. The letter has the time of the last one alone, its events have all."""
    deaths = [(event.at, event.cause) for event in rows.deaths]
    letter, row = rows.letter, rows.notification
    if letter and not any(abs(at - letter.died_at) < SAME_DEATH for at, _ in deaths):
        deaths.append((letter.died_at, letter.cause))
    last = max((at for at, _ in deaths), default=None)
    for at, cause in deaths:
        clause = explain(cause).clause
        if row and row.status == Status.HELD and at == last:
            yield Line(at, f"Held, because a person has to decide: {clause}", "held", "warning")
        else:
            yield Line(at, f"Became a dead letter: {clause}", "dead", "danger")


def _reported(receipt: Receipt) -> Line:
    """Returns what the provider reported, by its own clock, which may be a little before the line of the send."""
    what, colour = REPORTED.get(ReceiptType(receipt.type), (receipt.type, ""))
    return Line(receipt.at, f"{receipt.provider} says: {what}", receipt.type, colour, receipt.detail)


def _action(action: StaffAction) -> Line:
    known = action.action in list(StaffVerb)
    what = f"{action.actor} {StaffVerb(action.action).in_words if known else action.action}"
    return Line(action.at, what, "staff", "info", details(action))


def _run(run: Run, actions: Iterable[StaffAction]) -> Iterator[Line]:
    """Yields the run that the letter belongs to: it is one action for all its letters."""
    if not any(action.run_id == run.pk for action in actions):
        yield Line(run.created_at, f"{run.actor} replayed it with others, in run {run.pk}", "staff", "info", run.reason)


def _end(row: Notification) -> Iterator[Line]:
    if row.settled_at is None:
        return
    if row.status == Status.SENT:
        number = f", number {row.provider_message_id}" if row.provider_message_id else ""
        yield Line(row.settled_at, f"Sent: handed to {row.provider or 'the provider'}{number}", "sent", "success")
    elif row.status == Status.EXPIRED:
        yield Line(row.settled_at, "Expired: not sent any more", "expired", "danger")
    elif row.status in (Status.SUPPRESSED, Status.CANCELLED, Status.DIGESTED):
        yield Line(row.settled_at, row.status.capitalize(), row.status, "info")
