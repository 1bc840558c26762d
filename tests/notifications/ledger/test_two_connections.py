"""Two workers at one row: who waits, who skips, who wins. PostgreSQL only; SQLite has one writer at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError, connection, connections, transaction

from harness.services.waiting import wait_until
from notifications.ledger import due, leases, sql_cancelling, verdicts
from notifications.ledger.cancel import cancel
from notifications.ledger.hooks import NO_HOOKS
from notifications.ledger.rows import TABLE
from notifications.ledger.settle import Settlement, mark_handed, renew, settle
from notifications.messages.message import Message
from notifications.messages.words import Reason, Status
from notifications.models import Lease, Notification
from project.database.dialects import fetch, repeated
from project.web.errors import answer_to
from tests.notifications.rows import ago, claim, claim_one, ids, in_threads, message, message_of, pass_leases, read, row

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


@contextmanager
def locked(*locked_ids: UUID) -> Iterator[None]:
    """Another connection holds these rows' locks."""
    there, release = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                list(Notification.objects.select_for_update().filter(id__in=locked_ids))
                there.set()
                release.wait(30)
        finally:
            connections.close_all()

    holder = threading.Thread(target=hold, daemon=True)
    holder.start()
    assert there.wait(30)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '2s'")  # what would wait for the lock fails
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("RESET lock_timeout")
        release.set()
        holder.join(30)


def test_renewal_and_marks_skip_locked_rows() -> None:
    theirs, mine = claim(message(), message())
    queued = [row(owner="me", lease_until=ago(-60)) for _ in range(2)]
    with locked(theirs.id, queued[0].id):
        assert renew([theirs, mine], lease=60) == {mine.id}
        assert mark_handed([theirs, mine]) == {mine.id}
        assert due.mark_published("me", ids(queued)) == 1


def test_what_the_scheduler_takes_skips_locked_rows() -> None:
    waiting = [row(Status.WAITING, due_at=ago(1)) for _ in range(2)]
    forgotten = [row(owner="o", lease_until=ago(1)) for _ in range(2)]
    with locked(waiting[0].id, forgotten[0].id):
        assert [one.message.id for one in due.take_due("me", 10)] == [waiting[1].id, forgotten[1].id]


def test_ends_and_the_sweep_skip_locked_rows() -> None:
    expired = [row(Status.WAITING, due_at=ago(1), expires_at=ago(1)) for _ in range(2)]
    patient = [row(Status.WAITING, due_at=ago(-9), deferred_since=ago(99)) for _ in range(2)]
    left = claim(message(), message())
    pass_leases(*left)
    with locked(expired[0].id, patient[0].id, left[0].id):
        assert (
            due.expire(10, hooks=NO_HOOKS),
            due.give_up(50, 10, hooks=NO_HOOKS),
            leases.sweep((1.0,), 10, hooks=NO_HOOKS),
        ) == (1, 1, 1)
    assert [read(one.id).status for one in (expired[0], patient[0], left[0])] == [
        Status.WAITING,
        Status.WAITING,
        Status.SENDING,
    ]


def test_a_sweep_is_not_kept_from_others_by_rows_that_are_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "LEASES_AT_ONCE", 1)
    stuck, free = claim_one(owner="batch-1"), claim_one(owner="batch-2")
    pass_leases(stuck, free)
    Lease.objects.filter(owner="batch-1").update(look_at=ago(9))
    with locked(stuck.id):
        assert leases.sweep((1.0,), 10, hooks=NO_HOOKS) == 1
    assert (read(stuck.id).status, read(free.id).status) == (Status.SENDING, Status.WAITING)


def test_schedulers_at_once_take_each_row_once() -> None:
    rows = [row(Status.WAITING, due_at=ago(1)) for _ in range(300)]
    taken: list[UUID] = []

    def scheduler(name: str) -> None:
        while found := due.take_due(name, 20):
            taken.extend(one.message.id for one in found)

    in_threads(*(_call(scheduler, f"s{number}") for number in range(4)))
    assert sorted(taken) == ids(rows)


