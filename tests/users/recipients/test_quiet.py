"""Quiet hours: until when windows put a notification off, and when whoever waits wakes."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from users.recipients.quiet import LONGEST, SPREAD, Quiet, Window, quiet_until, spread, window_of

NIGHT = Window(time(22), time(7))
BERLIN, NEW_YORK, LORD_HOWE = map(ZoneInfo, ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe"))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "until"),
    [
        ("2026-12-01 20:59", None),
        ("2026-12-01 21:00", "2026-12-02 06:00"),  # the start is part of it
        ("2026-12-02 05:59:59", "2026-12-02 06:00"),
        ("2026-12-02 06:00", None),  # the end is not
        ("2026-12-01 12:00", None),
    ],
)
def test_a_window_past_midnight(moment: str, until: str | None) -> None:
    assert quiet_until(at(moment), [Quiet(NIGHT, BERLIN)]) == (until and at(until))


@pytest.mark.parametrize(
    ("moment", "until"), [("12:59", None), ("13:00", "14:30"), ("14:29", "14:30"), ("14:30", None), ("02:00", None)]
)
def test_a_window_within_a_day(moment: str, until: str | None) -> None:
    siesta = [Quiet(window_of("13:00", "14:30"), ZoneInfo("UTC"))]
    assert quiet_until(at(f"2026-12-01 {moment}"), siesta) == (until and at(f"2026-12-01 {until}"))


@pytest.mark.parametrize(
    ("window", "zone", "start", "end"),
    [
        (("22:00", "07:00"), NEW_YORK, "2027-03-14 03:00", "2027-03-14 11:00"),  # 8 hours
        (("22:00", "07:00"), NEW_YORK, "2026-11-01 02:00", "2026-11-01 12:00"),  # 10 hours
        (("22:00", "02:30"), NEW_YORK, "2027-03-14 03:00", "2027-03-14 07:00"),  # the end is in the gap
        (("02:30", "07:00"), NEW_YORK, "2027-03-14 07:00", "2027-03-14 11:00"),  # the start is
        (("22:00", "01:30"), NEW_YORK, "2026-11-01 02:00", "2026-11-01 06:30"),  # the end comes twice
        (("01:30", "07:00"), NEW_YORK, "2026-11-01 05:30", "2026-11-01 12:00"),  # the start does
        (("22:00", "01:00"), NEW_YORK, "2026-11-01 02:00", "2026-11-01 05:00"),  # no later time is in it
        (("22:00", "02:00"), NEW_YORK, "2026-11-01 02:00", "2026-11-01 07:00"),
        (("01:15", "01:45"), NEW_YORK, "2026-11-01 05:15", "2026-11-01 06:45"),  # both do
        (("22:00", "02:15"), LORD_HOWE, "2026-10-03 11:30", "2026-10-03 15:30"),  # a gap of half an hour
        (("22:00", "01:45"), LORD_HOWE, "2026-04-04 11:00", "2026-04-04 15:15"),  # half an hour twice
    ],
)
def test_where_clocks_change(window: tuple[str, str], zone: ZoneInfo, start: str, end: str) -> None:
    quiets = [Quiet(window_of(*window), zone)]
    second = timedelta(seconds=1)
    assert quiet_until(at(start) - second, quiets) is None
    assert quiet_until(at(start), quiets) == at(end)
    assert quiet_until(at(end) - second, quiets) == at(end)
    assert quiet_until(at(end), quiets) is None


def test_a_window_inside_the_gap_is_no_time_at_all() -> None:
    quiets = [Quiet(window_of("02:10", "02:50"), NEW_YORK)]
    assert {quiet_until(at("2027-03-14 06:30") + timedelta(minutes=each), quiets) for each in range(90)} == {None}


def test_all_windows_must_allow() -> None:
    """One ends when the next has begun, and the zones of a number differ."""
    morning, noon = window_of("22:00", "07:00"), window_of("06:30", "12:00")
    assert quiet_until(at("2026-12-01 23:00"), [Quiet(morning, BERLIN), Quiet(noon, BERLIN)]) == at("2026-12-02 11:00")
    both = [Quiet(NIGHT, BERLIN), Quiet(NIGHT, NEW_YORK)]
    assert quiet_until(at("2026-12-01 06:30"), both) == at("2026-12-01 12:00")
    assert quiet_until(at("2026-12-01 22:00"), both) == at("2026-12-02 12:00")
    assert quiet_until(at("2026-12-01 15:00"), both) is None
    assert quiet_until(at("2026-12-01 22:00"), []) is None


def test_a_window_of_some_days() -> None:
    closed = [
        Quiet(Window(time(20), time(0), frozenset({5})), BERLIN),
        Quiet(Window(time(0), time(12), frozenset({6})), BERLIN),
    ]
    assert quiet_until(at("2026-12-05 19:30"), closed) == at("2026-12-06 11:00")  # Saturday evening
    assert quiet_until(at("2026-12-04 19:30"), closed) is None
    overnight = [Quiet(Window(time(20), time(8), frozenset({5})), BERLIN)]
    assert quiet_until(at("2026-12-06 05:00"), overnight) == at("2026-12-06 07:00")  # Sunday, of Saturday's window


def test_windows_that_never_allow_put_it_off_by_a_bounded_time() -> None:
    never = [Quiet(window_of("07:00", "20:00"), BERLIN), Quiet(window_of("20:00", "07:00"), BERLIN)]
    until = quiet_until(at("2026-12-01 12:00"), never)
    assert until is not None
    assert LONGEST <= until - at("2026-12-01 12:00") <= LONGEST + timedelta(days=1)


def test_the_moment_may_come_in_any_zone() -> None:
    moment = at("2026-12-01 23:30").astimezone(timezone(timedelta(hours=14)))
    assert quiet_until(moment, [Quiet(NIGHT, BERLIN)]) == at("2026-12-02 06:00")


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        ("22:00", "22:00", "start and end must differ"),
        ("24:00", "07:00", "start must be a time of the day such as 22:00"),
        ("22:00", "7:00", "end must be a time of the day such as 22:00"),
        ("22:00", "07:00:00", "end must be a time of the day such as 22:00"),
        ("٢٢:00", "07:00", "start must be a time of the day such as 22:00"),
        ("22:00\n", "07:00", "start must be a time of the day such as 22:00"),
    ],
)
def test_a_window_that_is_none_is_refused(start: str, end: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}$"):
        window_of(start, end)


def test_people_who_wait_for_the_same_moment_wake_spread_over_ten_minutes() -> None:
    quiets, until = [Quiet(NIGHT, BERLIN)], at("2026-12-02 06:00")
    delays = [spread(until, f"user-{number}", quiets) - until for number in range(10_000)]
    assert min(delays) >= timedelta(0)
    assert max(delays) < SPREAD
    by_minute = Counter(delay // timedelta(minutes=1) for delay in delays)
    assert len(by_minute) == 10
    assert max(by_minute.values()) < 1_200
    assert spread(until, "anna", quiets) == spread(until, "anna", quiets) == at("2026-12-02 06:08:46.263")


def test_nobody_wakes_when_it_is_quiet_again() -> None:
    quiets = [Quiet(window_of("22:00", "07:00"), BERLIN), Quiet(window_of("07:03", "12:00"), BERLIN)]
    until = at("2026-12-02 06:00")
    woken = [spread(until, f"user-{number}", quiets) for number in range(1_000)]
    assert {quiet_until(moment, quiets) for moment in woken} == {None}
    assert max(woken) > until + timedelta(minutes=2, seconds=50)


def test_nobody_wakes_when_it_is_quiet_again_past_the_midnight_of_utc() -> None:
    quiets = [Quiet(window_of("00:04", "12:00"), ZoneInfo("UTC"))]
    woken = {spread(at("2026-12-01 23:58"), f"user-{number}", quiets) for number in range(1_000)}
    assert max(woken) < at("2026-12-02 00:04")


def test_who_waits_until_just_before_it_is_quiet_wakes_at_once() -> None:
    until = at("2026-12-01 20:59:59.999500")
    assert spread(until, "anna", [Quiet(NIGHT, BERLIN)]) == until
