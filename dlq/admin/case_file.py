"""The contents of a case file: the notification, its receiver, every attempt, why it died, and what can be done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from dlq.explanations import explain
from dlq.models import DeadLetter
from dlq.repair import raw_text
from dlq.verbs import REPLAYABLE, State, has_expired, target
from notifications.channels.outcomes import Outcome
from notifications.messages.words import StaffVerb, Status
from notifications.models import REMOVED, Attempt, Notification, StaffAction
from project.desk.audit import details, printed
from project.desk.sight import Sight

MOST_EVENTS = 200
OUTCOMES = {
    Outcome.TRANSIENT: ("failed", "warning"),
    Outcome.PERMANENT: ("refused for good", "danger"),
    Outcome.THROTTLED: ("asked to slow down", "warning"),
    Outcome.UNCERTAIN: ("outcome unknown", "warning"),
}


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the time line."""

    at: datetime
    what: str
    label: str = ""
    colour: str = ""
    details: str = ""

    @property
    def time(self) -> str:
        return printed(self.at)


def context(letter: DeadLetter, sight: Sight, may: Mapping[str, bool]) -> dict[str, Any]:
    """Returns everything that the template shows, with three queries however long the time line is.

    `may` are the person's rights by name.
    """
    notification = letter.notification
    actions = list(StaffAction.objects.filter(target=target(letter.pk)).order_by("-id")[:MOST_EVENTS])
    receivers = [notification.receiver] if notification else []
    raw = bytes(letter.raw or b"")
    possible = _possible(letter, sight, may)
    return {
        "letter": letter,
        "notification": notification,
        "receiver": sight.receiver(notification) if notification else "",
        "content": sight.content(notification) if notification else None,
        "error": sight.answer(letter.error, *receivers),
        "explanation": explain(letter.cause),
        "situation": _situation(letter, actions),
        "events": [_masked(event, sight, receivers) for event in _time_line(letter, actions)],
        "facts": _facts(letter, notification),
        "raw": _raw(letter, raw, sight) if notification is None else "",
        "may_act": any(possible.values()),
        **possible,
    }


def _masked(event: Event, sight: Sight, receivers: list[str]) -> Event:
    return replace(event, details=sight.answer(event.details, *receivers)) if event.details else event


def _raw(letter: DeadLetter, raw: bytes, sight: Sight) -> str:
    if letter.raw is None:
        return REMOVED
    return raw_text(letter) if sight.raw(raw) else f"(hidden, {len(raw):,} bytes: an address or a secret can be in it)"


def _possible(letter: DeadLetter, sight: Sight, may: Mapping[str, bool]) -> dict[str, bool]:
    """Returns which verbs the letter's state and the person's rights allow."""
    row, is_open = letter.notification, letter.state == State.OPEN
    stopped = is_open and row is not None and row.status in REPLAYABLE
    changeable = stopped and row is not None and not sight.is_sensitive(row.category)
    readable = is_open and row is None and sight.raw(bytes(letter.raw or b""))
    return {
        "can_replay": stopped and may["replay"],
        "can_edit": changeable and may["edit_content"] and may["see_content"],
        "can_redirect": changeable and may["redirect"],
        "can_mark_sent": is_open and row is not None and row.status == Status.HELD and may["replay"],
        "can_correct": readable and may["edit_content"] and may["redirect"],
        "can_discard": (stopped or (is_open and row is None)) and may["discard"],
    }


def _situation(letter: DeadLetter, actions: list[StaffAction]) -> str:
    """Returns one sentence about where the letter stands now."""
    who = f" by {actions[0].actor}" if actions else ""
    since = printed(letter.changed_at)
    match letter.state:
        case State.REPLAYING:
            return f"Replayed{who} at {since}. It is resolved when it is sent, and comes back here if it fails again."
        case State.DISCARDED:
            return f"Discarded{who} at {since}: {letter.discard_reason}"
        case State.RESOLVED:
            return f"Resolved at {since}. Nothing is left to do."
    held = letter.notification is not None and letter.notification.status == Status.HELD
    waiting = (
        "Nobody knows whether it arrived, so a person has to decide." if held else "Waiting for a person to decide."
    )
    return f"{waiting} It has died {letter.deaths} times." if letter.deaths > 1 else waiting


def _facts(letter: DeadLetter, notification: Notification | None) -> list[tuple[str, Any]]:
    facts: list[tuple[str, Any]] = []
    if notification is not None:
        facts += [
            ("Notification", notification.pk),
            ("Client", notification.client),
            ("Reference", notification.reference),
            ("Category", notification.category),
            ("Priority", notification.priority),
            ("Expired" if has_expired(letter) else "Expires", printed(notification.expires_at, none="")),
            ("Provider", notification.provider),
            ("Provider's id", notification.provider_message_id),
            ("Replays", notification.generation),
            ("Trace", notification.trace_id),
        ]
    if letter.topic:
        facts.append(("Kafka", f"{letter.topic}, partition {letter.partition}, offset {letter.offset}"))
    return [(name, value) for name, value in facts if value not in ("", None)]


def _time_line(letter: DeadLetter, actions: list[StaffAction]) -> list[Event]:
    """Returns attempts and staff actions in the order in which they happened."""
    # Of what happened in one instant, cause comes before effect: the sort is stable.
    events = _notification_events(letter.notification) if letter.notification else []
    events.append(Event(letter.died_at, "Became a dead letter", letter.cause, "danger"))
    events += [_action_event(action) for action in actions]
    return sorted(events, key=lambda event: event.at)


def _action_event(action: StaffAction) -> Event:
    what = f"{action.actor} {StaffVerb(action.action).in_words}"
    return Event(action.at, what, "staff", "info", details(action))


def _notification_events(notification: Notification) -> list[Event]:
    attempts = Attempt.objects.filter(notification=notification).order_by("-number")[:MOST_EVENTS]
    events = [Event(notification.accepted_at, f"Accepted from {notification.client}")]
    events += [_attempt_event(attempt) for attempt in attempts]
    if notification.status == Status.SENT and notification.settled_at:
        events.append(Event(notification.settled_at, "Sent", "sent", "success", notification.provider_message_id))
    return events


def _attempt_event(attempt: Attempt) -> Event:
    words, colour = OUTCOMES.get(Outcome(attempt.outcome), (attempt.outcome, ""))
    took = f" after {attempt.milliseconds:,} ms" if attempt.milliseconds is not None else ""
    replayed = f" (replay {attempt.generation})" if attempt.generation else ""
    return Event(attempt.at, f"Attempt {attempt.number}{replayed}: {words}{took}", attempt.cause, colour, attempt.error)