def test_senders_at_once_claim_each_row_once() -> None:
    queued = [row() for _ in range(100)]
    batch = [message_of(one) for one in queued] + [message() for _ in range(100)]

    def sender(owner: str) -> list[UUID]:
        own = batch if owner < "s2" else batch[::-1]  # locks taken in opposite orders deadlock: repeated
        return ids(claim(*own, owner=owner))

    got = in_threads(*(_call(sender, f"s{number}") for number in range(4)))
    assert sorted(id for part in got for id in part) == sorted(one.id for one in batch)
    assert set(Notification.objects.values_list("claims", flat=True)) == {1}


def test_settling_waits_for_a_lock_and_then_settles() -> None:
    claimed = claim_one()
    there, release = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Notification.objects.select_for_update().get(id=claimed.id)
            there.set()
            wait_until(lambda: _waiting_for_locks() >= 1, what="the settle waits")
            release.set()

    def settle_it() -> set[UUID]:
        assert there.wait(30)
        return settle([Settlement(claimed, verdicts.sent("x"))], hooks=NO_HOOKS)

    _, settled = in_threads(hold, settle_it)
    assert release.is_set()
    assert settled == {claimed.id}


@pytest.mark.parametrize("queued", [False, True], ids=["only Kafka has it", "a row"])
def test_a_cancel_waits_for_the_claim_that_is_under_way(queued: bool) -> None:
    """It has inserted or changed the row, and nobody sees that yet."""
    unclaimed, claimed = message_of(row()) if queued else message(), threading.Event()

    def sender() -> int:
        with transaction.atomic():
            found = claim(unclaimed)
            claimed.set()
            wait_until(lambda: _waiting_for_locks() >= 1, what="the cancel waits")
        return len(found)

    def caller() -> Status | None:
        assert claimed.wait(30)
        return cancel(unclaimed.id, client="shop", hooks=NO_HOOKS, may_be_in_kafka=True)

    assert in_threads(sender, caller) == [1, Status.SENDING]
    assert read(unclaimed.id).status == Status.SENDING


def test_a_claim_that_is_undone_leaves_the_cancel_its_stub() -> None:
    unclaimed, claimed = message(), threading.Event()

    def sender() -> None:
        with transaction.atomic():
            claim(unclaimed)
            claimed.set()
            wait_until(lambda: _waiting_for_locks() >= 1, what="the cancel waits")
            transaction.set_rollback(True)

    def caller() -> Status | None:
        assert claimed.wait(30)
        return cancel(unclaimed.id, client="shop", hooks=NO_HOOKS, may_be_in_kafka=True)

    assert in_threads(sender, caller)[1] is Status.CANCELLED
    assert claim(unclaimed) == []


@pytest.mark.parametrize("client", ["shop", "bank"])
def test_a_claim_waits_for_the_cancel_that_is_under_way(client: str) -> None:
    unclaimed, other, cancelled = message(), message(), threading.Event()

    def caller() -> Status | None:
        with transaction.atomic():
            stands = cancel(unclaimed.id, client=client, hooks=NO_HOOKS, may_be_in_kafka=True)
            cancelled.set()
            wait_until(lambda: _waiting_for_locks() >= 1, what="the claim waits")
        return stands

    def sender() -> list[UUID]:
        assert cancelled.wait(30)
        return ids(claim(other, unclaimed))

    stands, claimed = in_threads(caller, sender)
    assert stands is Status.CANCELLED
    assert claimed == ([other.id] if client == "shop" else [other.id, unclaimed.id])


def test_cancels_and_claims_at_once_agree() -> None:
    """Each notification is either somebody's to send or cancelled, and both know it."""
    records = [message() for _ in range(120)]
    answers: dict[UUID, Status | None] = {}

    def caller(part: list[Message]) -> None:
        for one in part:
            answers[one.id] = cancel(one.id, client="shop", hooks=NO_HOOKS, may_be_in_kafka=True)

    def sender(name: str) -> list[UUID]:
        return [id for start in range(0, 120, 10) for id in ids(claim(*records[start : start + 10], owner=name))]

    in_order, backwards = list(records), records[::-1]
    got = in_threads(lambda: caller(backwards), lambda: caller(in_order), lambda: sender("a"), lambda: sender("b"))
    claimed = {*got[2], *got[3]}
    assert len(got[2]) + len(got[3]) == len(claimed)
    for one in records:
        assert (read(one.id).status == Status.SENDING) is (one.id in claimed)
        assert (answers[one.id] is Status.CANCELLED) is (one.id not in claimed)


