"""Reads what a person's own page posts: what they changed there, and nothing else.

The page was perhaps open while somebody else changed another cell. So each field carries what it was, and only one
that is different now is a change.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone
from msgspec import UNSET, UnsetType

from notifications.channels import channel_names
from notifications.messages.explain import Errors, Invalid
from notifications.models import Category
from users.recipients.preferences import Changes
from users.recipients.wishes import hours, problems
from users.recipients.zones import known_zone

Given = Mapping[str, str]  # the fields of a form, by name; of several with one name the last counts

CHOICE = "choice."  # and the key of `person.cell`
MAX_FORM = 1024 * 1024  # bytes
MOST_FIELDS = 5_000
WORDS = {"on": True, "off": False, "": None}


def fields_of(body: bytes) -> Given:
    """Returns the fields of a form. Raises ValueError where it is none that a page of ours could post."""
    return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"))


def changes_of(given: Given) -> Changes:
    """Returns what the form changes. Raises Invalid with what is wrong, by field."""
    errors: Errors = {}
    choices = _choices(given)
    quiet: tuple[time, time] | UnsetType | None = UNSET
    until: datetime | UnsetType | None = UNSET
    try:
        quiet = _quiet(given)
    except ValueError as wrong:
        errors["quiet"] = [str(wrong)]
    try:
        until = _paused_until(given)
    except (ValueError, OverflowError):
        errors["paused_until"] = ["Must be a date and a time."]
    changes = Changes(
        time_zone=_changed(given, "time_zone") if given.get("time_zone") else _removed(given, "time_zone"),
        quiet=quiet,
        paused_until=until,
        all_off=bool(given.get("all_off")) if _is_changed(given, "all_off") else UNSET,
        choices=choices,
    )
    errors |= problems(changes, timezone.now())
    if errors:
        raise Invalid(errors)
    return changes


def _is_changed(given: Given, *names: str) -> bool:
    return any(given.get(name, "") != given.get(f"was_{name}", "") for name in names)


def _changed(given: Given, name: str) -> str | UnsetType:
    return given[name] if _is_changed(given, name) else UNSET


def _removed(given: Given, name: str) -> UnsetType | None:
    return None if _is_changed(given, name) else UNSET


def _quiet(given: Given) -> tuple[time, time] | UnsetType | None:
    names = ("quiet_start", "quiet_end")
    if not _is_changed(given, *names):
        return UNSET
    start, end = (given.get(name, "") for name in names)
    return hours(start[:5], end[:5]) if start or end else None  # some browsers give seconds


def _paused_until(given: Given) -> datetime | UnsetType | None:
    """Returns the time, which the page gives on the wall clock of the person's zone."""
    if not _is_changed(given, "paused_until"):
        return UNSET
    if not given.get("paused_until"):
        return None
    zone = given.get("time_zone", "")
    local = known_zone(zone) or ZoneInfo(settings.DEFAULT_TIME_ZONE)
    return datetime.fromisoformat(given["paused_until"]).replace(tzinfo=local).astimezone(UTC)


def _choices(given: Given) -> dict[str, bool | None]:
    """Returns the choices that are different. What no page of ours could post is left out."""
    found: dict[str, str] = {}
    for name, value in given.items():
        was, _, to = value.partition(">")
        if name.startswith(CHOICE) and was != to:
            found[name.removeprefix(CHOICE)] = to
    if not found:
        return {}
    names = {"", *Category.objects.values_list("name", flat=True)}
    return {key: WORDS[to] for key, to in found.items() if to in WORDS and _is_cell(key, names)}


def _is_cell(key: str, names: set[str]) -> bool:
    channel, colon, category = key.partition(":")
    return bool(colon and (channel or category)) and channel in {"", *channel_names()} and category in names
