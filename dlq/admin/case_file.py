"""The contents of a case file: the notification, its receiver, every attempt, why it died, and what can be done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dlq.explanations import explain
from dlq.models import DeadLetter
from dlq.repair import raw_text
from dlq.verbs import REPLAYABLE, State, has_expired, target
from notifications.channels.outcomes import Outcome
from notifications.messages.words import StaffVerb, Status
from notifications.models import REMOVED, Attempt, Notification, StaffAction
from project.desk.audit import printed

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


def context(letter: DeadLetter, *, may_act: bool) -> dict[str, Any]:
    """Returns everything that the template shows, with two queries however long the time line is."""
    notification = letter.notification
    actions = list(StaffAction.objects.filter(target=target(letter.pk)).order_by("-id")[:MOST_EVENTS])
    return {
        "letter": letter,
        "notification": notification,
        "receiver": _receiver(notification, may_act=may_act),
        "removed": REMOVED if notification and notification.texts_removed else "",
        "explanation": explain(letter.cause),
        "situation": _situation(letter, actions),
        "events": _time_line(letter, actions),
        "facts": _facts(letter, notification),
        "raw": _raw(letter, may_act=may_act) if notification is None else "",
        "may_act": may_act,
        **_possible(letter),
    }


def _raw(letter: DeadLetter, *, may_act: bool) -> str:
    if letter.raw is None:
        return REMOVED
    return raw_text(letter) if may_act else "(for those who may act: an address can be in it)"


def _possible(letter: DeadLetter) -> dict[str, bool]:
    is_open = letter.state == State.OPEN
    stopped = letter.notification is not None and letter.notification.status in REPLAYABLE
    held = letter.notification is not None and letter.notification.status == Status.HELD
    return {
        "can_replay": is_open and stopped,
        "can_edit": is_open and stopped,
        "can_mark_sent": is_open and held,
        "can_correct": is_open and letter.notification is None,
        "can_discard": is_open and (stopped or letter.notification is None),
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


def _receiver(notification: Notification | None, *, may_act: bool) -> str:
    if notification is None:
        return ""
    shown = may_act and not notification.texts_removed
    return notification.receiver if shown else notification.masked_receiver


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
    return Event(action.at, what, "staff", "info", action.note)


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
