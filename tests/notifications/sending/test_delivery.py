"""One channel in one process: poll, claim, send, settle, with threads, the embedded queue and a scripted provider."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError
from prometheus_client import REGISTRY
from pytest_django import Settings

from dlq.models import DeadLetter
from harness.services.waiting import wait_until
from notifications.brokers.base import LogLost, Record
from notifications.channels.base import Outgoing
from notifications.channels.outcomes import Cause, Outcome, SendError
from notifications.ledger import due, settle
from notifications.ledger.claim import claim
from notifications.ledger.hooks import NO_HOOKS, Hooks
from notifications.ledger.rows import Claimed
from notifications.ledger.settle import Settlement
from notifications.ledger.verdicts import put_back
from notifications.messages.topics import topic_of
from notifications.messages.words import Reason, Status
from notifications.models import Attempt, Category, Notification
from notifications.sending import claiming
from notifications.sending import settler as settler_module
from notifications.sending.parking import CAP
from notifications.sending.settler import Settler
from tests.notifications.rows import LETTERS, Scripted, ago, claimed, ids, message, message_of, read, row
from tests.notifications.running import Feed, Run, settled

pytestmark = pytest.mark.django_db(transaction=True)


def refuse(error: SendError) -> Callable[[Outgoing], str]:
    def answer(_: Outgoing) -> str:
        raise error

    return answer


def test_what_is_queued_is_sent_once_in_order_and_settled(run: Run) -> None:
    receivers = 10  # with so few rows each that none is parked, however many a claim takes
    rows = [row(receiver=f"r{number % receivers}@example.com") for number in range(receivers * CAP)]
    bulk = [row(priority="bulk") for _ in range(5)]
    running = run()
    settled(Status.SENT, *rows, *bulk)
    handed = running.channel.handed
    assert sorted(handed) == sorted(ids([*rows, *bulk]))
    for receiver in range(receivers):
        expected = ids(rows[receiver::receivers])
        assert [id for id in handed if id in expected] == expected
    found = read(rows[0].id)
    assert (found.provider, found.provider_message_id, found.claims) == ("scripted", "provider-id", 1)
    wait_until(lambda: running.settler.unsettled() == 0)
    assert running.fatal == []


def test_a_failure_waits_with_its_attempt(run: Run) -> None:
    queued = row()
    run(Scripted(refuse(SendError(Cause.PROVIDER_ERROR, "500"))))
    settled(Status.WAITING, queued)
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.cause, attempt.error) == (Outcome.TRANSIENT, Cause.PROVIDER_ERROR, "500")
    assert attempt.milliseconds is not None
    assert (read(queued.id).reason, read(queued.id).attempts) == (Reason.RETRY, 1)


def test_an_undeclared_exception_is_a_bug_and_transient(run: Run) -> None:
    def broken(_: Outgoing) -> str:
        raise KeyError("ann@example.com")

    queued = row()
    run(Scripted(broken))
    settled(Status.WAITING, queued)
    found = read(queued.id)
    assert (found.last_cause, found.reason) == (Cause.BUG, Reason.RETRY)
    assert "ann" not in found.last_error


def test_what_has_expired_is_never_handed_over(run: Run) -> None:
    gone, good = row(expires_at=ago(1)), row(expires_at=ago(-3600))
    running = run()
    settled(Status.EXPIRED, gone)
    settled(Status.SENT, good)
    assert running.channel.handed == [good.id]


def test_what_the_lease_does_not_cover_is_handed_back_and_never_handed_over(run: Run) -> None:
    """The send might outlast the lease, and another sender's claim follow."""
    rows = [row(receiver=f"r{number}@example.com") for number in range(5)]
    running = run(send_timeout=60.0, lease=60.0)
    settled(Status.WAITING, *rows)
    assert running.channel.handed == []
    for one in rows:
        assert (read(one.id).reason, read(one.id).attempts) == (Reason.HANDED_BACK, 0)
    assert not Attempt.objects.exists()


