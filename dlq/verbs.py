"""The verbs of the support desk: replay, discard, mark as sent.

Each verb is one transaction, and each letter it changes is written down as a staff action. A verb takes only letters
that are still open, so when two people act on one letter, one of them wins and the other reads who it was. Its number
of statements does not grow with the number of letters. Rows that a sender is settling at that moment are skipped, so
that a verb never waits for a sender.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from dlq.models import DeadLetter, Run
from notifications.messages.words import Is, LetterEvent, Reason, StaffVerb, Status, standing, statuses
from notifications.models import Category, Notification, StaffAction
from project.database.dialects import Dialect, Statement, as_json
from project.desk.audit import MOST_AT_ONCE, expect, last_actions, one_at_a_time, printed, write_actions
from project.logs import events

# An expired notification has a letter only where it was replayed before: it came back.
REPLAYABLE = statuses(Is.REPLAYABLE)
MOST_SKIPPED = 1_000  # with the reason of each; the others are only counted

State = DeadLetter.State
Why = Callable[[DeadLetter | None, StaffAction | None], str]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A letter that a verb skipped. `why` ends a sentence that begins with the letter's number."""

    letter_id: int
    why: str

    def __str__(self) -> str:
        return f"Dead letter {self.letter_id} {self.why}."


@dataclass(frozen=True, slots=True)
class Result:
    """What a verb did. `done` are the letters it changed; `skipped` the first few of the others, of `skipped_count`."""

    done: list[int] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    skipped_count: int = 0


def replay(letter_ids: Iterable[int], actor: str) -> Result:
    """Sends the notifications of a few letters again: the next generation, no attempts spent, due now.

    Skips notifications that have expired, because their client does not want them sent any more. Keeps an expiry that
    is still to come. Returns what was done. Raises ValueError for more than MOST_AT_ONCE letters: many are for a run.
    """
    ids = _bounded(letter_ids)
    with one_at_a_time():
        letters = _take_stopped(
            ids, REPLAYABLE, Q(notification__expires_at=None) | Q(notification__expires_at__gt=Now())
        )
        if letters:
            send_again(letters)
            write_actions(actor, StaffVerb.REPLAY, targets_of(letters))
    return _result(ids, letters, why=why_not_replayed())


def replay_with_expiry(letter_id: int, actor: str, expires_at: datetime | None) -> Result:
    """Sends one letter's notification again, with the expiry that a person chose; None means that it never expires.

    Skips what has expired of a sensitive category: such a notification is never sent again. Returns what was done. The
    staff action keeps both expiries, because the row loses the old one.
    """
    with one_at_a_time():
        letters = _take_stopped([letter_id], REPLAYABLE, ~Q(notification__category__in=Category.sensitive_names()))
        if letters:
            old, new = (printed(moment, none="never") for moment in (expiry_of(letters[0]), expires_at))
            send_again(letters, expires_at=expires_at)
            note = f"new expiry: {new}; before: {old}"
            write_actions(actor, StaffVerb.REPLAY, targets_of(letters), note=note)
    return _result([letter_id], letters, why=why_not_replayed())


def discard(letter_ids: Iterable[int], actor: str, reason: str) -> Result:
    """Closes these letters for good. A held notification becomes dead.

    Returns what was done. Raises ValueError without a reason, and for more than MOST_AT_ONCE letters.
    """
    if not reason.strip():
        raise ValueError("A reason is needed to discard a dead letter.")
    ids, reason = _bounded(letter_ids), reason.strip()[:1000]
    with one_at_a_time():
        letters = _take_stopped(ids, REPLAYABLE) + _take_unreadable(ids)
        if letters:
            held = [letter for letter in letters if letter.notification and letter.notification.status == Status.HELD]
            dead = standing(Status.DEAD) | {"reason": "", "due_at": None, "settled_at": Now()}
            expect(len(held), _stopped_notifications(held, (Status.HELD,)).update(**dead))
            _move(letters, State.DISCARDED, discard_reason=reason)
            write_events(LetterEvent.DISCARDED, letters)
            write_actions(actor, StaffVerb.DISCARD, targets_of(letters), reason=reason)
    return _result(ids, letters)


