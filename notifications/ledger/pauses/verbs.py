"""Pause and resume, by whoever may: each is written down, and senders follow within two seconds."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import F
from django.db.models.functions import Now

from notifications.ledger.pauses import read_only
from notifications.ledger.pauses.targets import Target
from notifications.messages.words import StaffVerb
from notifications.models import Pause
from project.desk.audit import Change, one_at_a_time, printed, write_actions

LONGEST_REASON = 1_000  # characters


class NotPaused(ValueError):
    """There is nothing to resume; the message says so."""


def pause(target: Target, *, actor: str, reason: str, lasts: timedelta | None = None) -> Pause:
    """Pauses it, for so long or until somebody resumes it. One that is paused already is paused anew.

    Returns the pause. Times are the database's.
    """
    with one_at_a_time():
        before = _end(target, actor)
        made = Pause.objects.create(
            kind=target.kind,
            name=target.name,
            actor=actor,
            reason=reason[:LONGEST_REASON],
            began_at=Now(),
            until=Now() + lasts if lasts else None,
        )
        made.refresh_from_db()
        change = Change(before=_state(before), after=_state(made))
        write_actions(actor, StaffVerb.PAUSE, [(_subject(target), None)], reason=reason, change=change)
    read_only.mode.forget()
    return made


def resume(target: Target, *, actor: str, reason: str) -> Pause:
    """Ends its pause, and what waits for it goes at once. Returns that pause. Raises NotPaused."""
    with one_at_a_time():
        ended = _end(target, actor)
        if ended is None:
            raise NotPaused(f"{target} is not paused.")
        change = Change(before=_state(ended), after="running")
        write_actions(actor, StaffVerb.RESUME, [(_subject(target), None)], reason=reason, change=change)
    read_only.mode.forget()
    return ended


def _end(target: Target, actor: str) -> Pause | None:
    """Ends the pause of it, if there is one. Returns it as it was, where it was in force until now."""
    same = Pause.objects.filter(kind=target.kind, name=target.name)
    in_force = same.in_force().first()
    # One that has ended by itself keeps the time at which it did.
    same.filter(ended_at__isnull=True, until__lte=Now()).update(ended_at=F("until"))
    same.filter(ended_at__isnull=True).update(ended_at=Now(), ended_by=actor)
    return in_force


def _subject(target: Target) -> str:
    return str(target)[:100]


def _state(pause: Pause | None) -> str:
    """Returns how it stands, for the record."""
    if pause is None:
        return "running"
    return f"paused until {printed(pause.until)}" if pause.until else "paused until somebody resumes it"