def test_a_cancel_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_cancelling, "wait_briefly", lambda: fetch("SELECT set_config('lock_timeout', '50', true)"))
    queued = row()
    with locked(queued.id), pytest.raises(OperationalError) as busy:
        cancel(queued.id, client="shop", hooks=NO_HOOKS, may_be_in_kafka=True)
    assert answer_to(busy.value)[0] == 503
    assert read(queued.id).status == Status.QUEUED


def test_a_real_deadlock_is_repeated() -> None:
    first, second = row(), row()
    both = threading.Barrier(2, timeout=30)
    tries: list[str] = []

    def cross(name: str, near: UUID, far: UUID) -> None:
        def work() -> None:
            with transaction.atomic():
                fetch(f"UPDATE {TABLE} SET attempts = attempts + 1 WHERE id = %s", [near])
                tries.append(name)
                if len(tries) <= 2:
                    both.wait()
                fetch(f"UPDATE {TABLE} SET attempts = attempts + 1 WHERE id = %s", [far])

        repeated(work)

    in_threads(lambda: cross("a", first.id, second.id), lambda: cross("b", second.id, first.id))
    assert len(tries) >= 3, "one of the two lost and went again; it may come first again, and lose again"
    assert (read(first.id).attempts, read(second.id).attempts) == (2, 2)


def test_other_errors_are_not_repeated_and_a_deadlock_not_for_ever() -> None:
    tries: list[int] = []

    class Deadlock(Exception):
        pgcode = "40P01"

    def fail(cause: Exception | None) -> None:
        tries.append(1)
        raise OperationalError("failed") from cause

    with pytest.raises(OperationalError):
        repeated(lambda: fail(None))
    assert len(tries) == 1
    with pytest.raises(OperationalError):
        repeated(lambda: fail(Deadlock()), times=3)
    assert len(tries) == 4


def test_settle_renew_sweep_and_claim_at_once_lose_nothing() -> None:
    """Fault 28 in small: rows go round until each was sent after three claims."""
    rows = [row() for _ in range(60)]
    stop = threading.Event()

    def sender(name: str) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            queued = list(Notification.objects.filter(status=Status.QUEUED).order_by("?")[:20])
            mine = claim(*(message_of(one) for one in queued), owner=f"{name}-{number}")
            renew(mine, lease=60)
            results = [verdicts.sent("x") if one.claims >= 3 else verdicts.put_back(Reason.PARKED) for one in mine]
            settle([Settlement(*pair) for pair in zip(mine, results, strict=True)], hooks=NO_HOOKS)
            stop_if_all_sent()

    def scheduler(name: str) -> None:
        while not stop.is_set():
            found = due.take_due(name, 30)
            due.mark_published(name, [one.message.id for one in found])
            leases.sweep((0.0,), 10, hooks=NO_HOOKS)

    def stop_if_all_sent() -> None:
        if Notification.objects.filter(status=Status.SENT).count() == len(rows):
            stop.set()

    in_threads(*(_call(sender, f"s{n}") for n in range(3)), *(_call(scheduler, f"t{n}") for n in range(2)))
    assert set(Notification.objects.values_list("status", "claims")) == {(Status.SENT, 3)}


def _call(work: Callable[[str], Any], name: str) -> Callable[[], Any]:
    return lambda: work(name)


def _waiting_for_locks() -> int:
    fetch("SELECT pg_stat_clear_snapshot()")  # or a transaction would see what it saw at its first look
    of_this_database = "datname = current_database() AND wait_event_type = 'Lock'"  # other tests share the server
    ((count,),) = fetch(f"SELECT count(*) FROM pg_stat_activity WHERE {of_this_database}")
    return int(count)
