"""New keys and what others do in PostgreSQL: they lock a key, refuse one, end a connection."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, connection, connections, transaction

from notifications.intake.accept import accept
from notifications.intake.new_keys import NewKey
from notifications.messages.explain import Unavailable
from notifications.models import IdempotencyKey
from project.database.dialects import fetch
from tests.notifications.intake.conftest import (
    Broker,
    Inserts,
    draft,
    first_and_then,
    keys,
    really_insert,
    submit,
)
from tests.notifications.rows import in_threads

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


@contextmanager
def somebody_inserts(key: str) -> Iterator[None]:
    """Another transaction has inserted this key and is not committed; it is rolled back in the end."""
    there, release = threading.Event(), threading.Event()

    def insert() -> None:
        try:
            with transaction.atomic():
                IdempotencyKey.objects.create(client="shop", key=key, notification_id=uuid4(), body_hash="hash")
                there.set()
                release.wait(30)
                transaction.set_rollback(True)
        finally:
            connections.close_all()

    thread = threading.Thread(target=insert, daemon=True)
    thread.start()
    assert there.wait(30)
    try:
        yield
    finally:
        release.set()
        thread.join(30)


def test_nobody_waits_for_the_transaction_that_has_anothers_key(inserts: Inserts, broker: Broker) -> None:
    accepted: list[Any] = []
    go_on = threading.Event()

    def free(key: str) -> None:
        accepted.append(submit(key))
        if len(accepted) == 2:
            go_on.set()

    def release() -> bool:
        with somebody_inserts("locked"):
            together.wait(30)
            return go_on.wait(30)

    together = threading.Barrier(4)

    def after(work: Callable[[], Any]) -> Any:
        together.wait(30)
        return work()

    inserts.others = -1
    inserts.seen.append([])  # no group waits for others here
    calls = [lambda: submit("locked"), lambda: free("a"), lambda: free("b")]
    released, locked, *_ = in_threads(release, *[lambda work=work: after(work) for work in calls])
    assert released, "the others were accepted while the key was locked"
    assert keys() == {"locked": locked, "a": keys()["a"], "b": keys()["b"]}


def test_one_key_that_the_database_refuses_fails_alone(inserts: Inserts, broker: Broker) -> None:
    fetch("ALTER TABLE notifications_idempotencykey ADD CONSTRAINT unforeseen CHECK (key <> 'bad')")
    try:
        good, bad, well = first_and_then(inserts, lambda: submit("good"), lambda: submit("bad"), lambda: submit("well"))
    finally:
        fetch("ALTER TABLE notifications_idempotencykey DROP CONSTRAINT unforeseen")
    assert bad is Unavailable
    assert {"good": good, "well": well}.items() <= keys().items()
    assert "bad" not in keys()


@pytest.mark.parametrize(
    "spoil",
    [
        "SELECT pg_terminate_backend(pg_backend_pid())",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
    ],
)
def test_a_connection_that_became_useless_is_replaced(spoil: str, broker: Broker) -> None:
    """One that the server ended, and one to a primary that was demoted. Nobody looks at it before the insert."""
    fetch("SELECT 1")
    try:
        fetch(spoil)
    except DatabaseError:
        connection.errors_occurred = False
    assert submit("k") == keys()["k"]
    assert len(broker.records) == 1


def test_groups_and_batches_with_the_same_keys_do_not_deadlock(broker: Broker) -> None:
    """Two processes' groups, and a batch, with the same keys in opposite orders."""
    names = [f"{number:03}" for number in range(300)]
    rows = [NewKey("shop", name, uuid4(), draft().body_hash()) for name in names]
    together = threading.Barrier(3, timeout=30)

    def group(order: int) -> frozenset[UUID]:
        together.wait()
        return really_insert([NewKey(row.client, row.key, uuid4(), row.body_hash) for row in rows[::order]])

    def batch() -> list[UUID]:
        together.wait()
        return accept([draft() for _ in names], client="shop", keys=names[::-1]).ids

    one, other, ids = in_threads(lambda: group(1), lambda: group(-1), batch)
    assert not one & other
    assert one | other <= set(keys().values()) == set(ids)
