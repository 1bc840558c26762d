"""What decides about a notification: the rules in the order of docs/recipients.md, and a person's choices."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.messages.words import CategoryKind, Late, Overflow, Reason, SuppressedFor
from users.recipients.category_rules import Cap, CategoryRules
from users.recipients.decide import RULES, SEND, Action, Asked, Decision, Rule, decide, quiet_from
from users.recipients.digest_time import closes_at
from users.recipients.person import Choice, Person, Place, Preferences, cell, chosen_by

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
NEWS = CategoryRules("news")
ASKED = Asked(NEWS, "EMAIL")
TABLE = re.findall(r"^\| (\d+) \| (\w+) \|", Path("docs/recipients.md").read_text(), re.MULTILINE)

Case = tuple[Asked, Person]
replace = msgspec.structs.replace


def chose(person: Person, **chosen: object) -> Person:
    return replace(person, preferences=replace(person.preferences, **chosen))


def of_kind(asked: Asked, **rules: object) -> Asked:
    return replace(asked, category=replace(asked.category, **rules))


# What makes each rule answer. Applied together, all of them would.
PROVOKED: dict[str, Callable[[Asked, Person], Case]] = {
    "cancelled": lambda asked, person: (replace(asked, is_cancelled=True), person),
    "suppressed": lambda asked, person: (asked, replace(person, suppressions=[("", SuppressedFor.BOUNCED)])),
    "mandatory": lambda asked, person: (of_kind(asked, kind=CategoryKind.MANDATORY), person),
    "paused": lambda asked, person: (asked, chose(person, paused_until=NOW + HOUR)),
    "choice": lambda asked, person: (asked, chose(person, all_off_at=NOW - HOUR)),
    "cap": lambda asked, person: (
        of_kind(asked, cap=Cap(1, 3600)),
        replace(person, places={"news": [Place(UUID(int=1), NOW)]}),
    ),
    "quiet": lambda asked, person: (asked, chose(person, quiet=(time(11), time(13)))),
    "digest": lambda asked, person: (of_kind(asked, digest_seconds=600), person),
}


@pytest.mark.parametrize(("number", "name"), TABLE)
def test_the_first_rule_that_answers_decides(number: str, name: str) -> None:
    later = [word for place, word in TABLE if int(place) >= int(number)]
    case: Case = ASKED, Person()
    for word in later:
        case = PROVOKED[word](*case)
    rule = Rule(name)
    assert rule.number == int(number)
    assert decide(*case, NOW).rule is rule


def test_the_table_has_every_rule() -> None:
    assert len(TABLE) == len(RULES) == len(PROVOKED)


def test_where_no_rule_answers_it_is_sent() -> None:
    assert decide(ASKED, Person(), NOW) == SEND


def test_what_has_expired_is_not_sent_and_what_will_expire_is() -> None:
    assert decide(replace(ASKED, expires_at=NOW), Person(), NOW).rule is Rule.CANCELLED
    assert decide(replace(ASKED, expires_at=NOW + HOUR), Person(), NOW) == SEND


def test_what_a_person_paused_waits_until_the_pause_is_over() -> None:
    person = chose(Person(), paused_until=NOW + HOUR)
    assert decide(ASKED, person, NOW) == Decision(Action.WAIT, Rule.PAUSED, Reason.PAUSED, NOW + HOUR)
    assert decide(ASKED, person, NOW + HOUR) == SEND


@pytest.mark.parametrize("why", SuppressedFor)
def test_a_category_passes_the_reasons_that_it_names_but_never_stop(why: SuppressedFor) -> None:
    person = Person(suppressions=[("", why)])
    asked = of_kind(ASKED, kind=CategoryKind.MANDATORY, passes=frozenset(SuppressedFor))
    expected = Rule.SUPPRESSED if why is SuppressedFor.STOP else Rule.MANDATORY
    assert decide(asked, person, NOW).rule is expected
    unpassed = decide(of_kind(ASKED, kind=CategoryKind.MANDATORY), person, NOW).suppressed_for
    assert unpassed is (None if why is SuppressedFor.UNSUBSCRIBED else why)


def test_what_is_suppressed_for_one_category_is_no_other() -> None:
    person = Person(suppressions=[("news", SuppressedFor.UNSUBSCRIBED)])
    assert decide(ASKED, person, NOW).suppressed_for is SuppressedFor.UNSUBSCRIBED
    assert decide(Asked(CategoryRules("billing"), "EMAIL"), person, NOW) == SEND


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, None),
        ({"on_by_default": False}, SuppressedFor.NOT_CHOSEN),
        ({"channels": frozenset({"SMS"})}, SuppressedFor.NOT_CHOSEN),
        ({"channels": frozenset({"SMS", "EMAIL"})}, None),
    ],
)
def test_who_chose_nothing_gets_what_the_category_does_by_default(
    rules: dict[str, object], expected: SuppressedFor | None
) -> None:
    assert decide(of_kind(ASKED, **rules), Person(), NOW).suppressed_for is expected
    wants_it = chose(Person(), choices={cell("news", ""): Choice(on=True, at=NOW)})
    assert decide(of_kind(ASKED, **rules), wants_it, NOW) == SEND


def test_what_is_a_digest_or_comes_out_of_one_is_not_folded_again() -> None:
    digested = of_kind(ASKED, digest_seconds=600)
    until = NOW + timedelta(minutes=10)
    assert decide(digested, Person(), NOW) == Decision(Action.FOLD, Rule.DIGEST, Reason.DIGEST, until)
    assert decide(replace(digested, is_folded=True), Person(), NOW) == SEND


def test_a_digest_that_slides_has_a_limit_before_which_nothing_in_it_may_expire() -> None:
    sliding = of_kind(ASKED, digest_seconds=600, digest_limit=3600)
    until = NOW + timedelta(minutes=10)
    assert decide(sliding, Person(), NOW) == Decision(
        Action.FOLD, Rule.DIGEST, Reason.DIGEST, until, limit_at=NOW + HOUR
    )
    assert decide(replace(sliding, expires_at=NOW + HOUR), Person(), NOW) == SEND
    assert decide(replace(sliding, expires_at=NOW + 2 * HOUR), Person(), NOW).action is Action.FOLD


@pytest.mark.parametrize(("late", "rule"), [(Late.SEND, Rule.NONE), (Late.EXPIRE, Rule.DIGEST)])
def test_what_expires_before_the_digest_closes_does_what_its_category_says(late: Late, rule: Rule) -> None:
    digested = of_kind(ASKED, digest_seconds=600, late=late)
    until = NOW + timedelta(seconds=600)
    assert decide(replace(digested, expires_at=until), Person(), NOW).rule is rule
    assert decide(replace(digested, expires_at=until + HOUR), Person(), NOW).rule is Rule.DIGEST


@pytest.mark.parametrize(
    ("zone", "now", "expected"),
    [
        (None, "2026-11-30 07:59+00:00", "2026-11-30 08:00+00:00"),  # the site's zone is UTC
        ("Nowhere/Atlantis", "2026-11-30 08:00+00:00", "2026-12-01 08:00+00:00"),
        ("Europe/Berlin", "2026-11-30 06:59+00:00", "2026-11-30 07:00+00:00"),
        ("Asia/Tokyo", "2026-11-30 23:00+00:00", "2026-12-01 23:00+00:00"),
        ("Pacific/Kiritimati", "2026-11-30 12:00+00:00", "2026-11-30 18:00+00:00"),
        ("America/New_York", "2026-10-31 12:30+00:00", "2026-11-01 13:00+00:00"),  # clocks go back in that night
    ],
)
def test_a_digest_at_an_hour_closes_at_it_on_the_persons_clock(zone: str | None, now: str, expected: str) -> None:
    digested = of_kind(ASKED, digest_at=time(8))
    decision = decide(digested, chose(Person(), time_zone=zone), datetime.fromisoformat(now))
    assert decision.until == datetime.fromisoformat(expected)


@given(
    st.sampled_from(["America/New_York", "Australia/Lord_Howe", "Europe/Berlin", "Africa/Casablanca"]),
    st.integers(0, 5 * 366 * 86_400).map(lambda seconds: NOW + timedelta(seconds=seconds)),
    st.times(),
)
def test_a_digest_at_an_hour_closes_within_about_a_day_at_that_hour(zone: str, now: datetime, at: time) -> None:
    until = closes_at(now, seconds=None, at=at, zone=ZoneInfo(zone))
    assert until is not None
    assert timedelta() < until - now <= timedelta(hours=26)
    local = until.astimezone(ZoneInfo(zone))
    left_out = (
        datetime.combine(local.date(), at, ZoneInfo(zone)).astimezone(UTC).astimezone(ZoneInfo(zone)).time() != at
    )
    assert local.time() == at or left_out


CELLS = (cell("news", "EMAIL"), cell("news", ""), cell("", "EMAIL"))  # the narrowest first
choices = st.dictionaries(
    st.sampled_from([*CELLS, cell("news", "SMS"), cell("billing", "EMAIL"), cell("billing", "")]),
    st.builds(Choice, on=st.booleans(), at=st.integers(-3, 3).map(lambda hours: NOW + hours * HOUR)),
)


@given(choices, st.one_of(st.none(), st.integers(-3, 3).map(lambda hours: NOW + hours * HOUR)))
def test_the_narrowest_choice_counts_that_is_newer_than_everything_off(
    chosen: dict[str, Choice], all_off_at: datetime | None
) -> None:
    newer = [chosen[key] for key in CELLS if key in chosen and (all_off_at is None or chosen[key].at > all_off_at)]
    expected = newer[0].on if newer else (None if all_off_at is None else False)
    assert chosen_by(Preferences(choices=chosen, all_off_at=all_off_at), "news", "EMAIL") is expected


@pytest.mark.parametrize(
    "chosen", [{"all_off_at": NOW - HOUR}, {"choices": {cell("", "EMAIL"): Choice(on=False, at=NOW - HOUR)}}]
)
def test_who_switched_off_all_or_a_channel_gets_nothing_of_a_category_that_is_made_later(
    chosen: dict[str, Any],
) -> None:
    made_later = Asked(CategoryRules("surveys"), "EMAIL")
    assert decide(made_later, chose(Person(), **chosen), NOW).suppressed_for is SuppressedFor.CHOICE


def asleep(person: Person, zone: str = "Europe/Berlin") -> Person:
    """Whose night is from 12:00 until 14:00 there; it is 13:00."""
    return chose(person, quiet=(time(12), time(14)), time_zone=zone)


def test_in_quiet_hours_it_waits_until_some_minutes_after_their_end() -> None:
    found = [decide(replace(ASKED, key=f"person {number}"), asleep(Person()), NOW) for number in range(50)]
    assert {(each.action, each.rule, each.reason) for each in found} == {(Action.WAIT, Rule.QUIET, Reason.QUIET)}
    waits = {each.until - NOW for each in found if each.until}
    assert min(waits) >= HOUR
    assert max(waits) <= HOUR + timedelta(minutes=10)
    assert len(waits) > 40


@pytest.mark.parametrize("zone", [None, "Nowhere/Land"])
def test_without_a_zone_that_is_known_the_sites_counts(zone: str | None) -> None:
    person = chose(Person(), quiet=(time(12), time(14)), time_zone=zone)
    assert decide(replace(ASKED, site_zone="Europe/Berlin"), person, NOW).rule is Rule.QUIET
    assert decide(replace(ASKED, site_zone="Asia/Tokyo"), person, NOW) == SEND


def test_a_category_may_pass_quiet_hours_or_be_late_for_them() -> None:
    person, soon = asleep(Person()), NOW + timedelta(minutes=30)
    assert decide(of_kind(ASKED, quiet=False), person, NOW) == SEND
    assert decide(replace(ASKED, expires_at=soon), person, NOW) == SEND
    assert decide(of_kind(replace(ASKED, expires_at=soon), late=Late.EXPIRE), person, NOW).rule is Rule.QUIET
    assert decide(replace(ASKED, expires_at=NOW + 12 * HOUR), person, NOW).rule is Rule.QUIET


def test_the_law_counts_for_promotional_texts_alone_and_whatever_else_is_said() -> None:
    """It is 07:00 in New York, and 13:00 in Berlin."""
    promotional = {"kind": CategoryKind.PROMOTIONAL, "quiet": False, "late": Late.SEND}
    asked = of_kind(Asked(NEWS, "SMS", receiver="+12125550123", expires_at=NOW + timedelta(minutes=5)), **promotional)
    found = decide(asked, Person(), NOW)
    assert found.rule is Rule.QUIET
    assert HOUR <= (found.until or NOW) - NOW <= HOUR + timedelta(minutes=10)
    in_berlin = chose(Person(), time_zone="Europe/Berlin")
    assert decide(asked, in_berlin, NOW) == SEND, "their own zone counts where it is known"
    assert decide(of_kind(asked, kind=CategoryKind.TRANSACTIONAL), Person(), NOW) == SEND
    assert decide(of_kind(Asked(NEWS, "EMAIL", receiver="ann@example.com"), **promotional), Person(), NOW) == SEND


def test_it_is_known_when_it_is_quiet_next() -> None:
    """It is 07:00 in New York, and 13:00 in Berlin."""
    asked, in_berlin = Asked(NEWS, "SMS", receiver="+12125550123"), chose(Person(), time_zone="Europe/Berlin")
    assert quiet_from(asked, in_berlin, NOW) is None
    assert quiet_from(of_kind(asked, kind=CategoryKind.PROMOTIONAL), in_berlin, NOW) == NOW + 8 * HOUR
    evening = chose(in_berlin, quiet=(time(18), time(7)))
    assert quiet_from(asked, evening, NOW) == NOW + 5 * HOUR
    assert quiet_from(of_kind(asked, kind=CategoryKind.PROMOTIONAL), evening, NOW) == NOW + 5 * HOUR
    assert quiet_from(of_kind(asked, quiet=False), evening, NOW) is None


@pytest.mark.parametrize("count", [None, 0, 1, 3])
@given(ages=st.lists(st.integers(0, 90), max_size=6))
def test_a_cap_lets_so_many_into_every_window_and_waits_for_the_next_place(count: int | None, ages: list[int]) -> None:
    """Places were taken so many minutes ago, and the window is an hour."""
    places = [Place(UUID(int=number), NOW - timedelta(minutes=age)) for number, age in enumerate(ages)]
    asked = of_kind(ASKED, cap=None if count is None else Cap(count, 3600))
    found = decide(asked, Person(places={"news": places}), NOW)
    taken = sorted(age for age in ages if age < 60)
    if count == 0:
        assert found.suppressed_for is SuppressedFor.CAP
    elif count is None or len(taken) < count:
        assert found == SEND
    else:
        assert found.until == NOW + HOUR - timedelta(minutes=taken[count - 1])
        assert NOW < (found.until or NOW) <= NOW + HOUR, "the next place is never more than a window away"


def test_a_notification_does_not_wait_for_its_own_place() -> None:
    asked = of_kind(replace(ASKED, id=UUID(int=7)), cap=Cap(1, 3600))
    person = Person(places={"news": [Place(UUID(int=7), NOW)]})
    assert decide(asked, person, NOW) == SEND
    assert decide(replace(asked, id=UUID(int=8)), person, NOW).reason is Reason.CAPPED


def test_what_is_being_sent_has_its_place_and_may_give_it_back() -> None:
    asked = of_kind(ASKED, cap=Cap(1, 3600))
    found = decide(asked, Person(places={"news": [Place(UUID(int=1), None)]}), NOW)
    assert found.until == NOW + timedelta(minutes=1)


def test_what_is_over_a_cap_joins_a_digest_where_its_category_says_so() -> None:
    asked = of_kind(ASKED, cap=Cap(1, 3600), overflow=Overflow.DIGEST)
    person = Person(places={"news": [Place(UUID(int=1), NOW - HOUR / 2)]})
    assert decide(asked, Person(), NOW) == SEND
    assert decide(asked, person, NOW) == Decision(Action.FOLD, Rule.CAP, Reason.DIGEST, NOW + HOUR / 2)
    assert decide(replace(asked, is_folded=True), person, NOW).reason is Reason.CAPPED
    assert decide(of_kind(asked, cap=Cap(0, 3600)), person, NOW).suppressed_for is SuppressedFor.CAP
    sending = Person(places={"news": [Place(UUID(int=1), None)]})
    assert decide(asked, sending, NOW).until == NOW + HOUR, "what is being sent keeps its place, most likely"


def test_both_caps_count_and_bulk_stands_behind() -> None:
    person = chose(Person(places={"news": [Place(UUID(int=1), NOW - HOUR / 2)], "": [Place(UUID(int=1), NOW)]}))
    asked = of_kind(ASKED, cap=Cap(1, 3600))
    assert decide(asked, person, NOW).until == NOW + HOUR / 2
    person = chose(person, cap=Cap(1, 3600))
    assert decide(asked, person, NOW).until == NOW + HOUR
    assert (decide(replace(asked, is_bulk=True), person, NOW).until or NOW) > NOW + HOUR


def test_a_cap_of_a_channel_counts_there_alone() -> None:
    person = chose(Person(places={"SMS:": [Place(UUID(int=1), NOW)]}), channel_caps={"SMS": Cap(1, 3600)})
    on_sms, on_email = (replace(ASKED, channel=channel, receiver="") for channel in ("SMS", "EMAIL"))
    assert decide(on_sms, person, NOW).until == NOW + HOUR
    assert decide(on_email, person, NOW).rule is Rule.NONE


def test_preferences_come_out_of_their_document_as_they_went_in() -> None:
    preferences = Preferences("Europe/Berlin", None, NOW, NOW, None, {cell("news", ""): Choice(on=False, at=NOW)})
    assert msgspec.json.decode(msgspec.json.encode(preferences), type=Preferences) == preferences