def mark_sent(letter_ids: Iterable[int], actor: str) -> Result:
    """Marks held notifications as sent, because a person found out that they arrived. Returns what was done."""
    ids = _bounded(letter_ids)
    with one_at_a_time():
        letters = _take_stopped(ids, (Status.HELD,))
        if letters:
            sent = standing(Status.SENT) | {"reason": "", "due_at": None, "deferred_since": None, "settled_at": Now()}
            expect(len(letters), _stopped_notifications(letters, (Status.HELD,)).update(**sent))
            _move(letters, State.RESOLVED)
            write_actions(actor, StaffVerb.MARK_SENT, targets_of(letters))
    return _result(ids, letters)


def target(letter_id: int) -> str:
    """Returns the name of a letter in the staff actions."""
    return f"dead letter {letter_id}"


def targets_of(letters: Sequence[DeadLetter]) -> list[tuple[str, UUID | None]]:
    return [(target(letter.pk), letter.notification_id) for letter in letters]


def write_events(event: LetterEvent, letters: Sequence[DeadLetter], notification_id: UUID | None = None) -> None:
    """Writes one event for each letter, in one statement. The scheduler publishes them to the dlq topic.

    `notification_id` is the new notification that a letter without one led to.
    """
    rows = [{"letter": letter.pk, "new": notification_id} for letter in letters]
    insert_events(rows=as_json(rows), event=event)


@Statement
def insert_events(d: Dialect) -> str:
    return f"""
        INSERT INTO dlq_deadletterevent (event, notification_id, channel, cause, error, attempts, at)
        SELECT %(event)s, coalesce(r.new, l.notification_id), l.channel, l.cause, l.error, l.attempts, {d.now}
        FROM {d.rows({"letter": "bigint", "new": "uuid"})}
        JOIN dlq_deadletter AS l ON l.id = r.letter"""


def why_skipped(letter_ids: Sequence[int], *, why: Why | None = None) -> list[Skipped]:
    """Returns why a verb skipped each of these letters, with the person who was first."""
    letters = DeadLetter.objects.select_related("notification")
    read = ("state", "notification__status", "notification__expires_at", "notification__category")
    known = letters.only(*read).in_bulk(letter_ids)
    actions = last_actions([target(pk) for pk in letter_ids])
    return [Skipped(pk, (why or _why)(known.get(pk), actions.get(target(pk)))) for pk in letter_ids]


def why_not_replayed() -> Why:
    """Returns what `why_skipped` takes for a replay. It reads once which categories are sensitive."""
    sensitive = Category.sensitive_names()

    def why(letter: DeadLetter | None, action: StaffAction | None) -> str:
        if letter is None or letter.notification is None or letter.state != State.OPEN or not has_expired(letter):
            return _why(letter, action)
        expired = f"expired at {printed(expiry_of(letter))}"
        if letter.notification.category in sensitive:
            return f"{expired}, and its category is sensitive: it is never sent again"
        return f"{expired}: replay it by itself, with a new expiry"

    return why


def expiry_of(letter: DeadLetter) -> datetime | None:
    return letter.notification.expires_at if letter.notification else None


def has_expired(letter: DeadLetter) -> bool:
    """Returns True where the notification has expired, so that a replay needs a new expiry."""
    expires_at = expiry_of(letter)
    return expires_at is not None and expires_at <= timezone.now()


def send_again(letters: Sequence[DeadLetter], *, run: Run | None = None, **also: datetime | None) -> None:
    """Makes the notifications of open, locked letters wait to be sent again. Writes the events, but no staff action.

    `also` are further columns of the notification. With `run` the letters become its own, and keep what a stop needs to
    take them back. Raises OutOfStep where a row is not in the state it was locked in.
    """
    expect(len(letters), _stopped_notifications(letters, REPLAYABLE).update(**_as_new(), **also))
    stood: dict[str, list[DeadLetter]] = {}
    for letter in letters if run else ():
        stood.setdefault(letter.notification.status if letter.notification else "", []).append(letter)
    for status, those in stood.items():
        _move(those, State.REPLAYING, run=run, was_status=status)
    if not run:  # a run that had them before, and is stopped now, does not take them back
        _move(letters, State.REPLAYING, run=None, was_status=None)
    write_events(LetterEvent.REPLAYED, letters)
    transaction.on_commit(partial(_log_replayed, letters, run.pk if run else None))


