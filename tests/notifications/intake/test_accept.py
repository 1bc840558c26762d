"""Accepting: durable or refused, and one notification for one idempotency key."""

from __future__ import annotations

import re
import threading
from contextlib import nullcontext
from functools import partial
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.contrib.auth.models import User as Account
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from notifications.intake import accept as intake
from notifications.intake.accept import accept
from notifications.intake.refused import Conflict, Refused, TooLarge
from notifications.ledger.insert import insert
from notifications.messages.draft import Draft
from notifications.messages.explain import Unavailable
from notifications.messages.message import from_record
from notifications.messages.words import Status
from notifications.models import IdempotencyKey, Notification
from tests.notifications.intake.conftest import Broker, draft
from tests.notifications.rows import ago, in_threads, read
from users.people.models import Device, User

# In a transaction of the test nothing would be committed, so the short way of a new key would not be taken.
pytestmark = pytest.mark.django_db(transaction=True)
TRACE = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"


def by_user(username: str, **fields: Any) -> Draft:
    return Draft(user=username, message="Hello", **fields)


def rows() -> tuple[int, int]:
    return Notification.objects.count(), IdempotencyKey.objects.count()


def test_what_is_accepted_is_in_the_queue() -> None:
    (id,) = accept([draft(subject="s", reference="r")], client="shop", traceparent=TRACE).ids
    found = read(id)
    assert (found.status, found.client, found.receiver, found.subject) == (
        Status.QUEUED,
        "shop",
        "ann@example.com",
        "s",
    )
    assert (found.reference, found.trace_id) == ("r", "ab" * 16)
    assert rows() == (1, 0)


def test_what_is_published(broker: Broker) -> None:
    ids = accept([draft(), draft(priority="bulk")], client="shop", traceparent=TRACE).ids
    assert [from_record(record.value).id for record in broker.records] == ids
    assert [record.topic.endswith(".bulk") for record in broker.records] == [False, True]
    for record in broker.records:
        assert record.origin == "intake"
        assert record.traceparent.split("-")[1] == "ab" * 16
        assert "ann" not in record.key
    assert rows() == (0, 0)


def test_the_same_key_and_body_is_one_notification() -> None:
    first = accept([draft()], client="shop", keys=["k"]).ids
    again = accept([draft()], client="shop", keys=["k"]).ids
    assert first == again
    assert rows() == (1, 1)


def test_another_client_or_key_is_another_notification() -> None:
    ids = {
        accept([draft()], client=client, keys=[key]).ids[0]
        for client, key in (("shop", "k"), ("shop", "K"), ("crm", "k"), ("shop", None), ("shop", None))
    }
    assert len(ids) == 5
    assert rows() == (5, 3)


