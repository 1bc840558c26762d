"""What becomes of a notification for the one who receives it: sent, kept back for a time, folded or suppressed.

A pure function over what is known: no clock, no database. `docs/recipients.md` has its rules as a table, and a test
compares them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Self
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from notifications.messages.words import CategoryKind, Late, Overflow, Reason, SuppressedFor
from users.recipients.category_rules import Cap, CategoryRules
from users.recipients.digest_time import closes_at
from users.recipients.legal import legal_quiets
from users.recipients.person import Person, Place, Preferences, cell, chosen_by
from users.recipients.quiet import Quiet, Window, next_start, quiet_until, spread
from users.recipients.zones import zones_of

BEHIND = timedelta(seconds=2)  # bulk comes back so much later to a place that others wait for, too
LOOK_AGAIN = timedelta(minutes=1)  # where a place is taken by what is being sent, and may be given back


class Action(StrEnum):
    SEND = "send"
    WAIT = "wait"
    FOLD = "fold"  # into a digest
    SUPPRESS = "suppress"


class Rule(StrEnum):
    """Which of the rules has decided: its name, and its number in the order in which they are asked."""

    number: int

    def __new__(cls, word: str, number: int = 0) -> Self:
        rule = str.__new__(cls, word)
        rule._value_ = word
        rule.number = number
        return rule

    CANCELLED = "cancelled", 1  # or expired
    SUPPRESSED = "suppressed", 2
    MANDATORY = "mandatory", 3
    PAUSED = "paused", 4
    CHOICE = "choice", 5
    QUIET = "quiet", 6
    DIGEST = "digest", 7
    CAP = "cap", 8
    NONE = "send", 9


class Asked(msgspec.Struct, frozen=True):
    """A notification, as far as the decision needs it."""

    category: CategoryRules
    channel: str
    id: UUID | None = None
    receiver: str = ""
    key: str = ""  # stands for the person, or for the address without one
    is_bulk: bool = False
    site_zone: str = "UTC"  # of people of whom no zone is known
    expires_at: datetime | None = None
    is_cancelled: bool = False
    is_folded: bool = False  # it is a digest, or comes out of one: it is not folded again


class Decision(msgspec.Struct, frozen=True):
    """What waits has a `reason` and is looked at again at `until`; what is suppressed is `suppressed_for` something.

    What is folded waits, too: `until` is when a digest closes that is begun now. One that is open may close sooner.
    Those who join put off its closing until `limit_at`, where there is one.
    """

    action: Action
    rule: Rule
    reason: Reason | None = None
    until: datetime | None = None
    suppressed_for: SuppressedFor | None = None
    limit_at: datetime | None = None


SEND = Decision(Action.SEND, Rule.NONE)


def decide(asked: Asked, person: Person, now: datetime) -> Decision:
    """Returns what becomes of it: the first rule that answers has decided."""
    for rule in RULES:
        if (decision := rule(asked, person, now)) is not None:
            return decision
    return SEND


def _cancelled(asked: Asked, _: Person, now: datetime) -> Decision | None:
    if asked.is_cancelled or (asked.expires_at is not None and asked.expires_at <= now):
        return Decision(Action.SUPPRESS, Rule.CANCELLED)
    return None


def _suppressed(asked: Asked, person: Person, _: datetime) -> Decision | None:
    category = asked.category
    for scope, why in person.suppressions:
        passes = why in category.passes and why is not SuppressedFor.STOP
        # Nobody can unsubscribe from what is mandatory, with a person or without one.
        passes = passes or (why is SuppressedFor.UNSUBSCRIBED and category.kind is CategoryKind.MANDATORY)
        if scope in ("", category.name) and not passes:
            return Decision(Action.SUPPRESS, Rule.SUPPRESSED, suppressed_for=why)
    return None


def _mandatory(asked: Asked, _: Person, __: datetime) -> Decision | None:
    return _SEND_MANDATORY if asked.category.kind is CategoryKind.MANDATORY else None


def _paused(_: Asked, person: Person, now: datetime) -> Decision | None:
    until = person.preferences.paused_until
    return Decision(Action.WAIT, Rule.PAUSED, Reason.PAUSED, until) if until is not None and until > now else None


def _choice(asked: Asked, person: Person, _: datetime) -> Decision | None:
    category, channel = asked.category, asked.channel
    if (chosen := chosen_by(person.preferences, category.name, channel)) is not None:
        return None if chosen else _SWITCHED_OFF
    on = category.on_by_default and (category.channels is None or channel in category.channels)
    return None if on else _NOT_CHOSEN


def _quiet(asked: Asked, person: Person, now: datetime) -> Decision | None:
    """The law's hours count always. The person's own give way where the notification would expire meanwhile.

    That is where its category says so.
    """
    legal, own = _legal_quiets(asked, person), _own_quiets(asked, person)
    if not (own or legal):
        return None
    until = _until(asked, now, own + legal)
    expires = until is not None and asked.expires_at is not None and asked.expires_at <= until
    if own and expires and asked.category.late is Late.SEND:
        until = _until(asked, now, legal)
    return None if until is None else Decision(Action.WAIT, Rule.QUIET, Reason.QUIET, until)


def quiet_from(asked: Asked, person: Person, now: datetime) -> datetime | None:
    """Returns when it is quiet next for what may go now, so it must go before; None where that is not for a day."""
    quiets = _own_quiets(asked, person) + _legal_quiets(asked, person)
    return _next_start(now, quiets) if quiets else None


def _digest(asked: Asked, person: Person, now: datetime) -> Decision | None:
    """What would expire before the digest closes is not folded, unless its category lets it expire."""
    category = asked.category
    if asked.is_folded or not category.is_digested:
        return None
    zone = zones_of(person.preferences.time_zone, _number(asked), asked.site_zone)[0]
    until = closes_at(now, seconds=category.digest_seconds, at=category.digest_at, zone=zone)
    limit_at = None if category.digest_limit is None else now + timedelta(seconds=category.digest_limit)
    end = limit_at or until
    too_late = end is not None and asked.expires_at is not None and asked.expires_at <= end
    if too_late and category.late is Late.SEND:
        return None
    return Decision(Action.FOLD, Rule.DIGEST, Reason.DIGEST, until, limit_at=limit_at)


def _cap(asked: Asked, person: Person, now: datetime) -> Decision | None:
    """Asks all caps that concern it; the one with the longest wait counts.

    A digest begun now closes when there is a place again, if what is being sent keeps its own.
    """
    folds = asked.category.overflow is Overflow.DIGEST and not asked.is_folded
    until = now
    for scope, cap in caps_of(asked.category, asked.channel, person.preferences):
        if cap.count == 0:
            return _NONE_WANTED
        places = [each for each in person.places.get(scope, ()) if each.id != asked.id]
        until = max(until, free_at(cap, places, now, kept=folds))
    if until <= now:
        return None
    until += BEHIND if asked.is_bulk else timedelta()
    if folds:
        return Decision(Action.FOLD, Rule.CAP, Reason.DIGEST, until)
    return Decision(Action.WAIT, Rule.CAP, Reason.CAPPED, until)


def caps_of(category: CategoryRules, channel: str, own: Preferences) -> list[tuple[str, Cap]]:
    """Returns the caps that concern a notification, by scope: its category, its channel as a `cell`, "" for all."""
    if category.cap is own.cap is None and not own.channel_caps:  # as nearly everywhere
        return []
    caps = ((category.name, category.cap), (cell("", channel), own.channel_caps.get(channel)), ("", own.cap))
    return [(scope, cap) for scope, cap in caps if cap is not None]


def free_at(cap: Cap, places: Sequence[Place], now: datetime, *, kept: bool = False) -> datetime:
    """Returns when there is a place again, at the earliest: now, where there is one.

    Where what is being sent has one, this is when to look again; or when it is free if it is `kept`.
    """
    if not places:
        return now
    window = timedelta(seconds=cap.seconds)
    settled = now + (window if kept else min(window, LOOK_AGAIN))
    ends = sorted(settled if place.at is None else place.at + window for place in places)
    taken = [end for end in ends if end > now]
    return taken[len(taken) - cap.count] if len(taken) >= cap.count else now


def _own_quiets(asked: Asked, person: Person) -> tuple[Quiet, ...]:
    hours = person.preferences.quiet
    if hours is None or not asked.category.quiet:
        return ()
    return _daily(hours, _zones(asked, person))


@lru_cache(maxsize=8192)
def _daily(hours: tuple[time, time], zones: tuple[ZoneInfo, ...]) -> tuple[Quiet, ...]:
    window = Window(*hours)
    return tuple(Quiet(window, zone) for zone in zones)


def _legal_quiets(asked: Asked, person: Person) -> tuple[Quiet, ...]:
    number = _number(asked)
    if number is None or asked.category.kind is not CategoryKind.PROMOTIONAL:
        return ()
    return legal_quiets(number, _zones(asked, person))


def _zones(asked: Asked, person: Person) -> tuple[ZoneInfo, ...]:
    return zones_of(person.preferences.time_zone, _number(asked), asked.site_zone)


def _number(asked: Asked) -> str | None:
    return asked.receiver if asked.channel == "SMS" else None


def _until(asked: Asked, now: datetime, quiets: tuple[Quiet, ...]) -> datetime | None:
    until = _quiet_until(now, quiets)
    return None if until is None else spread(until, asked.key, quiets)


# All of a batch are decided about at one moment, and many people sleep at the same hours.
_quiet_until = lru_cache(maxsize=8192)(quiet_until)
_next_start = lru_cache(maxsize=8192)(next_start)

_NONE_WANTED = Decision(Action.SUPPRESS, Rule.CAP, suppressed_for=SuppressedFor.CAP)
_SEND_MANDATORY = Decision(Action.SEND, Rule.MANDATORY)
_SWITCHED_OFF = Decision(Action.SUPPRESS, Rule.CHOICE, suppressed_for=SuppressedFor.CHOICE)
_NOT_CHOSEN = Decision(Action.SUPPRESS, Rule.CHOICE, suppressed_for=SuppressedFor.NOT_CHOSEN)

RULES: tuple[Callable[[Asked, Person, datetime], Decision | None], ...] = (
    _cancelled,
    _suppressed,
    _mandatory,
    _paused,
    _choice,
    _quiet,
    _digest,
    _cap,
)
