"""New keys that come at the same time: one statement and one commit, and nobody fails or waits because of another."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from notifications.intake import new_keys
from notifications.intake.accept import Rights, accept
from notifications.intake.new_keys import Groups, NewKey
from notifications.intake.refused import Conflict, Refused, TooLarge
from notifications.messages.draft import Draft
from notifications.models import IdempotencyKey
from tests.notifications.intake.conftest import (
    Broker,
    Inserts,
    draft,
    first_and_then,
    keys,
    published,
    really_insert,
    submit,
)
from tests.notifications.rows import ago, in_threads
from users.access.limits import OverLimit, ceilings_of
from users.access.models import ApiKey

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_new_key_takes_one_statement_without_a_transaction(broker: Broker) -> None:
    with CaptureQueriesContext(connection) as queries:
        (id,) = accept([draft()], client="shop", keys=["k"]).ids
    assert list(queries) == [], "what Django's cursors see is the other way"
    row = IdempotencyKey.objects.get()
    assert (row.client, row.key, row.notification_id, row.body_hash) == ("shop", "k", id, draft().body_hash())
    assert ago(60) < row.created_at < ago(-60)
    assert published(broker) == [id]


def test_keys_that_come_meanwhile_are_inserted_together(inserts: Inserts, broker: Broker) -> None:
    ids = first_and_then(inserts, *[lambda n=n: submit(f"k{n}") for n in range(8)])
    assert inserts.seen == [["first"], inserts.seen[1]]
    assert sorted(inserts.seen[1]) == [f"k{n}" for n in range(8)]
    assert keys() | {"first": None} == {f"k{n}": id for n, id in enumerate(ids)} | {"first": None}
    assert sorted(published(broker)) == sorted(keys().values())


def test_a_group_is_inserted_in_one_order() -> None:
    """So that two processes' groups with the same keys wait for each other, and do not deadlock."""
    rows = [("shop", "c"), ("crm", "b"), ("shop", "a")]
    really_insert([NewKey(client, key, uuid4(), "hash") for client, key in rows])
    assert list(IdempotencyKey.objects.order_by("id").values_list("client", "key")) == sorted(rows)


def test_of_equal_keys_in_a_group_one_wins_and_the_others_know_it(inserts: Inserts, broker: Broker) -> None:
    same = first_and_then(inserts, *[lambda: submit("k")] * 3)
    assert same == [keys()["k"]] * 3
    assert inserts.seen[1] == ["k"] * 3


def test_of_equal_keys_with_other_bodies_in_a_group_one_is_accepted(inserts: Inserts, broker: Broker) -> None:
    mixed = first_and_then(inserts, lambda: submit("k", message="a"), lambda: submit("k", message="b"))
    assert set(mixed) == {keys()["k"], Conflict}
    assert len(broker.records) == 2


@pytest.mark.parametrize("error", [OperationalError("down"), ValueError("bad"), SystemExit()])
def test_a_group_that_fails_fails_nobody(error: BaseException, inserts: Inserts, broker: Broker) -> None:
    """Each request decides for itself then. What nobody foresaw is raised in the one that inserted, if at all."""

    def fail(_: Sequence[NewKey]) -> frozenset[UUID]:
        raise error

    def answer(key: str) -> Any:
        try:
            return submit(key)
        except SystemExit:
            return SystemExit

    inserts.instead = fail
    ids = first_and_then(inserts, *[lambda n=n: answer(f"k{n}") for n in range(4)])
    died = ids.count(SystemExit)
    assert died == isinstance(error, SystemExit)
    assert len(keys()) == 1 + 4 - died
    assert set(keys().values()) == set(published(broker))
    inserts.instead = really_insert
    assert submit("later") == keys()["later"]
    assert inserts.seen[-1] == ["later"], "the next request inserts in the usual way again"


def test_a_group_that_was_committed_and_failed_keeps_its_ids(inserts: Inserts, broker: Broker) -> None:
    """The answer to a commit may be lost; then each finds its own id under its key, which is no other request's."""

    def commit_and_fail(keys: Sequence[NewKey]) -> frozenset[UUID]:
        really_insert(keys)
        raise OperationalError("the answer was lost")

    inserts.instead = commit_and_fail
    ids = first_and_then(inserts, *[lambda n=n: submit(f"k{n}") for n in range(4)])
    assert {f"k{n}": id for n, id in enumerate(ids)}.items() <= keys().items()
    assert sorted(published(broker)) == sorted(keys().values())


