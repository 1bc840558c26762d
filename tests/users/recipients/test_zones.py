"""Which time zones count for a person: their own, those of their number, the site's. There is always one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from phonenumbers.tzdata import TIMEZONE_DATA

from notifications.messages.words import CategoryKind
from users.recipients import zones
from users.recipients.category_rules import CategoryRules
from users.recipients.decide import Asked, Rule, decide
from users.recipients.person import Person, Preferences
from users.recipients.quiet import Quiet, quiet_until, window_of
from users.recipients.zones import known_zone, zones_of

SITE = "Asia/Tokyo"
FILES = ["America", "../etc/passwd", "/etc/localtime", "localtime", "Factory", "posixrules", "right/UTC"]
NO_ZONES = [*FILES, "a" * 5000, "\0", "\ud800", "Europe/Berlin ", "UTC+1"]


@pytest.fixture
def _database() -> Iterator[None]:
    """Lets the test see the database of zones that it makes."""
    yield
    forget()


def forget() -> None:
    zones.known_zone.cache_clear()
    zones._zones_of_number.cache_clear()


def names(own: str | None, number: str | None) -> list[str]:
    return [zone.key for zone in zones_of(own, number, SITE)]


@pytest.mark.parametrize(
    ("own", "number", "expected"),
    [
        ("Europe/Berlin", "+12125550100", ["Europe/Berlin"]),
        (None, "+12125550100", ["America/New_York"]),
        ("", "+4915112345678", ["Europe/Berlin"]),
        ("Berlin", "+12125550100", ["America/New_York"]),
        (None, None, ["Asia/Tokyo"]),
        (None, "", ["Asia/Tokyo"]),
        ("Berlin", "anna@example.com", ["Asia/Tokyo"]),
        (None, "C0123456789", ["Asia/Tokyo"]),
        (None, "+99912345678", ["Asia/Tokyo"]),  # no country's
        (None, "+999999999999999999999", ["Asia/Tokyo"]),
        (None, "+881612345678", ["Asia/Tokyo"]),  # satellites
    ],
)
def test_the_first_that_tells_counts(own: str | None, number: str | None, expected: list[str]) -> None:
    assert names(own, number) == expected


@pytest.mark.parametrize(
    ("number", "count"), [("+447400123456", 4), ("+61412345678", 8), ("+79161234567", 16), ("+18005550100", 42)]
)
def test_a_number_that_can_be_in_several_zones_counts_in_all_of_them(number: str, count: int) -> None:
    assert len(set(names(None, number))) == count


def test_it_must_be_a_good_time_in_all_zones_of_a_number() -> None:
    quiets = [Quiet(window_of("22:00", "07:00"), zone) for zone in zones_of(None, "+61412345678", SITE)]
    west, east = ZoneInfo("Indian/Cocos"), ZoneInfo("Australia/Lord_Howe")
    morning = datetime(2026, 12, 2, 7, tzinfo=west)
    assert quiet_until(datetime(2026, 12, 1, 20, 30, tzinfo=UTC), quiets) == morning
    assert quiet_until(morning.astimezone(UTC), quiets) is None
    assert quiet_until(datetime(2026, 12, 1, 21, 59, tzinfo=east), quiets) is None
    assert quiet_until(datetime(2026, 12, 1, 22, tzinfo=east), quiets) == morning


@pytest.mark.parametrize("own", ["", "Mars/Olympus", "Berlin", "europe/berlin", None])
def test_no_zone_is_never_no_quiet_hours(own: str | None) -> None:
    quiets = [Quiet(window_of("22:00", "07:00"), zone) for zone in zones_of(own, None, SITE)]
    assert quiet_until(datetime(2026, 12, 1, 14, tzinfo=UTC), quiets) == datetime(2026, 12, 1, 22, tzinfo=UTC)


@pytest.mark.usefixtures("_database")
def test_a_zone_that_the_database_has_dropped_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert names("Europe/Berlin", None) == ["Europe/Berlin"]
    forget()
    monkeypatch.setattr(zones, "zone_names", lambda: frozenset({"Asia/Tokyo", "America/New_York"}))
    assert names("Europe/Berlin", None) == ["Asia/Tokyo"]
    assert names("Europe/Berlin", "+12125550100") == ["America/New_York"]


@pytest.mark.usefixtures("_database")
@pytest.mark.parametrize("left", ["America/New_York", "America/Chicago"])
def test_a_zone_that_was_dropped_is_no_way_past_the_law(monkeypatch: pytest.MonkeyPatch, left: str) -> None:
    """Nor does it matter whether the zone of the number is still there."""
    monkeypatch.setattr(zones, "zone_names", lambda: frozenset({left}))
    offers = CategoryRules("offers", CategoryKind.PROMOTIONAL)
    asked = Asked(offers, "SMS", receiver="+12125550100", site_zone="America/New_York")
    person = Person(Preferences(time_zone="Europe/Berlin"))
    evening = datetime(2026, 12, 1, 20, 59, tzinfo=ZoneInfo("America/New_York"))
    assert decide(asked, person, evening).rule is Rule.NONE
    found = decide(asked, person, evening + timedelta(minutes=1))
    assert (found.rule, found.until and found.until >= evening + timedelta(hours=11)) == (Rule.QUIET, True)


@pytest.mark.parametrize("name", NO_ZONES)
def test_any_text_may_be_asked_for(name: str) -> None:
    assert known_zone(name) is None


def test_every_zone_of_the_numbers_is_in_the_database() -> None:
    """So that a number is never allowed in fewer zones than it has."""
    assert {name for zones in TIMEZONE_DATA.values() for name in zones} <= available_timezones()
