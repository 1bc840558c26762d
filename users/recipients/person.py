"""What is known of those who receive: what they chose, what their address is suppressed for, and what they had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, time
from typing import NamedTuple
from uuid import UUID

import msgspec

from notifications.messages.words import SuppressedFor
from users.recipients.category_rules import Cap


class Choice(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What a person chose for a category, a channel or both, and when."""

    on: bool
    at: datetime


class Preferences(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that a person chose, as their one row in the database has it. Without a row these are the defaults."""

    time_zone: str | None = None  # an IANA name
    quiet: tuple[time, time] | None = None  # from, until; on their wall clock
    paused_until: datetime | None = None
    all_off_at: datetime | None = None  # when they switched everything off
    cap: Cap | None = None  # over all categories and channels
    choices: dict[str, Choice] = {}  # by `cell`
    channel_caps: dict[str, Cap] = {}  # over all categories, by channel


class Place(NamedTuple):
    """One of the places of a cap, and since when a notification has had it: None while it is being sent."""

    id: UUID
    at: datetime | None


class Person(msgspec.Struct, frozen=True):
    """What is known of somebody at one address."""

    preferences: Preferences = Preferences()
    suppressions: Sequence[tuple[str, SuppressedFor]] = ()  # of the address: a category, or "" for all, and why
    places: Mapping[str, Sequence[Place]] = {}  # taken, by the scope of the cap, as in `caps_of`


def cell(category: str, channel: str) -> str:
    """Returns the key of a choice; "" stands for all categories, or all channels."""
    return f"{channel}:{category}"


def chosen_by(preferences: Preferences, category: str, channel: str) -> bool | None:
    """Returns whether the person wants the category on the channel, or None where they have chosen nothing.

    The narrowest of their choices counts. "Everything off" beats each older one.
    """
    all_off_at = preferences.all_off_at
    for key in (cell(category, channel), cell(category, ""), cell("", channel)) if preferences.choices else ():
        choice = preferences.choices.get(key)
        if choice is not None and (all_off_at is None or choice.at > all_off_at):
            return choice.on
    return None if all_off_at is None else False
