"""Times as people say them: short in a sentence, and as an age."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

_UNITS = ((86_400, "day"), (3_600, "h"), (60, "min"))


def clock(moment: datetime, now: datetime) -> str:
    """Returns the time in the site's zone, such as "03:53", with the day where it is not today: "25 Nov 03:53"."""
    there, today = timezone.localtime(moment), timezone.localtime(now)
    if there.date() == today.date():
        return f"{there:%H:%M}"
    return f"{there.day} {there:%b %H:%M}" if there.year == today.year else f"{there.day} {there:%b %Y %H:%M}"


def at(moment: datetime, now: datetime) -> str:
    """Returns the time as it stands in a sentence: "at 03:53", "on 25 Nov at 03:53"."""
    day, _, time = clock(moment, now).rpartition(" ")
    return f"on {day} at {time}" if day else f"at {time}"


def since(moment: datetime, now: datetime) -> str:
    """Returns "since 03:53", or "since 25 Nov 03:53"."""
    return f"since {clock(moment, now)}"


def age(moment: datetime, now: datetime) -> str:
    """Returns how long ago it was, such as "41 min ago"; "in 5 min" for what is to come."""
    seconds = (now - moment) / timedelta(seconds=1)
    for size, unit in _UNITS:
        if abs(seconds) >= size:
            count = int(abs(seconds) // size)
            words = f"{count:,} {unit}{'s' if unit == 'day' and count > 1 else ''}"
            return f"{words} ago" if seconds > 0 else f"in {words}"
    return "just now" if seconds >= 0 else "in a moment"
