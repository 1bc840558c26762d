"""Quiet hours in every zone and around every change of clocks from 2026 to 2030, compared with a clock that is read.

The clock shows each minute its time of the day. A window is on from the first minute in which the clock has reached its
start to the last in which it has not reached its end: that is the rule, without a word about gaps, folds and offsets.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from functools import cache
from itertools import accumulate
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from users.recipients.quiet import Quiet, Window, next_start, quiet_until

FIRST, LAST = datetime(2026, 1, 1, tzinfo=UTC), datetime(2031, 1, 1, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
STEP = timedelta(days=5)  # no zone changes its clocks twice in that time; Morocco does within a month
A_DAY = 24 * 60  # minutes
AROUND = 28 * 60  # minutes before and after a change: the longest window and the day that it starts on

MINUTES = st.integers(0, 24 * 60 - 1).map(lambda minute: time(*divmod(minute, 60)))


def offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    found = moment.astimezone(zone).utcoffset()
    assert found is not None
    return found


def changes(zone: ZoneInfo) -> Iterator[datetime]:
    """Yields the minutes in which the zone's clocks change, found by bisection."""
    for step in range((LAST - FIRST) // STEP):
        low, high = FIRST + step * STEP, FIRST + (step + 1) * STEP
        if offset(zone, low) == offset(zone, high):
            continue
        while high - low > MINUTE:
            middle = low + (high - low) // 2 // MINUTE * MINUTE
            low, high = (middle, high) if offset(zone, middle) == offset(zone, low) else (low, middle)
        yield high


@cache
def zones_by_steps() -> dict[tuple[tuple[datetime, timedelta], ...], list[ZoneInfo]]:
    """All zones of the database by the moments from which a new offset counts: equal in these years stand together."""
    found: dict[tuple[tuple[datetime, timedelta], ...], list[ZoneInfo]] = {}
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        steps = tuple((moment, offset(zone, moment)) for moment in (FIRST, *changes(zone)))
        found.setdefault(steps, []).append(zone)
    return found


@cache
def every_change() -> list[tuple[ZoneInfo, datetime]]:
    """Each change of each zone, once for those that do the same then."""
    found = {
        (moment, offset(zone, moment - MINUTE), offset(zone, moment)): zone
        for zone in (zones[0] for zones in zones_by_steps().values())
        for moment in changes(zone)
    }
    return [(zone, moment) for (moment, *_), zone in found.items()]


class ClockThatIsRead:
    """What a zone's clock shows in each minute around a moment."""

    def __init__(self, zone: ZoneInfo, moment: datetime) -> None:
        self.begin = moment - AROUND * MINUTE
        self.shows = [(self.begin + n * MINUTE).astimezone(zone).replace(tzinfo=None) for n in range(2 * AROUND)]
        self.latest_so_far = list(accumulate(self.shows, max))
        self.earliest_to_come = list(accumulate(reversed(self.shows), min))[::-1]

    def quiet_minutes(self, window: Window) -> list[bool]:
        quiet = [False] * len(self.shows)
        for days in range(-1, (self.shows[-1] - self.shows[0]).days + 2):
            begins = datetime.combine(self.shows[0].date() + days * DAY, window.start)
            ends = datetime.combine(begins.date() + (window.end <= window.start) * DAY, window.end)
            first, after = bisect_left(self.latest_so_far, begins), bisect_left(self.earliest_to_come, ends)
            quiet[first:after] = [True] * (after - first)
        return quiet


def windows_around(shown: datetime, later: datetime) -> list[Window]:
    """Windows that begin or end at, within and after what the clock skips or shows twice."""
    low, high = sorted((shown, later))
    middle = low + (high - low) // 2
    evening, morning = low - 8 * HOUR, high + 9 * HOUR
    pairs = [*((evening, end) for end in (low, middle, high)), *((start, morning) for start in (low, middle, high))]
    return [Window(start.time(), end.time()) for start, end in [*pairs, (middle, middle + 7 * MINUTE)]]


def asked(quiet: list[bool]) -> Iterator[int]:
    """Yields the minutes that matter: where quiet begins and ends, those beside them, and some of all others."""
    edges, n = [AROUND], 0
    with suppress(ValueError):
        while True:
            n = quiet.index(not quiet[n], n)
            edges.append(n)
    yield from sorted({n + beside for n in edges for beside in (-1, 0, 1)} | set(range(0, len(quiet) - 1, 173)))


def first_allowed(quiet: list[bool], n: int) -> int | None:
    """Returns the first minute from this one on that is not quiet; None where that is after what was read."""
    try:
        return quiet.index(False, n)
    except ValueError:
        return None


def first_quiet(quiet: list[bool], n: int) -> int | None:
    """Returns the first minute after this one in which a window begins; None where that is after what was read."""
    allowed = first_allowed(quiet, n)
    try:
        return None if allowed is None else quiet.index(True, allowed)
    except ValueError:
        return None


def is_inside(window: Window, shown: time) -> bool:
    if window.start < window.end:
        return window.start <= shown < window.end
    return shown >= window.start or shown < window.end


def compare(zone: ZoneInfo, moment: datetime, windows: list[Window]) -> int:
    """Compares `quiet_until` with the clock that is read. Returns how many answers were compared."""
    clock, compared = ClockThatIsRead(zone, moment), 0
    for window in windows:
        quiet = clock.quiet_minutes(window)
        for n in asked(quiet):
            wakes = first_allowed(quiet, n)
            if wakes is not None:
                asked_at = clock.begin + n * MINUTE
                until = quiet_until(asked_at, [Quiet(window, zone)])
                assert until == (clock.begin + wakes * MINUTE if quiet[n] else None), (zone.key, window, asked_at)
                assert until or not is_inside(window, clock.shows[n].time()), (zone.key, window, asked_at)
                compared += 1
            begins = first_quiet(quiet, n)
            if begins is not None and begins - n <= A_DAY:
                start = next_start(clock.begin + n * MINUTE, [Quiet(window, zone)])
                assert start == clock.begin + begins * MINUTE, (zone.key, window, clock.begin + n * MINUTE)
    return compared


def test_the_changes_that_are_known_are_found() -> None:
    assert len(available_timezones()) > 500
    assert len(every_change()) > 200
    lord_howe = list(changes(ZoneInfo("Australia/Lord_Howe")))
    assert len(lord_howe) == 10
    assert lord_howe[0] == datetime(2026, 4, 4, 15, tzinfo=UTC)
    assert offset(ZoneInfo("Australia/Lord_Howe"), lord_howe[0] - MINUTE) == timedelta(hours=11)
    assert offset(ZoneInfo("Australia/Lord_Howe"), lord_howe[0]) == timedelta(hours=10, minutes=30)
    assert len(list(changes(ZoneInfo("Europe/Berlin")))) == 10
    assert list(changes(ZoneInfo("Asia/Kolkata"))) == []


@pytest.mark.parametrize("part", range(4))
def test_around_every_change_of_clocks(part: int) -> None:
    for zone, moment in every_change()[part::4]:
        before, after = offset(zone, moment - MINUTE), offset(zone, moment)
        naive = moment.replace(tzinfo=None)
        assert compare(zone, moment, windows_around(naive + before, naive + after))


def test_the_usual_night_in_every_zone_and_around_each_of_its_changes() -> None:
    """Under every name, since a name is what is stored."""
    night = Window(time(22), time(7))
    day = [FIRST + hours * HOUR for hours in range(0, 24, 5)]
    for steps, zones in zones_by_steps().items():
        for zone in zones:
            for moment in (*day, *(moment for moment, _ in steps)):
                shown = moment.astimezone(zone)
                until = quiet_until(moment, [Quiet(night, zone)])
                assert (until is None) == (7 <= shown.hour < 22), (zone.key, moment)
                if until:
                    assert until.astimezone(zone).time() == time(7), (zone.key, moment)


def windows(times: st.SearchStrategy[time]) -> st.SearchStrategy[Window]:
    return st.tuples(times, times).filter(lambda pair: pair[0] != pair[1]).map(lambda pair: Window(*pair))


@settings(max_examples=60)
@given(change=st.deferred(lambda: st.sampled_from(every_change())), window=windows(MINUTES))
def test_any_window_at_any_change(change: tuple[ZoneInfo, datetime], window: Window) -> None:
    assert compare(*change, [window])


@settings(max_examples=60)
@given(
    change=st.deferred(lambda: st.sampled_from(every_change())),
    other=st.deferred(lambda: st.sampled_from([zones[0] for zones in zones_by_steps().values()])),
    both=st.tuples(windows(MINUTES), windows(MINUTES)),
)
def test_two_windows_wake_at_the_first_minute_that_both_allow(
    change: tuple[ZoneInfo, datetime], other: ZoneInfo, both: tuple[Window, Window]
) -> None:
    zone, moment = change
    clocks = [ClockThatIsRead(zone, moment), ClockThatIsRead(other, moment)]
    minutes = [clock.quiet_minutes(window) for clock, window in zip(clocks, both, strict=True)]
    together = [any(each) for each in zip(*minutes, strict=True)]
    for n in asked(together):
        wakes = first_allowed(together, n)
        if wakes is not None:
            until = quiet_until(clocks[0].begin + n * MINUTE, [Quiet(both[0], zone), Quiet(both[1], other)])
            assert until == (clocks[0].begin + wakes * MINUTE if together[n] else None)