def _log_replayed(letters: Sequence[DeadLetter], run_id: int | None) -> None:
    now = events.now()
    rows = [letter.notification for letter in letters if letter.notification]
    events.write([events.Replayed(now, row.pk, row.trace_id, run_id) for row in rows])


def _as_new() -> dict[str, object]:
    """Returns the columns that a replay sets.

    `claims` is not among them, because it fences late results. The last cause and error stay, to be read.
    """
    return {
        "generation": F("generation") + 1,
        "attempts": 0,
        **standing(Status.WAITING),
        "reason": Reason.REPLAY,
        "due_at": Now(),
        "deferred_since": None,
        "settled_at": None,
        "owner": None,
        "lease_until": None,
    }


def _bounded(letter_ids: Iterable[int]) -> list[int]:
    ids = sorted(set(letter_ids))
    if len(ids) > MOST_AT_ONCE:
        raise ValueError(f"At most {MOST_AT_ONCE:,} dead letters at once; these are {len(ids):,}.")
    return ids


def _take_stopped(ids: Sequence[int], statuses: Sequence[Status], only: Q | None = None) -> list[DeadLetter]:
    """Returns the open letters among `ids` whose notification has one of `statuses`, with both rows locked."""
    chosen = DeadLetter.objects.filter(only or Q(), pk__in=ids, state=State.OPEN, notification__status__in=statuses)
    locked = chosen.select_related("notification").select_for_update(skip_locked=True, of=("self", "notification"))
    read = ("id", "notification__id", "notification__status", "notification__expires_at", "notification__trace_id")
    return list(locked.only(*read).order_by("id"))


def _take_unreadable(ids: Sequence[int]) -> list[DeadLetter]:
    """Returns the open letters among `ids` that have no notification, locked."""
    chosen = DeadLetter.objects.filter(pk__in=ids, state=State.OPEN, notification=None)
    return list(chosen.select_for_update(skip_locked=True).only("id").order_by("id"))


def _stopped_notifications(letters: Sequence[DeadLetter], statuses: Sequence[Status]) -> QuerySet[Notification]:
    return Notification.objects.filter(pk__in=[letter.notification_id for letter in letters], status__in=statuses)


def _move(letters: Sequence[DeadLetter], state: DeadLetter.State, **also: str | Run | None) -> None:
    still_open = DeadLetter.objects.filter(pk__in=[letter.pk for letter in letters], state=State.OPEN)
    expect(len(letters), still_open.update(state=state, changed_at=Now(), **also))


def _result(ids: Sequence[int], letters: Sequence[DeadLetter], *, why: Why | None = None) -> Result:
    done = sorted(letter.pk for letter in letters)
    left = sorted(set(ids).difference(done))
    return Result(done, why_skipped(left[:MOST_SKIPPED], why=why) if left else [], len(left))


def _why(letter: DeadLetter | None, action: StaffAction | None) -> str:
    if letter is None:
        return "does not exist"
    who = f" by {action.actor} at {printed(action.at)}" if action else ""
    if letter.state == State.REPLAYING:
        return f"was already replayed{who}"
    if letter.state == State.DISCARDED:
        return f"was already discarded{who}"
    if letter.state == State.RESOLVED:
        return f"is already resolved{who and f'; last touched{who}'}"
    if letter.notification is None:
        return "is about a record that could not be read: correct it instead"
    if letter.notification.status in REPLAYABLE:
        return "is not in a state for this, or a sender is settling it right now: look at it again"
    return f"is open, but its notification is {letter.notification.status}"
