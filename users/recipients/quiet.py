"""Quiet hours: until when windows on wall clocks put a notification off. Pure, and all comparisons are in UTC.

Clocks change. A start in the hour that comes twice is its first time, an end its second; a start or an end in the hour
that is left out is the moment of the change. So nothing passes while the wall clock shows a time in the window.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zlib import crc32
from zoneinfo import ZoneInfo

import msgspec

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
MILLISECOND = timedelta(milliseconds=1)
CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
EVERY_DAY = frozenset(range(7))
LONGEST = timedelta(days=8)  # a week, after which every window comes again, and a day for what lasts overnight
SPREAD = timedelta(minutes=10)


class Window(msgspec.Struct, frozen=True, gc=False):
    """A time on the wall clock that comes again and again: from `start` until `end`, which is not part of it.

    An end that is not after the start is on the next day. `days` are the weekdays, Monday is 0, on which it starts.
    Raises ValueError where start and end are the same, which can mean never as well as always.
    """

    start: time
    end: time
    days: frozenset[int] = EVERY_DAY

    def __post_init__(self) -> None:
        if self.start == self.end:
            raise ValueError("start and end must differ")


class Quiet(NamedTuple):
    """A window on the clocks of a zone."""

    window: Window
    zone: ZoneInfo


def quiet_until(moment: datetime, quiets: Sequence[Quiet]) -> datetime | None:
    """Returns the first moment (UTC) from this one on at which no window is on, or None where that is this one itself.

    Windows that together leave no such moment within `LONGEST` put it off by about that time. The caller decides again
    then, so it is still not sent.
    """
    at, before = moment.astimezone(UTC), None
    last = at + LONGEST
    while at != before and at < last:
        before = at
        for window, zone in quiets:
            for start, end in _spans(window, zone, at.date()):
                if start <= at < end:
                    at = end
                    break
    return at if at > moment else None


def next_start(moment: datetime, quiets: Sequence[Quiet]) -> datetime | None:
    """Returns the first moment (UTC) after this one at which a window begins; None where none does for a day."""
    at = moment.astimezone(UTC)
    days = (at.date(), at.date() + DAY)
    spans = (span for window, zone in quiets for day in days for span in _spans(window, zone, day))
    return min((start for start, end in spans if at < start < end), default=None)


def spread(until: datetime, person: str, quiets: Sequence[Quiet]) -> datetime:
    """Returns when this person wakes, who waits until this moment: up to `SPREAD` later, by a hash of their key.

    It is before a window is on again, so the delay is within a shorter time where the windows leave no more.
    """
    until = until.astimezone(UTC)
    start = next_start(until, quiets)
    longest = SPREAD if start is None else min(SPREAD, start - until)
    return until + crc32(person.encode()) % max(longest // MILLISECOND, 1) * MILLISECOND


@lru_cache(maxsize=8192)
def window_of(start: str, end: str) -> Window:
    """Returns the window of every day between two times such as 22:00. Raises ValueError with what they must be."""
    for name, value in (("start", start), ("end", end)):
        if not CLOCK.fullmatch(value):
            raise ValueError(f"{name} must be a time of the day such as 22:00")
    return Window(time.fromisoformat(start), time.fromisoformat(end))


@lru_cache(maxsize=8192)
def _spans(window: Window, zone: ZoneInfo, day: date) -> tuple[tuple[datetime, datetime], ...]:
    """Returns from when until when the window is on, in UTC and in order, in this day of UTC and `SPREAD` after it.

    Cached, since a day has few windows and zones: whoever asks pays for two comparisons, not for the calendar.
    """
    midnight = datetime.combine(day, time(), UTC)
    found = []
    for days in range(-2, 3):  # a zone's date differs from that of UTC by a day, and a window can last overnight
        begins = day + days * DAY
        if begins.weekday() in window.days:
            ends = begins if window.start < window.end else begins + DAY
            start, end = _instant(begins, window.start, zone, fold=0), _instant(ends, window.end, zone, fold=1)
            if start < midnight + DAY + SPREAD and end > midnight:
                found.append((start, end))
    return tuple(found)


def _instant(day: date, clock: time, zone: ZoneInfo, *, fold: int) -> datetime:
    """Returns the moment (UTC) at which the wall clock shows this, of two the first with `fold=0`, the second with 1.

    The time to which a clock is put back is no second one: what comes after it is all later than that.
    """
    wall = datetime.combine(day, clock, zone)
    first, second = (wall.replace(fold=each).astimezone(UTC) for each in (0, 1))
    if first > second:  # no clock shows it: the two are what it would be before and after the change
        return _change(second, first, zone)
    if fold and first < second > _change(first, second, zone):
        return second
    return first


def _change(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    """Returns the second (UTC) in which the clocks of the zone change between these two moments."""
    offset = before.astimezone(zone).utcoffset()
    before = before.replace(microsecond=0)
    while after - before > SECOND:
        middle = before + (after - before) // 2 // SECOND * SECOND
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after