def test_who_waits_too_long_goes_alone_and_nobody_waits_behind_a_hanging_group(
    inserts: Inserts, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_keys, "PATIENCE", 0.0)
    hangs, ends = threading.Event(), threading.Event()

    def hang(keys: Sequence[NewKey]) -> frozenset[UUID]:
        hangs.set()
        assert ends.wait(30)
        return really_insert(keys)

    monkeypatch.setattr(new_keys, "insert_now", hang)

    def others() -> list[Any]:
        assert hangs.wait(30)
        began, inserts.groups._since = inserts.groups._since, time.monotonic() + 60  # as if it had only just begun
        try:
            alone = submit("alone")
            assert inserts.groups._gathered == [], "it gave up"
            inserts.groups._since = began
            assert inserts.groups._join(NewKey("shop", "k", uuid4(), "hash")) is None, "nobody waits any more"
            return [alone, submit("another")]
        finally:
            ends.set()

    first, (alone, another) = in_threads(lambda: submit("first"), others)
    assert keys() == {"first": first, "alone": alone, "another": another}
    assert len(published(broker)) == 3


def test_whose_turn_comes_as_it_gives_up_inserts_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_keys, "PATIENCE", 0.0)
    groups = Groups()
    monkeypatch.setattr(groups, "_since", time.monotonic() + 60)  # somebody inserts, and has only just begun
    leave = groups._leave

    def end_first(mine: new_keys._Waiting) -> None:
        behind.append(groups._join(NewKey("shop", "behind", uuid4(), "hash")))
        groups._let_the_next_insert()
        leave(mine)

    behind: list[new_keys._Waiting | None] = []
    monkeypatch.setattr(groups, "_leave", end_first)
    assert groups.insert(NewKey("shop", "late", uuid4(), "hash"))
    assert behind[0] and behind[0].is_new and behind[0].woken.acquire(timeout=5)
    assert set(keys()) == {"late", "behind"}
    assert groups._since is None


def test_a_forked_child_waits_for_nobody_of_its_parent() -> None:
    parent = new_keys.open_groups()
    parent._join(NewKey("shop", "k", uuid4(), "hash"))
    try:
        with parent._lock:  # as if another thread had it
            child = os.fork()
            if not child:
                signal.alarm(10)  # ends it where it waits
                joined = new_keys.open_groups()._join(NewKey("shop", "k", uuid4(), "hash"))
                os._exit(0 if joined and joined.leads else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        new_keys._groups_of.cache_clear()


@pytest.mark.parametrize(
    ("refused", "error"), [(draft(expires_at=ago(1)), Refused), (draft(message="\x01" * 200_000), TooLarge)]
)
def test_what_is_refused_inserts_nothing_and_a_known_key_is_answered(
    refused: Draft, error: type[Refused], broker: Broker
) -> None:
    with pytest.raises(error):
        accept([refused], client="shop", keys=["k"])
    assert keys() == {}
    submitted = draft(expires_at=ago(-60))
    (id,) = accept([submitted], client="shop", keys=["k"]).ids
    with time_machine.travel(ago(-120), tick=False):
        assert accept([submitted], client="shop", keys=["k"]).ids == [id]


def test_a_text_over_its_limit_leaves_no_key(broker: Broker) -> None:
    key, _ = ApiKey.issue(name="n", client="shop", scopes=["send"], texts_a_day=1)
    rights = Rights(a_day=ceilings_of(key))
    text = draft(type="SMS", receiver="+4915100000000")
    accept([text], client="shop", keys=["first"], rights=rights)
    with pytest.raises(OverLimit):
        accept([text], client="shop", keys=["k"], rights=rights)
    accept([draft()], client="shop", keys=["mail"], rights=rights)
    assert set(keys()) == {"first", "mail"}
    assert len(broker.records) == 2


def test_a_caller_in_a_transaction_of_its_own_inserts_for_nobody_else(inserts: Inserts, broker: Broker) -> None:
    """The others would count on a commit that may never come."""
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        accept([draft()], client="shop", keys=["k"])
        raise ZeroDivisionError
    assert inserts.seen == []
    assert keys() == {}
