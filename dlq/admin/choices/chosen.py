"""What a person chose, each change of it, and what is suppressed for their addresses, as their page shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.utils import timezone

from project.desk.audit import printed
from project.desk.in_words import in_words
from project.desk.links import page_url
from project.desk.sight import Sight
from users.recipients.category_rules import Cap
from users.recipients.models import PreferenceEvent, Suppression
from users.recipients.person import Preferences
from users.recipients.preferences import ALL_OFF, SETTINGS, Source, cell_in_words, limit_on
from users.recipients.zones import known_zone

MOST_SHOWN = 50
EVENTS = 10
LOOKED_THROUGH = 200  # events among which the last change of a setting is looked for
MOST_SUPPRESSIONS = 20
FROM = {
    Source.API.value: "over the API",
    Source.PAGE.value: "on the person's own page",
    Source.UNSUBSCRIBE.value: "by unsubscribing",
    Source.STAFF.value: "here",
}


class Line(NamedTuple):
    """One thing that somebody can choose: what it is now, whether that is theirs, and since when."""

    what: str
    value: str
    is_theirs: bool
    since: str = ""


class History(NamedTuple):
    """A page of changes, the newest first, and the key from which the older ones go on; 0 where there are none."""

    changes: list[PreferenceEvent]
    older: int


def history(username: str, before: int) -> History:
    """Returns the newest changes, or those before this key."""
    events = PreferenceEvent.objects.filter(username=username).order_by("-id")
    found = list((events.filter(pk__lt=before) if before else events)[: EVENTS + 1])
    return History(found[:EVENTS], found[EVENTS - 1].pk if len(found) > EVENTS else 0)


def changed_at(username: str) -> Mapping[str, datetime]:
    """Returns when each thing was changed last, among the newest LOOKED_THROUGH changes."""
    events = PreferenceEvent.objects.filter(username=username).order_by("-id")
    return dict(reversed(events.values_list("what", "at")[:LOOKED_THROUGH]))


def setting_lines(preferences: Preferences, since: Mapping[str, datetime]) -> list[Line]:
    """Returns a line for each setting: theirs, or what counts by default."""
    values = {
        "time_zone": _zone(preferences.time_zone),
        "quiet": _hours(preferences),
        "paused_until": _pause(preferences.paused_until),
        "cap": _cap(preferences.cap),
    }
    lines = [
        Line(what, values[name], getattr(preferences, name) is not None, _since(since.get(what)))
        for name, what in SETTINGS.items()
    ]
    for channel, cap in sorted(preferences.channel_caps.items()):
        what = limit_on(channel)
        lines.append(Line(what, _so_many(cap), True, _since(since.get(what))))
    off = preferences.all_off_at
    return [*lines, Line(ALL_OFF, "yes, but for newer choices" if off else "no", off is not None, _since(off))]


def choice_lines(preferences: Preferences) -> list[Line]:
    """Returns a line for each of their first MOST_SHOWN choices, by category."""
    off = preferences.all_off_at
    found = sorted(preferences.choices.items(), key=lambda item: item[0].partition(":")[::-1])
    return [
        Line(
            cell_in_words(key),
            ("on" if choice.on else "off") + (f", but {ALL_OFF} is newer" if off and choice.at <= off else ""),
            True,
            _since(choice.at),
        )
        for key, choice in found[:MOST_SHOWN]
    ]


def event_lines(events: Sequence[PreferenceEvent], username: str, sight: Sight) -> Iterator[dict[str, str]]:
    """Yields who changed what, when, from where and why, as far as this person may see it."""
    for event in events:
        actor = sight.person(event.actor) if event.actor == username else event.actor
        network = f", from {event.address}" if event.address and sight.receivers else ""
        yield {
            "at": printed(event.at),
            "who": f"{actor} {FROM.get(event.source, event.source)}{network}",
            "what": f"{event.what}: {_value(event.before)} → {_value(event.after)}",
            "why": sight.answer(event.reason),
        }


def suppression_lines(
    labels: Mapping[str, tuple[str, str]], sight: Sight, *, may_open: bool
) -> tuple[list[dict[str, str]], bool]:
    """Returns what is not sent to addresses, and why, since when and until when, and whether there is more of it.

    `labels` are the addresses by their hashes, each whole and as this person may see it; `may_open` says that they may
    see the pages of suppressions.
    """
    rows = Suppression.objects.in_force().filter(address_hash__in=list(labels)).order_by("-id")
    found = list(rows[: MOST_SUPPRESSIONS + 1]) if labels else []
    lines = [_suppression(row, *labels[row.address_hash], sight) for row in found[:MOST_SUPPRESSIONS]]
    for row, line in zip(found, lines, strict=False):
        line["url"] = page_url("users_suppression_change", row.pk) if may_open else ""
    return lines, len(found) > MOST_SUPPRESSIONS


def _suppression(row: Suppression, address: str, label: str, sight: Sight) -> dict[str, str]:
    return {
        "channel": row.channel,
        "address": label,
        "what": row.scope or "every category",
        "why": in_words("reason", row.reason),
        "since": printed(row.since),
        "until": f"until {printed(row.until)}" if row.until else "until somebody lifts it",
        "evidence": sight.answer(row.evidence, address),
        "provider": row.provider,
    }


def _zone(name: str | None) -> str:
    if name is None:
        return f"that of a phone number, else {settings.DEFAULT_TIME_ZONE}"
    return name if known_zone(name) else f"{name}: not known any more, so it counts as none"


def _hours(preferences: Preferences) -> str:
    hours = preferences.quiet
    return f"{hours[0]:%H:%M} to {hours[1]:%H:%M}" if hours else "none"


def _pause(until: datetime | None) -> str:
    if until is None:
        return "not paused"
    return printed(until) if until > timezone.now() else f"was over at {printed(until)}"


def _cap(cap: Cap | None) -> str:
    return "none of their own" if cap is None else f"{_so_many(cap)}, over everything"


def _so_many(cap: Cap) -> str:
    return f"{cap.count:,} in {cap.seconds:,} seconds"


def _since(moment: datetime | None) -> str:
    return printed(moment, none="")


def _value(words: str) -> Any:
    return words or "nothing"
