"""A key without the scope `users` learns nothing from the directory: no address, and not who is in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from notifications.models import Notification
from tests.caller import EMAIL, Api, issue, json_of, stored
from users.people.models import Device, User

PHONE, MAIL = "+4915112345678", "ann.archer@example.com"
PAST = datetime(2020, 1, 1, tzinfo=UTC).isoformat()
LONG = "x" * 1601  # too long for SMS alone
HUGE = "\x01" * 200_000  # too large for a record, once it is JSON


@pytest.fixture
def people(db: None, keys_required: None) -> None:
    """Ann has a telephone and a mailbox, Bob a mailbox, Carl nothing."""
    ann, bob = User.objects.create(username="ann"), User.objects.create(username="bob")
    User.objects.create(username="carl")
    Device.objects.create(user=ann, channel="SMS", address=PHONE, position=0)
    Device.objects.create(user=ann, channel="EMAIL", address=MAIL, position=1)
    Device.objects.create(user=bob, channel="EMAIL", address="bob@example.com")


@pytest.fixture
def shop(people: None) -> Api:
    return Api(issue("send", "read"))


def to(user: str, **fields: Any) -> dict[str, Any]:
    return {"user": user, "message": "Hello"} | fields


@pytest.mark.parametrize(("channel", "address", "shown"), [("SMS", PHONE, "+49…78"), ("EMAIL", MAIL, "a…@example.com")])
def test_the_address_of_a_user_is_masked_wherever_it_is_shown(
    shop: Api, channel: str, address: str, shown: str
) -> None:
    first = shop.post("/notification", to("ann", type=channel), Idempotency_Key="k")
    again = shop.post("/notification", to("ann", type=channel), Idempotency_Key="k")
    one = shop.get(f"/notification/{json_of(first)['id']}")
    many = shop.get("/notifications", user="ann")
    assert json_of(one)["receiver"] == json_of(many)["results"][0]["receiver"] == shown
    assert not [answer for answer in (first, again, one, many) if address in answer.content.decode()]


def test_it_is_shown_to_who_gave_it_and_to_who_may_read_the_directory(shop: Api) -> None:
    given = json_of(shop.post("/notification", EMAIL))["id"]
    resolved = json_of(shop.post("/notification", to("ann")))["id"]
    assert json_of(shop.get(f"/notification/{given}"))["receiver"] == EMAIL["receiver"]
    directory = Api(issue("read", "users"))
    assert json_of(directory.get(f"/notification/{resolved}"))["receiver"] == PHONE
    listed = json_of(directory.get("/notifications"))["results"]
    assert [row["receiver"] for row in listed] == [
        PHONE,
        EMAIL["receiver"],
    ]


def test_the_filter_by_receiver_confirms_no_address_of_a_user(shop: Api) -> None:
    resolved = json_of(shop.post("/notification", to("ann")))["id"]
    assert json_of(shop.get("/notifications", receiver=PHONE))["results"] == []
    assert json_of(shop.get("/notifications", receiver=PHONE, user="ann"))["results"] == []
    given = json_of(shop.post("/notification", {"type": "SMS", "receiver": PHONE, "message": "Hello"}))["id"]
    assert [row["id"] for row in json_of(shop.get("/notifications", receiver=PHONE))["results"]] == [given]
    both = json_of(Api(issue("read", "users")).get("/notifications", receiver=PHONE))["results"]
    assert [row["id"] for row in both] == [given, resolved]


def errors(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 400, answer.content
    found: dict[str, Any] = json_of(answer)["notifications"]
    return found


@pytest.mark.parametrize("wrong", [{"expires_at": PAST}, EMAIL | {"expires_at": PAST}, EMAIL | {"message": HUGE}])
def test_a_batch_that_is_refused_anyway_looks_nobody_up(shop: Api, wrong: dict[str, Any]) -> None:
    """Whatever is wrong with a batch by itself is answered alone, so it cannot ask who is in the directory."""
    answers = []
    for users in (["ann", "bob"], ["carl", "nobody"]):
        refused = wrong if "receiver" in wrong else to(users[0]) | wrong
        answer = shop.post("/notifications", {"notifications": [*map(to, users), refused]})
        answers.append((answer.status_code, answer.content))
    assert answers[0] == answers[1]
    assert list(json_of(answer)["notifications"]) == ["2"]
    assert not Notification.objects.exists()


@pytest.mark.parametrize(
    "unreachable",
    [to("nobody"), to("carl"), to("bob", type="SMS"), to("ann", message=LONG), to("bob", message=HUGE)],
    ids=["no user", "no device", "none of that type", "too long for theirs", "too large for theirs"],
)
def test_one_sentence_for_whoever_cannot_be_reached(shop: Api, unreachable: dict[str, Any]) -> None:
    alone = shop.post("/notification", unreachable)
    assert (alone.status_code, json_of(alone)) == (400, {"user": ["This user has no device that can take this."]})
    found = errors(shop.post("/notifications", {"notifications": [to("ann"), EMAIL, unreachable, to("bob")]}))
    sentence = {"user": ["This user, or another of this batch, has no device that can take this."]}
    assert found == {"0": sentence, "2": sentence, "3": sentence}
    assert not Notification.objects.exists()


def test_who_may_read_the_directory_is_told_which(people: None) -> None:
    batch = [to("ann"), to("nobody"), to("bob", type="SMS"), to("ann", message=LONG)]
    found = errors(Api(issue("send", "users")).post("/notifications", {"notifications": batch}))
    assert found["1"] == {"user": ["There is no such user."]}
    assert found["2"] == {"user": ["This user has no SMS device."]}
    assert list(found["3"]) == ["message"]
    assert list(found) == ["1", "2", "3"]
    assert "Notification" not in stored()