@pytest.mark.parametrize("claimed", [True, False])
def test_the_same_key_with_another_body_is_a_conflict(claimed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also while the first is still in Kafka, where no ledger row tells of it."""
    broker = Broker(lambda _position: True)
    if not claimed:
        monkeypatch.setattr(intake, "open_broker", lambda: broker)
    (first,) = accept([draft()], client="shop", keys=["k"]).ids
    with pytest.raises(Conflict) as conflict:
        accept([draft(message="Other")], client="shop", keys=["k"])
    assert list(conflict.value.errors) == [0]
    assert accept([draft()], client="shop", keys=["k"]).ids == [first]
    assert rows() == (int(claimed), 1)


def test_an_unclaimed_one_is_published_again_with_its_id_and_a_claimed_one_is_not(broker: Broker) -> None:
    (id,) = accept([draft()], client="shop", keys=["k"]).ids
    assert accept([draft()], client="shop", keys=["k"]).ids == [id]
    assert [from_record(record.value).id for record in broker.records] == [id, id]
    insert([(from_record(broker.records[0].value), "")], Status.QUEUED)
    assert accept([draft()], client="shop", keys=["k"]).ids == [id]
    assert len(broker.records) == 2


def test_a_key_is_answered_before_users_and_expiry_are_looked_at() -> None:
    user = User.objects.create(username="7")
    Device.objects.create(user=user, channel="EMAIL", address="ann@example.com")
    submitted = by_user("7", expires_at=ago(-1))
    first = accept([submitted], client="shop", keys=["k"]).ids
    user.delete()
    assert accept([submitted], client="shop", keys=["k"]).ids == first


def test_a_known_key_is_accepted_again_after_its_expiry_while_its_record_is_unread(broker: Broker) -> None:
    """The first answer stands; the sender ends it as expired."""
    submitted = draft(expires_at=ago(-3600))
    (id,) = accept([submitted], client="shop", keys=["k"]).ids
    with time_machine.travel(ago(-7200), tick=False):
        assert accept([submitted], client="shop", keys=["k"]).ids == [id]
        with pytest.raises(Refused):
            accept([submitted], client="shop", keys=["another"])
    assert [from_record(record.value).id for record in broker.records] == [id, id]


def test_in_a_batch_the_same_key_and_body_share_one_id() -> None:
    ids = accept([draft(), draft(message="2"), draft()], client="shop", keys=["k", "l", "k"]).ids
    assert ids[0] == ids[2] != ids[1]
    assert rows() == (2, 2)


def test_a_conflict_in_a_batch_names_the_item_and_accepts_nothing(broker: Broker) -> None:
    with pytest.raises(Conflict) as conflict:
        accept([draft(), draft(message="2"), draft(message="3")], client="shop", keys=["k", "l", "k"])
    assert list(conflict.value.errors) == [2]
    assert rows() == (0, 0)
    assert broker.records == []


@pytest.mark.parametrize(
    ("submitted", "error", "field"),
    [
        (draft(expires_at=ago(1)), Refused, "expires_at"),
        (by_user("nobody"), Refused, "user"),
        (draft(message="\x01" * 200_000), TooLarge, "message"),
    ],
)
def test_what_is_refused_leaves_no_row_at_all(
    submitted: Draft, error: type[Refused], field: str, broker: Broker
) -> None:
    with pytest.raises(error) as refused:
        accept([draft(), submitted], client="shop", keys=["a", "b"])
    assert {position: list(errors) for position, errors in refused.value.errors.items()} == {1: [field]}
    assert rows() == (0, 0)
    assert broker.records == []


def test_a_record_just_under_the_limit_is_taken(broker: Broker) -> None:
    assert accept([draft(message="\x01" * 140_000)], client="shop").ids
    assert 840_000 < len(broker.records[0].value) < 900_000


def test_what_is_not_acknowledged_goes_to_the_outbox(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker(lambda position: position % 2 == 0)
    monkeypatch.setattr(intake, "open_broker", lambda: broker)
    ids = accept([draft(message=str(n)) for n in range(4)], client="shop", traceparent=TRACE).ids
    outbox = Notification.objects.outbox()
    assert set(outbox.values_list("id", flat=True)) == {ids[1], ids[3]}
    for row in outbox:
        assert row.due_at is not None
        assert row.trace_id == "ab" * 16
        assert row.message == str(ids.index(row.id))


def test_neither_broker_nor_outbox_is_unavailable_and_keeps_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The record may still arrive late: another body under the key must never be accepted."""
    broker = Broker(lambda _position: False)
    monkeypatch.setattr(intake, "open_broker", lambda: broker)

    def down(*_: Any) -> None:
        raise DatabaseError("down")

    with monkeypatch.context() as database:
        database.setattr(intake, "insert", down)
        with pytest.raises(Unavailable):
            accept([draft()], client="shop", keys=["k"])
    assert rows() == (0, 1)
    (id,) = accept([draft()], client="shop", keys=["k"]).ids
    assert [from_record(record.value).id for record in broker.records] == [id, id]
    assert read(id).status == Status.ACCEPTED
    with pytest.raises(Conflict):
        accept([draft(message="Other")], client="shop", keys=["k"])


@pytest.mark.parametrize(("times", "expected"), [(1, 2), (2, None)])
def test_a_key_that_retention_removes_before_it_is_read_is_inserted_once_more(
    times: int, expected: int | None, broker: Broker
) -> None:
    (before,) = accept([draft()], client="shop", keys=["old"]).ids
    left = [IdempotencyKey.objects.filter(key="old")] * times

    def remove(execute: Any, sql: str, *rest: Any) -> Any:
        if left and sql.startswith("SELECT") and IdempotencyKey._meta.db_table in sql:
            left.pop().delete()
        return execute(sql, *rest)

    with connection.execute_wrapper(remove), nullcontext() if expected else pytest.raises(Unavailable):
        ids = accept([draft(message="Other"), draft()], client="shop", keys=["old", "new"]).ids
        assert len({before, *ids}) == 3
    assert not left
    assert len(broker.records) == 1 + (expected or 0)


def test_without_a_key_or_user_no_query_is_made(
    broker: Broker, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """So that intake needs Kafka alone."""
    with django_assert_num_queries(0):
        accept([draft() for _ in range(50)], client="shop", keys=[None] * 50)


def test_users_are_resolved_in_one_query(broker: Broker, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(20):
        user = User.objects.create(username=f"u{number}")
        Device.objects.create(user=user, channel="SMS", address=f"+4915100000{number:02}", position=1)
        Device.objects.create(user=user, channel="EMAIL", address=f"u{number}@example.com", position=0)
    drafts = [by_user(f"u{number}") for number in range(20)] + [by_user("u3", type="SMS")]
    with django_assert_num_queries(1):
        accept(drafts, client="shop")
    read_back = [from_record(record.value) for record in broker.records]
    assert [submitted.receiver for submitted in read_back[:20]] == [f"u{number}@example.com" for number in range(20)]
    assert (read_back[20].channel, read_back[20].receiver, read_back[20].user) == ("SMS", "+491510000003", "u3")


def test_who_cannot_be_addressed() -> None:
    User.objects.create(username="bare")
    Account.objects.create_user("staff", email="staff@example.com", is_staff=True)
    Account.objects.create_user("boss", email="boss@example.com", is_superuser=True)
    phone = User.objects.create(username="phone")
    Device.objects.create(user=phone, channel="SMS", address="+4915100000000")
    accounts = [by_user("staff"), by_user("boss")]
    drafts = [by_user("bare"), *accounts, by_user("phone", type="EMAIL"), by_user("phone", html="x" * 9)]
    with pytest.raises(Refused) as refused:
        accept([*drafts, Draft(user="phone", message="x" * 1601)], client="shop")
    errors = refused.value.errors
    assert errors[0]["user"] == ["This user has no device."]
    assert errors[1]["user"] == errors[2]["user"] == ["There is no such user."]
    assert errors[3]["user"] == ["This user has no EMAIL device."]
    assert 4 not in errors
    assert list(errors[5]) == ["message"]


def test_keys_are_inserted_in_one_order_whatever_the_batchs(broker: Broker) -> None:
    """So that two batches with the same keys wait for each other, and do not deadlock."""
    with CaptureQueriesContext(connection) as queries:
        accept([draft() for _ in range(3)], client="shop", keys=["key-c", "key-a", "key-b"])
    (insert,) = [query["sql"] for query in queries if query["sql"].startswith("INSERT")]
    assert re.findall("key-.", insert) == ["key-a", "key-b", "key-c"]


@pytest.mark.postgresql
def test_callers_that_race_with_one_key_get_one_notification() -> None:
    def call(text: str) -> UUID | None:
        try:
            return accept([draft(message=text)], client="shop", keys=["k"]).ids[0]
        except Conflict:
            return None

    same = in_threads(*[lambda: call("a")] * 8)
    assert len(set(same)) == 1
    assert same[0] is not None
    mixed = in_threads(*[lambda: call("a"), lambda: call("b")] * 4)
    assert set(mixed) == {same[0], None}
    assert rows() == (1, 1)


@pytest.mark.postgresql
def test_batches_with_the_same_keys_in_opposite_orders_do_not_deadlock(broker: Broker) -> None:
    for attempt in range(3):
        keys = [f"{attempt}-{number:03}" for number in range(600)]
        together = threading.Barrier(4, timeout=30)

        def call(order: list[str], together: threading.Barrier = together) -> dict[str, UUID]:
            together.wait()
            return dict(zip(order, accept([draft() for _ in order], client="shop", keys=order).ids, strict=True))

        answers = in_threads(*[partial(call, keys), partial(call, keys[::-1])] * 2)
        assert all(answer == answers[0] for answer in answers)
    assert rows() == (0, 3 * 600)
