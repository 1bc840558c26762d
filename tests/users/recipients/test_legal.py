"""The table of legal hours: its rows, the area codes that lead to them, and that each of them lets something pass."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from phonenumbers import geocoder, parse

from harness.services.process import ROOT
from users.recipients.legal import FEDERAL, STATES, STRICTER, VERSION, Law, law_of, legal_quiets
from users.recipients.quiet import quiet_until
from users.recipients.zones import zones_of

ALL = (FEDERAL, *STRICTER)
AREAS = [f"{area}" for area in range(200, 1000)]
HALF_HOUR = timedelta(minutes=30)
EASTERN, CENTRAL = ZoneInfo("America/New_York"), ZoneInfo("America/Chicago")
ABBREVIATED = {"AL": "Alabama", "FL": "Florida", "MS": "Mississippi", "OR": "Oregon", "PA": "Pennsylvania"} | {
    "TX": "Texas",
    "WA": "Washington",
}


def number_in(area: str) -> str:
    return f"+1{area}2000100"


def allowed(law: Law, local: datetime) -> bool:
    zone = local.tzinfo
    assert isinstance(zone, ZoneInfo)
    area = (law.areas or "212").split()[0]
    return quiet_until(local.astimezone(UTC), legal_quiets(number_in(area), [zone])) is None


def law(place: str) -> Law:
    (found,) = (each for each in ALL if each.place == place)
    return found


@pytest.mark.parametrize(
    ("place", "zone", "local", "expected"),
    [
        ("US", EASTERN, "2026-12-02 07:59", False),
        ("US", EASTERN, "2026-12-02 08:00", True),
        ("US", EASTERN, "2026-12-02 20:59", True),
        ("US", EASTERN, "2026-12-02 21:00", False),
        ("US", EASTERN, "2026-12-06 12:00", True),  # a Sunday
        ("Florida", EASTERN, "2026-12-02 19:59", True),
        ("Florida", EASTERN, "2026-12-02 20:00", False),
        ("Texas", CENTRAL, "2026-12-05 09:00", True),  # Saturday
        ("Texas", CENTRAL, "2026-12-06 11:59", False),  # Sunday
        ("Texas", CENTRAL, "2026-12-06 12:00", True),
        ("Texas", CENTRAL, "2026-12-06 20:59", True),
        ("Rhode Island", EASTERN, "2026-12-04 17:59", True),  # Friday
        ("Rhode Island", EASTERN, "2026-12-04 18:00", False),
        ("Rhode Island", EASTERN, "2026-12-05 09:59", False),
        ("Rhode Island", EASTERN, "2026-12-05 16:59", True),
        ("Rhode Island", EASTERN, "2026-12-06 12:00", False),  # Sunday: not at all
        ("South Dakota", CENTRAL, "2026-12-05 12:00", False),
        ("Pennsylvania", EASTERN, "2026-12-06 12:00", False),
    ],
)
def test_hours_of_some_places(place: str, zone: ZoneInfo, local: str, expected: bool) -> None:
    assert allowed(law(place), datetime.fromisoformat(local).replace(tzinfo=zone)) is expected


def test_a_closed_weekend_is_waited_for_as_one() -> None:
    friday = datetime(2026, 12, 4, 21, tzinfo=CENTRAL)
    until = quiet_until(friday, legal_quiets("+16055550100", [CENTRAL]))
    assert until == datetime(2026, 12, 7, 9, tzinfo=CENTRAL)


@pytest.mark.parametrize("law", ALL, ids=lambda law: law.place)
def test_every_law_says_where_it_is_from_and_is_no_laxer_than_the_federal_one(law: Law) -> None:
    assert law.source
    assert date(2026, 11, 1) <= law.read <= date.fromisoformat(VERSION)
    assert len(law.hours) == 7
    assert all(8 <= hours[0] < hours[1] <= 21 for hours in law.hours if hours)


@pytest.mark.parametrize("law", ALL, ids=lambda law: law.place)
def test_every_law_lets_something_pass_each_week_in_all_zones_of_each_of_its_numbers(law: Law) -> None:
    monday = datetime(2027, 3, 8, tzinfo=UTC)  # with a change of clocks
    for area in law.areas.split() or ["212", "671", "800"]:  # New York, Guam, and one that is anywhere
        number = number_in(area)
        quiets = legal_quiets(number, zones_of(None, number, "UTC"))
        open_for = sum(quiet_until(monday + n * HALF_HOUR, quiets) is None for n in range(7 * 48)) * HALF_HOUR
        assert open_for >= timedelta(hours=12), area


def test_an_area_code_leads_to_the_law_of_its_state() -> None:
    """As the numbering plan has it, which changes: a new area code fails here when phonenumbers knows it."""
    for area in AREAS:
        where = geocoder.description_for_number(parse(number_in(area)), "en").replace("Washington State", "Washington")
        state = ABBREVIATED.get(where[-2:], where) if where[-4:-2] == ", " else where
        expected = state if state in {each.place for each in STRICTER} else None
        assert (STATES[area].place if area in STATES else None) == expected, f"{area}: {where}"


@pytest.mark.parametrize(
    ("number", "place"),
    [
        ("+12125550100", "US"),  # New York has no row
        ("+17875550100", "US"),  # Puerto Rico
        ("+16715550100", "US"),  # Guam
        ("+18005550100", "US"),  # anywhere
        ("+12005550100", "US"),  # not given out yet
        ("+1", "US"),
        ("+14165550100", None),  # Toronto
        ("+18765550100", None),  # Jamaica
        ("+4915112345678", None),
        ("+447400123456", None),
    ],
)
def test_an_unknown_state_is_federal_and_an_other_country_has_no_law_here(number: str, place: str | None) -> None:
    found = law_of(number)
    assert (found and found.place) == place
    assert bool(legal_quiets(number, [EASTERN])) == bool(place)


def test_no_zone_and_a_zone_that_is_unknown_leave_the_law_in_force() -> None:
    """AWS Pinpoint sends where the zone is missing."""
    early = datetime(2026, 12, 2, 12, 59, tzinfo=UTC)  # 07:59 in New York
    for own in (None, "", "Mars/Olympus"):
        quiets = legal_quiets("+12125550100", zones_of(own, "+12125550100", "UTC"))
        assert quiet_until(early, quiets) == early + timedelta(minutes=1)


def test_the_page_has_the_hours_of_every_place() -> None:
    page = (ROOT / "docs" / "recipients.md").read_text()
    rows = dict(re.findall(r"^\| ([A-Z][^|]+) \| (\d+ to .+) \|$", page, re.MULTILINE))
    named = {place: hours for places, hours in rows.items() for place in places.split(", ")}
    assert named == {in_words(each.place): hours_in_words(each) for each in ALL}


def in_words(place: str) -> str:
    return "United States and their territories" if place == "US" else place


def hours_in_words(law: Law) -> str:
    """As the page has them."""
    weekdays, saturday, sunday = law.hours[0], law.hours[5], law.hours[6]
    assert weekdays is not None
    words = "{} to {}".format(*weekdays)
    if saturday and saturday != weekdays:
        words += ", on Saturdays {} to {}".format(*saturday)
    if sunday and sunday != weekdays:
        words += f", on Sundays from {sunday[0]}"
    if not sunday:
        words += ", not on Sundays" if saturday else ", not on Saturdays and Sundays"
    return words
