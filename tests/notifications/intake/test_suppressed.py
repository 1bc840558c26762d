"""A reply names what will be suppressed for its address, where that is sure; where nothing is, it costs no query."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from notifications.brokers.base import Outbound, outbound
from notifications.intake import suppressed
from notifications.intake.suppressed import SuppressedAddresses, addresses
from notifications.messages.message import new_message
from notifications.messages.words import CategoryKind, Origin, SuppressedFor
from notifications.models import Category
from tests.caller import EMAIL, Api, json_of, stored
from tests.notifications.intake.conftest import draft
from users.people.models import Device, User
from users.recipients.models import Suppression
from users.recipients.suppression import address_of, hashes_of, lift, score, suppress

ANN, BOB = address_of("EMAIL", "ann@example.com"), address_of("EMAIL", "bob@example.com")
TO_BOB = EMAIL | {"receiver": "bob@example.com"}


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def reply(api: Api, **fields: Any) -> Any:
    addresses.forget()  # a second has passed
    answer = api.post("/notification", EMAIL | fields)
    assert answer.status_code == 202
    return json_of(answer).get("suppressed")


def record(receiver: str = "ann@example.com") -> dict[int, Outbound]:
    message = new_message(draft(receiver=receiver), client="shop", channel="EMAIL", receiver=receiver)
    return {0: outbound(message, origin=Origin.INTAKE)}


def test_it_is_accepted_and_the_reply_names_the_reason(api: Api) -> None:
    assert reply(api) is None
    suppress(ANN, SuppressedFor.COMPLAINED)
    assert reply(api) == "complained"
    assert reply(api, receiver="bob@example.com") is None
    assert stored()["Notification"] == 3
    lift([ANN.hash], SuppressedFor.COMPLAINED)
    assert reply(api) is None


def test_the_entries_of_a_batch(api: Api) -> None:
    suppress(BOB, SuppressedFor.STOP)
    addresses.forget()
    answer = api.post("/notifications", {"notifications": [EMAIL, TO_BOB, EMAIL, TO_BOB]})
    assert answer.status_code == 202
    entries = json_of(answer)["notifications"]
    assert [entry.get("suppressed") for entry in entries] == [None, "stop", None, "stop"]
    assert [set(entry) for entry in entries[:2]] == [{"id", "status"}, {"id", "status", "suppressed"}]


def test_the_items_of_a_batch_that_have_one_key(api: Api) -> None:
    suppress(BOB, SuppressedFor.STOP)
    addresses.forget()
    twice = TO_BOB | {"idempotency_key": "one"}
    first, second, other = json_of(api.post("/notifications", {"notifications": [twice, twice, EMAIL]}))[
        "notifications"
    ]
    assert first == second == {"id": first["id"], "status": "accepted", "suppressed": "stop"}
    assert "suppressed" not in other


def test_the_address_of_a_user(api: Api) -> None:
    Device.objects.create(user=User.objects.create(username="ann"), channel="EMAIL", address="ann@example.com")
    suppress(ANN, SuppressedFor.BOUNCED)
    addresses.forget()
    answer = api.post("/notification", {"user": "ann", "message": "Hello"})
    assert (answer.status_code, json_of(answer)["suppressed"]) == (202, "bounced")


def test_only_where_it_is_sure(api: Api) -> None:
    """It is not of the category that is suppressed, its category passes it, or it may be lifted until it is due."""
    Category.objects.create(name="news")
    Category.objects.create(name="bills", passes=["bounced", "stop"])
    Category.objects.create(name="codes", kind=CategoryKind.MANDATORY)
    suppress(ANN, SuppressedFor.UNSUBSCRIBED, scope="news")
    assert (reply(api), reply(api, category="news")) == (None, "unsubscribed")
    suppress(ANN, SuppressedFor.BOUNCED)
    assert (reply(api), reply(api, category="bills"), reply(api, category="codes")) == ("bounced", None, "bounced")
    tomorrow = timezone.now() + timedelta(days=1)
    assert reply(api, send_at=tomorrow.isoformat()) is None
    suppress(ANN, SuppressedFor.STOP)
    assert reply(api, category="bills") == "stop"
    Suppression.objects.all().delete()
    suppress(ANN, SuppressedFor.UNSUBSCRIBED)
    assert (reply(api, category="bills"), reply(api, category="codes")) == ("unsubscribed", None)


def test_one_that_has_ended_is_none(api: Api) -> None:
    for _ in range(4):
        score(ANN)
    assert reply(api) == "bounced"
    Suppression.objects.update(until=datetime(2020, 1, 1, tzinfo=UTC))
    assert reply(api) is None


def test_a_repetition_does_not_say_it(api: Api) -> None:
    """What was accepted with its key before may have been sent."""
    first = api.post("/notification", EMAIL, Idempotency_Key="one")
    suppress(ANN, SuppressedFor.STOP)
    addresses.forget()
    assert api.post("/notification", EMAIL, Idempotency_Key="one").content == first.content
    assert json_of(api.post("/notification", EMAIL, Idempotency_Key="two"))["suppressed"] == "stop"


def test_under_a_former_key(api: Api, settings: Settings) -> None:
    suppress(ANN, SuppressedFor.STOP)
    settings.HASH_KEYS = (b"new", *settings.HASH_KEYS)
    assert len(hashes_of("EMAIL", "ann@example.com")) == 2
    assert (reply(api), reply(api, receiver="bob@example.com")) == ("stop", None)


@pytest.mark.django_db
def test_a_look_a_second_and_no_query_for_whom_nothing_is_known(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    clock = Clock()
    web = SuppressedAddresses(clock)
    with django_assert_num_queries(1):
        assert not web.reasons(record())
        assert not web.reasons(record())
    suppress(ANN, SuppressedFor.STOP)
    clock.now += 1.0
    with django_assert_num_queries(1):
        assert not web.reasons(record("bob@example.com"))
    with django_assert_num_queries(2):
        assert web.reasons(record()) == {0: "stop"}
    clock.now += 1000.0
    suppress(BOB, SuppressedFor.STOP)
    with django_assert_num_queries(3):
        assert web.reasons(record("bob@example.com")) == {0: "stop"}
    assert web._hashes == {ANN.hash, BOB.hash}
    lift([ANN.hash], SuppressedFor.STOP)
    clock.now += suppressed.ALL_SECONDS
    assert not web.reasons(record())
    assert web._hashes == {BOB.hash}


@pytest.mark.django_db
def test_only_the_latest_are_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suppressed, "MOST", 2)
    for days, address in enumerate((ANN, BOB)):
        suppress(address, SuppressedFor.STOP)
        Suppression.objects.filter(address_hash=address.hash).update(changed_at=timezone.now() - timedelta(days=days))
    clock = Clock()
    web = SuppressedAddresses(clock)
    assert web.reasons(record("bob@example.com"))
    for number in range(5):
        clock.now += 1.0
        suppress(address_of("EMAIL", f"{number}@example.com"), SuppressedFor.STOP)
        assert web.reasons(record(f"{number}@example.com"))
        assert len(web._hashes) <= 5
    assert not web.reasons(record("bob@example.com"))


@pytest.mark.django_db
def test_without_the_database_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def fails(*_: Any, **__: Any) -> Any:
        asked.append("look")
        raise OperationalError("gone")

    clock = Clock()
    suppress(ANN, SuppressedFor.STOP)
    web = SuppressedAddresses(clock)
    assert web.reasons(record())
    with monkeypatch.context() as broken:
        broken.setattr(suppressed, "suppressed_lately", fails)
        broken.setattr(suppressed, "facts_of", fails)
        assert not web.reasons(record())
        for _ in range(4):
            clock.now += 1.0
            assert not web.reasons(record())
    assert len(asked) == 1  # it is not asked again at once
    clock.now += 1.0
    assert web.reasons(record())
