"""Senders and schedulers at one digest at the same time, and schedulers that die at any statement."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, connections

from notifications.ledger import sql_digests, verdicts
from notifications.ledger.digests import closing
from notifications.ledger.digests.looking import look_at_digests
from notifications.ledger.insert import insert
from notifications.ledger.rows import Claimed
from notifications.ledger.settle import Settlement, settle
from notifications.messages.words import DigestState, Status
from notifications.models import Category, Digest, Notification
from project.operations import balance
from tests.notifications.ledger.digests.folding import (
    WAITS,
    cancelled,
    claim,
    close,
    come_due,
    folded,
    look,
    news,
    settled,
    standing,
    taken,
)
from tests.notifications.ledger.test_two_connections import locked
from tests.notifications.rows import LETTERS, in_threads

SENDERS = 50
MOST_STATEMENTS = 40  # of a scheduler that closes digests or ends their members


class Killed(Exception):
    """The scheduler's process is gone: what it had not committed is undone."""


def texts_of(sent: list[Claimed]) -> Counter[str]:
    """How often each text is in what was sent, alone or in a digest."""
    lines = [line.removeprefix("- ") for one in sent for line in one.message.splitlines()]
    return Counter(lines)


@pytest.mark.postgresql
@pytest.mark.parametrize("limit", [None, 3600], ids=["fixed", "sliding"])
def test_fifty_senders_at_once_fold_into_one_digest(limit: int | None) -> None:
    Category.objects.update(digest_limit=limit)
    together = threading.Barrier(SENDERS, timeout=60)
    submitted = news(SENDERS, user="ann")

    def sender(number: int) -> Callable[[], None]:
        def fold() -> None:
            together.wait()
            assert claim([submitted[number]]) == []

        return fold

    in_threads(*map(sender, range(SENDERS)))
    digest = Digest.objects.get()
    assert digest.joined == SENDERS
    assert set(Notification.objects.values_list("digest_id", flat=True)) == {digest.pk}
    close()
    (sent,) = taken()
    assert texts_of([sent]) == Counter(f"number {number}" for number in range(SENDERS))
    settled([sent])
    assert standing([one.id for one in submitted]) == {(Status.DIGESTED, "")}


@pytest.mark.postgresql
def test_senders_with_the_same_receivers_in_other_orders_fold_into_the_same_digests() -> None:
    receivers = [f"r{number}@example.com" for number in range(20)]
    together = threading.Barrier(8, timeout=60)

    def sender(number: int) -> Callable[[], None]:
        order = receivers if number % 2 else receivers[::-1]

        def fold() -> None:
            together.wait()
            assert claim([one for receiver in order for one in news(1, receiver=receiver)]) == []

        return fold

    in_threads(*map(sender, range(8)))
    assert set(Digest.objects.values_list("joined", flat=True)) == {8}
    assert Digest.objects.count() == len(receivers)


@pytest.mark.postgresql
def test_who_comes_while_a_digest_is_being_closed_is_in_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    first = folded(2, user="ann")
    late: list[UUID] = []

    def meanwhile(*given: Any) -> None:
        in_threads(lambda: late.extend(folded(2, user="ann")))  # another connection, which waits for nobody
        insert(*given)

    monkeypatch.setattr(closing, "insert", meanwhile)
    close()
    monkeypatch.undo()
    (sent,) = taken()
    settled([sent])
    assert standing(first) == {(Status.DIGESTED, "")}
    assert standing(late) == WAITS
    close()
    (second,) = taken()
    assert second.id != sent.id
    settled([second])
    assert standing(late) == {(Status.DIGESTED, "")}


@pytest.mark.postgresql
def test_a_digest_that_somebody_joins_just_now_is_closed_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheduler looks while the claim is not committed: it must not close the digest without its new member."""
    folded(1, user="ann")
    note = sql_digests.note_digests

    def meanwhile(**given: Any) -> None:
        note(**given)
        in_threads(lambda: look_at_digests(LETTERS))

    come_due(DigestState.OPEN)
    monkeypatch.setattr(sql_digests, "note_digests", meanwhile)
    folded(1, user="ann")
    monkeypatch.undo()
    assert Digest.objects.get().state == DigestState.OPEN
    come_due(DigestState.OPEN)
    look()
    (sent,) = taken()
    assert len(sent.message.splitlines()) == 2


@pytest.mark.postgresql
def test_schedulers_at_once_close_each_digest_once() -> None:
    ids = [id for number in range(30) for id in folded(3, receiver=f"r{number}@example.com")]
    come_due(DigestState.OPEN)
    in_threads(*[look] * 4)
    sent = taken()
    assert len(sent) == 30
    assert set(texts_of(sent).values()) == {30}
    settled(sent)
    assert standing(ids) == {(Status.DIGESTED, "")}


@pytest.mark.postgresql
def test_a_digest_is_closed_once_nobody_else_has_a_member_of_it() -> None:
    """What has it may be about to send it, or to put it off: nobody knows yet whether it is a part of the digest."""
    ids = folded(3)
    with locked(ids[1]):
        close()
        assert Digest.objects.get().state == DigestState.CLOSING
        assert taken() == []
    come_due()
    look()
    (sent,) = taken()
    assert len(sent.message.splitlines()) == 3


@contextmanager
def killed_at(number: int, meanwhile: Callable[[], object]) -> Iterator[None]:
    """The process dies when it is about to make its statement of this number; just before, `meanwhile` happens."""
    made = 0

    def count(execute: Any, *given: Any) -> Any:
        nonlocal made
        made += 1
        if made == number:
            meanwhile()
            raise Killed
        return execute(*given)

    with connection.execute_wrapper(count):
        yield


def another_scheduler() -> None:
    """On PostgreSQL a second one looks at the same moment. On SQLite there is one writer at a time."""
    if connection.vendor == "postgresql":
        in_threads(look)


def died(number: int, work: Callable[[], object]) -> bool:
    """Does the work until its statement of this number. Returns whether it came to that."""
    try:
        with killed_at(number, another_scheduler):
            work()
    except Killed:
        connections["default"].close()
        return True
    return False


def test_schedulers_that_die_at_any_statement_send_each_member_once() -> None:
    """Ten members of one receiver, one of another, and one that is cancelled: at each statement, closing and ending."""
    ends = [_one_life(number) for number in range(1, MOST_STATEMENTS)]
    assert True in ends
    assert False in ends, "some scheduler came to the end of its work"
    assert balance.take().off == []


def _one_life(number: int) -> bool:
    """Returns whether the scheduler died, while it closed digests or ended their members."""
    receiver = f"r{number}@example.com"
    ids, alone = folded(10, receiver=receiver), folded(1, receiver=f"x{receiver}")
    assert cancelled(ids[3]) == Status.CANCELLED
    come_due(DigestState.OPEN)
    closed = died(number, look)
    come_due()
    look()
    sent = taken()
    texts = texts_of(sent)
    assert texts == Counter(f"number {place}" for place in range(10) if place != 3) + Counter(["number 0"])
    results = [Settlement(one, verdicts.sent("x"), "EMAIL", "smtp") for one in sent]
    settle(results, hooks=LETTERS)
    come_due(DigestState.CLOSED)
    ended = died(number, look)
    come_due()
    look()
    assert standing([id for id in ids if id != ids[3]]) == {(Status.DIGESTED, "")}
    assert standing(alone) == {(Status.SENT, "")}
    assert taken() == []
    return closed or ended
