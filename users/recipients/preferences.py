"""Writes what a person chose, one cell at a time: for the API, their own page, an unsubscription and staff.

Each change is an event in the same transaction. What changes nothing writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec
from django.db import transaction
from msgspec import UNSET, UnsetType

from notifications.messages.explain import Invalid
from project.database.dialects import clock
from users.access.addresses import network_of
from users.recipients.category_rules import Cap
from users.recipients.models import PersonPreferences, PreferenceEvent
from users.recipients.person import Choice, Preferences

MOST_CHOICES = 500  # of one person
TICK = timedelta(microseconds=1)
SETTINGS = {"time_zone": "time zone", "quiet": "quiet hours", "paused_until": "paused until", "cap": "limit"}
ALL_OFF = "everything off"

_read = msgspec.json.Decoder(Preferences).decode
_write = msgspec.json.Encoder().encode


class Source(StrEnum):
    """From where a change came."""

    API = "api"
    PAGE = "page"  # the person's own
    UNSUBSCRIBE = "unsubscribe"
    STAFF = "staff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is to be different: UNSET stays as it is, None is taken away."""

    time_zone: str | UnsetType | None = UNSET
    quiet: tuple[time, time] | UnsetType | None = UNSET
    paused_until: datetime | UnsetType | None = UNSET
    all_off: bool | UnsetType = UNSET
    cap: Cap | UnsetType | None = UNSET
    choices: Mapping[str, bool | None] = field(default_factory=dict)  # by `person.cell`: on, off, or no choice
    channel_caps: Mapping[str, Cap | None] = field(default_factory=dict)  # by channel: None is no limit


class Difference(NamedTuple):
    """One thing that a change makes different, in words; "" where there is nothing."""

    what: str
    before: str
    after: str


def of(username: str) -> Preferences:
    """Returns what a person chose; the defaults where they chose nothing."""
    return _of_row(PersonPreferences.objects.filter(pk=username).first())


def change(
    username: str, changes: Changes, *, actor: str, source: Source, address: str = "", reason: str = ""
) -> Preferences:
    """Changes what a person chose, and returns all of it as it is now.

    `address` is that of the caller, of which the network alone is kept; `reason` is given by staff. The values must
    have been checked. Raises Invalid where there would be more than MOST_CHOICES; an unsubscription always counts.
    """
    return change_and_compare(username, changes, actor=actor, source=source, address=address, reason=reason)[0]


@transaction.atomic
def change_and_compare(
    username: str, changes: Changes, *, actor: str, source: Source, address: str = "", reason: str = ""
) -> tuple[Preferences, list[Difference]]:
    """Does the same. Returns what is different as well: nothing, where it was so already."""
    if not PersonPreferences.objects.filter(pk=username).exists() and not _differences(of(username), changes):
        return Preferences(), []  # nobody gets a row for nothing
    row = _locked(username)
    before, at = _of_row(row), clock()
    after = changed(before, changes, at)
    if len(after.choices) > MOST_CHOICES and source is not Source.UNSUBSCRIBE:
        raise Invalid({"choices": [f"A person can have at most {MOST_CHOICES} choices."]})
    found = list(differences(before, after))
    if not found:
        return before, []
    row.document, row.changed_at = _write(after).decode(), at
    row.save(update_fields=["document", "changed_at"])
    about = {"actor": actor, "source": source.value, "reason": reason, "address": network_of(address)}
    PreferenceEvent.objects.bulk_create(
        PreferenceEvent(username=username, what=what, before=was, after=now, **about) for what, was, now in found
    )
    return after, found


def _differences(before: Preferences, changes: Changes) -> list[Difference]:
    return list(differences(before, changed(before, changes, clock())))


def _locked(username: str) -> PersonPreferences:
    """Returns the person's row, locked, so that two changes follow each other; an empty one where there was none."""
    while True:
        row = PersonPreferences.objects.select_for_update().filter(pk=username).first()
        if row is not None:
            return row
        new = PersonPreferences(username=username, document="{}", changed_at=clock())
        PersonPreferences.objects.bulk_create([new], ignore_conflicts=True)


def _of_row(row: PersonPreferences | None) -> Preferences:
    return Preferences() if row is None else _read(row.document)


def changed(before: Preferences, changes: Changes, at: datetime) -> Preferences:
    """Returns what a person's choices are after changes at that time.

    "Everything off" beats each choice that there is, but not those that are changed together with it.
    """
    given = {name: getattr(changes, name) for name in SETTINGS}
    all_off_at = _all_off_at(before, changes, at)
    newer = at if all_off_at is None else max(at, all_off_at + TICK)  # whatever the clock does
    choices = dict(before.choices)
    for key, on in changes.choices.items():
        if on is None:
            choices.pop(key, None)
        elif not _counts(choices.get(key), on, all_off_at):
            choices[key] = Choice(on, newer)
    new = {name: value for name, value in given.items() if value is not UNSET}
    caps = {channel: cap for channel, cap in {**before.channel_caps, **changes.channel_caps}.items() if cap}
    return msgspec.structs.replace(before, **new, all_off_at=all_off_at, choices=choices, channel_caps=caps)


def _all_off_at(before: Preferences, changes: Changes, at: datetime) -> datetime | None:
    was = before.all_off_at
    if changes.all_off is UNSET:
        return was
    if not changes.all_off:
        return None
    newer = {key: choice for key, choice in before.choices.items() if was is None or choice.at > was}
    if was is not None and not any(choice.on and not changes.choices.get(key) for key, choice in newer.items()):
        return was  # everything is off already, but for what is switched on together with it
    return max([at, *(choice.at for choice in newer.values())])


def _counts(choice: Choice | None, on: bool, all_off_at: datetime | None) -> bool:
    return choice is not None and choice.on is on and (all_off_at is None or choice.at > all_off_at)


def differences(before: Preferences, after: Preferences) -> Iterator[Difference]:
    """Yields what is different."""
    for name, what in SETTINGS.items():
        was, now = getattr(before, name), getattr(after, name)
        if was != now:
            yield Difference(what, in_words(was), in_words(now))
    for channel in sorted(before.channel_caps.keys() | after.channel_caps.keys()):
        was, now = before.channel_caps.get(channel), after.channel_caps.get(channel)
        if was != now:
            yield Difference(limit_on(channel), in_words(was), in_words(now))
    if before.all_off_at != after.all_off_at:
        yield Difference(ALL_OFF, in_words(before.all_off_at), in_words(after.all_off_at))
    for key in sorted(before.choices.keys() | after.choices.keys()):
        was, now = before.choices.get(key), after.choices.get(key)
        if was != now:
            yield Difference(cell_in_words(key), _choice_in_words(was, before.all_off_at), _choice_in_words(now, None))


def limit_on(channel: str) -> str:
    """Returns what a limit of one channel is called."""
    return f"limit on {channel}"


def cell_in_words(key: str) -> str:
    """Returns what a choice is about, such as "news on EMAIL"; `key` is that of `person.cell`."""
    channel, _, category = key.partition(":")
    return f"{category or 'every category'} on {channel or 'every channel'}"


def in_words(value: Any) -> str:
    """Returns a setting as an event and a page have it; "" for none."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, Cap):
        return f"{value.count} in {value.seconds} seconds"
    if isinstance(value, tuple):
        return f"{value[0]:%H:%M} to {value[1]:%H:%M}"
    return str(value)


def _choice_in_words(choice: Choice | None, all_off_at: datetime | None) -> str:
    if choice is None:
        return ""
    beaten = all_off_at is not None and choice.at <= all_off_at
    return ("on" if choice.on else "off") + (f", before {ALL_OFF}" if beaten else "")
