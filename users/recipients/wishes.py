"""Reads what a person is to have chosen, as callers and the person's page give it, and says what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Annotated, Any

import msgspec
from django.utils import timezone
from msgspec import UNSET, Meta, UnsetType

from notifications.channels import channel_names
from notifications.messages.draft import NOT_DECODED
from notifications.messages.explain import Errors, Invalid, explain
from notifications.messages.fields import LENGTHS, Moment
from notifications.messages.rules import LAST_YEAR
from notifications.models import Category
from notifications.models.intake import LONGEST_CAP, MOST_IN_A_CAP
from users.recipients.category_rules import Cap
from users.recipients.person import Preferences, cell
from users.recipients.preferences import MOST_CHOICES, Changes
from users.recipients.zones import known_zone

CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
WORDS = {"on": True, "off": False, None: None}
Text = Annotated[str, Meta(max_length=LENGTHS["category"])]


class HoursGiven(msgspec.Struct, forbid_unknown_fields=True):
    start: str
    end: str


class CapGiven(msgspec.Struct, forbid_unknown_fields=True):
    count: int
    seconds: int


class ChoiceGiven(msgspec.Struct, forbid_unknown_fields=True):
    choice: str | None
    category: Text | None = None  # None: every one
    channel: Text | None = None


class Patch(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a PATCH. What is not in it stays as it is."""

    time_zone: Text | UnsetType | None = UNSET
    quiet: HoursGiven | UnsetType | None = UNSET
    paused_until: Moment | UnsetType | None = UNSET
    all_off: bool | UnsetType = UNSET
    cap: CapGiven | UnsetType | None = UNSET
    channel_caps: dict[Text, CapGiven | None] = {}
    choices: list[ChoiceGiven] = []


_decode = msgspec.json.Decoder(Patch).decode


def read_changes(body: bytes) -> Changes:
    """Returns what the body of a PATCH changes. Raises Invalid with everything that is wrong with it."""
    try:
        patch = _decode(body)
    except NOT_DECODED as error:
        raise Invalid(explain(body, error, Patch)[1]) from None
    errors: Errors = {}
    quiet: tuple[time, time] | UnsetType | None = UNSET
    try:
        quiet = hours(patch.quiet.start, patch.quiet.end) if isinstance(patch.quiet, HoursGiven) else patch.quiet
    except ValueError as wrong:
        errors["quiet"] = [str(wrong)]
    changes = Changes(
        time_zone=patch.time_zone,
        quiet=quiet,
        paused_until=patch.paused_until,
        all_off=patch.all_off,
        cap=_cap(patch.cap) if isinstance(patch.cap, CapGiven) else patch.cap,
        channel_caps={channel: _cap(given) if given else None for channel, given in patch.channel_caps.items()},
        choices={cell(each.category or "", each.channel or ""): WORDS.get(each.choice) for each in patch.choices},
    )
    errors |= problems(changes, timezone.now())
    if wrong_choices := _choices_problem(patch.choices):
        errors["choices"] = wrong_choices
    if errors:
        raise Invalid(errors)
    until = changes.paused_until
    return replace(changes, paused_until=until.astimezone(UTC)) if isinstance(until, datetime) else changes


def _cap(given: CapGiven) -> Cap:
    return Cap(given.count, given.seconds)


def problems(changes: Changes, now: datetime) -> Errors:
    """Returns what is wrong with settings, by field; choices have their own rules."""
    errors: Errors = {}
    if isinstance(changes.time_zone, str) and known_zone(changes.time_zone) is None:
        errors["time_zone"] = ["Must be a time zone such as Europe/Berlin."]
    until = changes.paused_until
    if isinstance(until, datetime) and not (until.year < LAST_YEAR and until > now):
        errors["paused_until"] = [f"Must be in the future, and before the year {LAST_YEAR}."]
    if isinstance(changes.cap, Cap) and (wrong := cap_problem(changes.cap)):
        errors["cap"] = [wrong]
    for channel, cap in changes.channel_caps.items():
        if channel not in channel_names():
            errors["channel_caps"] = [f"The channels must be of {', '.join(channel_names())}."]
        elif cap and (wrong := cap_problem(cap)):
            errors["channel_caps"] = [wrong]
    return errors


def hours(start: str, end: str) -> tuple[time, time]:
    """Returns the quiet hours between two times such as 22:00. Raises ValueError with what is wrong."""
    found = [CLOCK.fullmatch(each) for each in (start, end)]
    if not all(found):
        raise ValueError("Must have a start and an end such as 22:00 and 07:00.")
    if start == end:
        raise ValueError("Must not start and end at the same time.")
    first, last = (time(int(each[1]), int(each[2])) for each in found if each)
    return first, last


def cap_problem(cap: Cap) -> str | None:
    """Returns what is wrong with a limit, or None."""
    if not 0 <= cap.count <= MOST_IN_A_CAP:
        return f"The count must be from 0 to {MOST_IN_A_CAP:,}."
    if not 1 <= cap.seconds <= LONGEST_CAP:
        return f"The seconds must be from 1 to {LONGEST_CAP:,}."
    return None


def _choices_problem(choices: Sequence[ChoiceGiven]) -> list[str] | Errors:
    """Returns what is wrong with the list, or with its items by position."""
    if len(choices) > MOST_CHOICES:
        return [f"Must have at most {MOST_CHOICES} choices."]
    names = frozenset(Category.objects.values_list("name", flat=True)) if choices else frozenset()
    errors: Errors = {}
    seen: set[tuple[str | None, str | None]] = set()
    for position, each in enumerate(choices):
        wrong = _choice_problems(each, names)
        if (each.category, each.channel) in seen:
            wrong["detail"] = ["Is there twice."]
        seen.add((each.category, each.channel))
        if wrong:
            errors[str(position)] = wrong
    return errors


def _choice_problems(given: ChoiceGiven, names: Collection[str]) -> Errors:
    errors: Errors = {}
    if given.choice not in WORDS:
        errors["choice"] = ["Must be on, off or null."]
    if given.category is None and given.channel is None:
        errors["category"] = ["Name a category, a channel, or both; all_off switches everything off."]
    if given.category is not None and given.category not in names and given.choice is not None:
        errors["category"] = ["There is no such category."]
    if given.channel is not None and given.channel not in channel_names():
        errors["channel"] = [f"Must be one of {', '.join(channel_names())}."]
    return errors


def shown(preferences: Preferences) -> dict[str, Any]:
    """Returns what somebody chose as the API has it."""
    quiet = preferences.quiet
    return {
        "time_zone": preferences.time_zone,
        "quiet": {"start": f"{quiet[0]:%H:%M}", "end": f"{quiet[1]:%H:%M}"} if quiet else None,
        "paused_until": preferences.paused_until,
        "all_off": preferences.all_off_at is not None,
        "cap": preferences.cap and _shown_cap(preferences.cap),
        "channel_caps": {channel: _shown_cap(cap) for channel, cap in preferences.channel_caps.items()},
        "choices": [_shown_choice(key, choice.on) for key, choice in sorted(preferences.choices.items())],
    }


def _shown_cap(cap: Cap) -> dict[str, int]:
    return {"count": cap.count, "seconds": cap.seconds}


def _shown_choice(key: str, on: bool) -> dict[str, str | None]:
    channel, _, category = key.partition(":")
    return {"category": category or None, "channel": channel or None, "choice": "on" if on else "off"}