def test_a_stopped_process_hands_over_nothing_that_waited_in_memory(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after SIGSTOP: renewals did not run, and the monotonic clock went on."""
    gate = threading.Event()
    rows = [row() for _ in range(4)]  # one receiver: one is under way, three wait behind it

    def answer(_: Outgoing) -> str:
        gate.wait(30)
        return "x"

    def down(*_: Any, **__: Any) -> set[UUID]:
        raise OperationalError("away")

    monkeypatch.setattr(settler_module, "renew", down)
    running = run(Scripted(answer), lease=2.0, send_timeout=1.0)
    try:
        wait_until(lambda: running.channel.handed, what="the first is under way")
        custody = running.settler.custody
        waiting = custody.rows()[1:]
        wait_until(lambda: not any(map(custody.may_hand_over, waiting)), what="the lease's cover passed")
    finally:
        gate.set()
    settled(Status.SENT, rows[0])
    settled(Status.WAITING, *rows[1:])
    assert running.channel.handed == [rows[0].id]
    assert {read(one.id).reason for one in rows[1:]} == {Reason.HANDED_BACK}


def test_leases_are_renewed_while_a_send_is_under_way(run: Run, settings: Settings) -> None:
    settings.LEASE_SECONDS = 2.0
    gate = threading.Event()
    queued = row()

    def answer(_: Outgoing) -> str:
        gate.wait(30)
        return "x"

    running = run(Scripted(answer), lease=2.0, send_timeout=0.5)
    try:
        wait_until(lambda: running.channel.handed)
        first = read(queued.id).lease_until
        assert first is not None
        wait_until(lambda: (read(queued.id).lease_until or first) > first, what="the lease moved")
    finally:
        gate.set()
    settled(Status.SENT, queued)


def test_in_a_hold_category_the_hand_over_is_committed_before_it_happens(run: Run) -> None:
    Category.objects.create(name="invoice", on_uncertain=Category.OnUncertain.HOLD)
    seen: dict[UUID, bool] = {}

    def answer(outgoing: Outgoing) -> str:
        seen[outgoing.id] = read(outgoing.id).handed_at is not None
        return "x"

    careful = [row(category="invoice", receiver=f"r{number}@example.com") for number in range(8)]
    usual = row()
    run(Scripted(answer))
    settled(Status.SENT, *careful, usual)
    assert [seen[one.id] for one in careful] == [True] * 8
    assert seen[usual.id] is False, "a note costs a commit, and only `hold` needs it"


def test_an_unknown_outcome_in_a_hold_category_is_held(run: Run) -> None:
    Category.objects.create(name="invoice", on_uncertain=Category.OnUncertain.HOLD)
    held = row(category="invoice")
    run(Scripted(refuse(SendError(Cause.TIMEOUT, uncertain=True))))
    settled(Status.HELD, held)
    assert DeadLetter.objects.get().notification_id == held.id


def test_results_are_kept_while_the_database_is_away(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is sent a second time."""
    real = settle.settle
    tries: list[int] = []

    def failing(settlements: Sequence[Settlement], *, hooks: Hooks) -> set[UUID]:
        tries.append(len(settlements))
        if len(tries) <= 2:
            raise OperationalError("away")
        return real(settlements, hooks=hooks)

    monkeypatch.setattr(settler_module, "settle", failing)
    rows = [row(receiver=f"r{number}@example.com") for number in range(20)]
    running = run()
    settled(Status.SENT, *rows)
    assert len(tries) >= 3
    assert sorted(running.channel.handed) == ids(rows)
    wait_until(lambda: running.settler.failing_since is None)


def test_a_claim_is_repeated_with_its_token(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its COMMIT may have happened, and its answer been lost."""
    real = claim
    owners: list[str] = []

    def losing(*arguments: Any, owner: str, **named: Any) -> Any:
        owners.append(owner)
        claimed = real(*arguments, owner=owner, **named)
        if len(owners) == 1:
            raise OperationalError("the answer was lost")
        return claimed

    monkeypatch.setattr(claiming, "claim", losing)
    queued = row()
    running = run(broker=Feed(record_of(queued)))
    settled(Status.SENT, queued)
    assert running.channel.handed == [queued.id]
    assert owners[0] == owners[1]
    assert read(queued.id).claims == 1


def test_the_offset_is_committed_after_the_claim(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    queued = row()
    feed = Feed(record_of(queued))
    real = feed.commit
    seen: list[int] = []

    def commit(records: Sequence[Record]) -> None:
        seen.append(read(queued.id).claims)
        real(records)

    monkeypatch.setattr(feed, "commit", commit)
    run(broker=feed)
    settled(Status.SENT, queued)
    assert seen == [1]
    assert len(feed.committed) == 1


def test_records_that_cannot_be_read_become_letters_and_the_rest_is_sent(run: Run) -> None:
    good = [row() for _ in range(3)]
    topic = topic_of("EMAIL", "transactional")
    poison = [b"{", b"\xff", b'{"v": 2}', b"", message(channel="SMS", receiver="+49151234567").to_record()]
    bad = [Record(topic, 0, 100 + place, value, "") for place, value in enumerate(poison)]
    feed = Feed(record_of(good[0]), *bad[:3], record_of(good[1]), *bad[3:], record_of(good[2]))
    run(broker=feed)
    settled(Status.SENT, *good)
    assert len(feed.committed) == 8
    found = DeadLetter.objects.order_by("offset")
    assert [bytes(letter.raw or b"") for letter in found] == poison
    assert "belongs to the topic" in found[4].error


def test_a_queued_row_that_is_no_longer_valid_dies_instead_of_going_round(run: Run) -> None:
    bad, good = row(receiver="not an address"), row()
    running = run()
    settled(Status.DEAD, bad)
    settled(Status.SENT, good)
    assert running.channel.handed == [good.id]
    assert DeadLetter.objects.get().cause == Cause.UNDECODABLE


def test_stopping_puts_back_what_is_unsent_and_settles_what_is_under_way(run: Run) -> None:
    gate = threading.Event()

    def answer(_: Outgoing) -> str:
        gate.wait(30)
        return "x"

    for number in range(8):
        row(receiver=f"r{number}@example.com")
    running = run(Scripted(answer), at_once=2)
    wait_until(lambda: len(running.channel.handed) == 2 and running.settler.unsettled() > 3)
    under_way = list(running.channel.handed)
    stopping = threading.Thread(target=running.stop)
    stopping.start()
    put_back = Notification.objects.filter(status=Status.WAITING)
    wait_until(put_back.count)
    gate.set()
    stopping.join(30)
    assert set(Notification.objects.filter(status=Status.SENT).values_list("id", flat=True)) == set(under_way)
    assert {(one.reason, one.attempts) for one in put_back} == {(Reason.HANDED_BACK, 0)}
    assert not Notification.objects.filter(status=Status.SENDING).exists()


def test_a_lost_log_stops_the_sender_and_is_named(run: Run) -> None:
    feed = Feed(error=LogLost("topic partition 0: offsets 5 to 9 can no longer be read"))
    running = run(broker=feed)
    wait_until(lambda: running.fatal)
    assert "offsets 5 to 9" in running.fatal[0]
    wait_until(lambda: feed.closed, what="it left its group")


def test_a_consumer_that_cannot_be_made_stops_the_sender(run: Run) -> None:
    class Refusing(Feed):
        def consumer(self, channel: str, priority: str) -> Any:
            raise RuntimeError("no such setting")

    running = run(broker=Refusing())
    wait_until(lambda: running.fatal)
    assert "consumer of EMAIL" in running.fatal[0]


def test_leases_are_renewed_while_results_never_cease(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settler must come to the rest of its work although its queue is never empty."""
    settler = Settler(lease=0.0, send_timeout=20, hooks=NO_HOOKS)
    renewed: list[int] = []
    batches: list[int] = []
    late = Settlement(claimed(1), put_back(Reason.HANDED_BACK, 0.0))
    settler.custody.keep([claimed(2)], 0.0)

    def settle(batch: Sequence[Settlement], *, hooks: Hooks) -> set[UUID]:
        batches.append(len(batch))
        assert len(batches) < 5, "it settles for ever"
        settler.settle(late)
        return set()

    def renew(claims: Sequence[Claimed], *, lease: float) -> set[UUID]:
        renewed.append(len(claims))
        return set()

    monkeypatch.setattr(settler_module, "settle", settle)
    monkeypatch.setattr(settler_module, "renew", renew)
    settler.settle(late)
    settler._work()
    assert renewed == [1]


def test_deaths_and_unreadable_records_are_counted_wherever_they_come_from(run: Run) -> None:
    dead = figure("notifications_dead_total", channel="EMAIL", cause="provider-outage")
    unreadable = figure("notifications_unclaimable_records_total", cause="undecodable")
    row(Status.WAITING, due_at=ago(1), reason=Reason.OUTAGE, deferred_since=ago(100))
    assert due.give_up(10.0, 100, hooks=LETTERS) == 1
    assert figure("notifications_dead_total", channel="EMAIL", cause="provider-outage") == dead + 1
    feed = Feed(Record(topic_of("EMAIL", "transactional"), 0, 1, b"{", ""))
    run(broker=feed)
    wait_until(lambda: figure("notifications_unclaimable_records_total", cause="undecodable") == unreadable + 1)


def test_the_way_to_the_provider_is_timed_once_and_an_outage_is_a_part_of_it(run: Run) -> None:
    timed = partial(figure, "notifications_accept_to_provider_seconds_count", channel="EMAIL", priority="transactional")
    before = timed()
    put_off = [row(claims=1, reason=reason) for reason in (Reason.OUTAGE, Reason.HANDED_BACK)]
    others = [row(claims=1, reason=Reason.PARKED), row(claims=2, attempts=1, reason=Reason.OUTAGE)]
    run()
    settled(Status.SENT, *put_off, *others)
    assert timed() == before + len(put_off)


def figure(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def record_of(queued: Notification) -> Record:
    submitted = message_of(queued)
    return Record(submitted.topic, 0, queued.id.int % 1000, submitted.to_record(), "")
