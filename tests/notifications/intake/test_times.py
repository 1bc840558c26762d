"""The times of a request: when it may go out at the earliest and the latest, and what is refused of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from notifications.intake.accept import accept
from notifications.intake.refused import Conflict, Refused
from notifications.messages.message import from_record
from notifications.messages.rules import CLOCKS_DIFFER, FURTHEST_AHEAD
from tests.caller import EMAIL, Api, json_of
from tests.notifications.intake.conftest import Broker, draft
from tests.notifications.rows import ago, read

pytestmark = pytest.mark.django_db(transaction=True)

IN_AN_HOUR, IN_TWO_HOURS = timedelta(hours=1), timedelta(hours=2)
KATHMANDU = timezone(timedelta(hours=5, minutes=45))


def at(ahead: timedelta) -> datetime:
    return datetime.now(UTC) + ahead


def test_what_is_scheduled_is_published_at_once_and_needs_no_database(
    broker: Broker, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    send_at = at(IN_AN_HOUR).astimezone(KATHMANDU)
    with django_assert_num_queries(0):
        accept([draft(send_at=send_at)], client="shop")
    published = from_record(broker.records[0].value)
    assert published.send_at == send_at
    assert published.send_at.tzinfo is UTC
    assert b"latest_at" not in broker.records[0].value


@pytest.mark.parametrize(
    ("given", "end"),
    [
        ({"latest_at": IN_AN_HOUR}, IN_AN_HOUR),
        ({"expires_at": IN_AN_HOUR, "latest_at": IN_TWO_HOURS}, IN_AN_HOUR),
        ({"expires_at": IN_TWO_HOURS, "latest_at": IN_AN_HOUR}, IN_AN_HOUR),
        ({"expires_at": IN_TWO_HOURS}, IN_TWO_HOURS),
    ],
)
def test_it_expires_at_the_earlier_of_both_ends(given: dict[str, timedelta], end: timedelta) -> None:
    now = datetime.now(UTC)
    (id,) = accept([draft(**{name: now + ahead for name, ahead in given.items()})], client="shop").ids
    assert read(id).expires_at == now + end


@pytest.mark.parametrize("ahead", [-CLOCKS_DIFFER + IN_AN_HOUR / 60, timedelta(0), FURTHEST_AHEAD])
def test_a_clock_that_differs_a_little_is_no_mistake(ahead: timedelta) -> None:
    send_at = at(ahead)
    (id,) = accept([draft(send_at=send_at)], client="shop").ids
    assert read(id).send_at == send_at


@pytest.mark.parametrize(
    ("given", "field", "why"),
    [
        ({"send_at": -IN_AN_HOUR}, "send_at", "Must not be in the past."),
        ({"send_at": FURTHEST_AHEAD + IN_AN_HOUR}, "send_at", "Must be at most 90 days ahead."),
        ({"send_at": IN_AN_HOUR, "latest_at": IN_AN_HOUR}, "latest_at", "Must be after send_at."),
        ({"send_at": IN_TWO_HOURS, "expires_at": IN_AN_HOUR}, "expires_at", "Must be after send_at."),
        ({"latest_at": -IN_AN_HOUR}, "latest_at", "Must be in the future."),
        ({"send_at": IN_AN_HOUR, "expires_at": -IN_AN_HOUR}, "expires_at", "Must be in the future."),
    ],
)
def test_times_that_cannot_be_kept_are_refused_by_field(given: dict[str, timedelta], field: str, why: str) -> None:
    now = datetime.now(UTC)
    with pytest.raises(Refused) as refused:
        accept([draft(), draft(**{name: now + ahead for name, ahead in given.items()})], client="shop")
    assert refused.value.errors == {1: {field: [why]}}


def test_a_repetition_is_accepted_although_its_time_has_come(broker: Broker) -> None:
    submitted = draft(send_at=ago(240), latest_at=at(IN_AN_HOUR))
    (id,) = accept([submitted], client="shop", keys=["k"]).ids
    assert accept([submitted], client="shop", keys=["k"]).ids == [id]


def test_another_time_is_another_body() -> None:
    send_at, latest_at = at(IN_AN_HOUR), at(IN_TWO_HOURS)
    accept([draft(send_at=send_at, latest_at=latest_at)], client="shop", keys=["k"])
    for other in ({"send_at": send_at}, {"send_at": latest_at - IN_AN_HOUR / 2, "latest_at": latest_at}, {}):
        with pytest.raises(Conflict):
            accept([draft(**other)], client="shop", keys=["k"])


def test_over_http_alone_and_in_a_batch(api: Api) -> None:
    send_at = at(IN_AN_HOUR).replace(microsecond=0)
    item: dict[str, Any] = EMAIL | {"send_at": send_at.astimezone(KATHMANDU).isoformat()}
    answer = api.post("/notification", item)
    assert answer.status_code == 202
    assert json_of(api.get(answer.headers["Location"]))["send_at"] == send_at.isoformat().replace("+00:00", "Z")
    refused = api.post("/notifications", {"notifications": [item, item | {"latest_at": item["send_at"]}]})
    assert (refused.status_code, json_of(refused)) == (
        400,
        {"notifications": {"1": {"latest_at": ["Must be after send_at."]}}},
    )
    without_a_zone = api.post("/notification", EMAIL | {"send_at": "2030-01-01T00:00:00"})
    assert (without_a_zone.status_code, list(json_of(without_a_zone))) == (400, ["send_at"])
