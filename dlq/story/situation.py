"""What is known about a notification at one moment: what its page says of it follows from this alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dlq.models import DeadLetter, Run
from notifications.channels import channel_in_words
from notifications.messages.words import StaffVerb
from notifications.models import Notification, StaffAction

State = DeadLetter.State

_CORRECTS = (StaffVerb.REPAIR, StaffVerb.REDIRECT)
# What moves a notification, of all that staff do to one.
_MOVES = (StaffVerb.REPLAY, StaffVerb.DISCARD, StaffVerb.MARK_SENT, StaffVerb.TRY_NOW, *_CORRECTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Where a notification stands, why, and what happens around it. Words are the database's; "" and None: nothing.

    `state` is its dead letter's. Without a `status` it is a record that could not be read. `out_since` is the time
    since which its channel is out of order, `served` says whether a sender that is alive serves the channel.
    """

    now: datetime
    channel: str = ""
    status: str = ""
    reason: str = ""
    cause: str = ""
    state: str = ""
    provider: str = ""
    tries: int = 0  # that failed, over all replays
    deaths: int = 0
    repeats: int = 0  # deaths in a row of the same cause
    uncertain: bool = False  # it may have arrived
    accepted_at: datetime | None = None
    due_at: datetime | None = None
    ended_at: datetime | None = None
    died_at: datetime | None = None
    expires_at: datetime | None = None
    changed_at: datetime | None = None  # of the letter
    corrected_at: datetime | None = None  # after the last death
    by: str = ""  # who acted last
    verb: str = ""  # what they did
    why: str = ""  # in their own words
    run: int | None = None
    run_state: str = ""
    out_since: datetime | None = None
    served: bool = True
    digest: str = ""  # the state of the digest that it was folded into
    paused: str = ""  # by hand: by whom, since when and why, as a sentence without its full stop
    paused_until: datetime | None = None

    @property
    def channel_in_words(self) -> str:
        return channel_in_words(self.channel)

    @property
    def has_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= self.now

    @property
    def failed_at(self) -> datetime | None:
        """The time of the last death, or the end of what died without a letter."""
        return self.died_at or self.ended_at


def situation_of(
    notification: Notification | None,
    letter: DeadLetter | None,
    *,
    now: datetime,
    actions: Sequence[StaffAction],
    tries: int = 0,
    out_since: datetime | None = None,
    served: bool = True,
) -> Situation:
    """Returns the situation. `actions` are what staff did to it, the newest first."""
    known: dict[str, Any] = _of_notification(notification) if notification else {}
    if letter:
        known |= _of_letter(letter, actions)
    known |= _last_move(letter.run if letter else None, actions)
    return Situation(now=now, tries=tries, out_since=out_since, served=served, **known)


def _last_move(run: Run | None, actions: Sequence[StaffAction]) -> dict[str, Any]:
    """Returns who acted last: on it alone, or by a run, which is one action for all its letters."""
    last = next((action for action in actions if action.action in _MOVES), None)
    if run and (last is None or last.at < run.created_at):
        return {"by": run.actor, "verb": StaffVerb.REPLAY.value, "why": run.reason}
    return {"by": last.actor, "verb": last.action, "why": last.reason or last.note} if last else {}


def _of_notification(row: Notification) -> dict[str, Any]:
    same = ("channel", "status", "reason", "provider", "accepted_at", "due_at", "expires_at")
    return {
        **{name: getattr(row, name) for name in same},
        "cause": row.last_cause,
        "ended_at": row.settled_at,
        "uncertain": row.uncertain_count > 0,
    }


def _of_letter(letter: DeadLetter, actions: Sequence[StaffAction]) -> dict[str, Any]:
    same = ("channel", "cause", "state", "deaths", "repeats", "died_at", "changed_at")
    corrections = [each.at for each in actions if each.action in _CORRECTS and each.at > letter.died_at]
    if letter.was_receiver_hash and letter.changed_at > letter.died_at:  # with many others
        corrections.append(letter.changed_at)
    return {
        **{name: getattr(letter, name) for name in same},
        "corrected_at": next(iter(corrections), None),
        "run": letter.run_id,
        "run_state": letter.run.state if letter.run else "",
    }
