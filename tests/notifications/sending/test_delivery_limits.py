"""What a delivery does not give its threads at once: an outage, other clients' shares, hot receivers, large texts."""

from __future__ import annotations

import threading

import pytest

from harness.services.waiting import wait_until
from notifications.brokers import ledger_queue
from notifications.channels.base import Outgoing
from notifications.channels.outcomes import Cause, SendError
from notifications.messages.words import Reason, Status
from notifications.models import Attempt, Notification
from notifications.sending import appetite
from notifications.sending.parking import CAP
from tests.notifications.rows import Scripted, read, row
from tests.notifications.running import Run, settled

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_open_breaker_puts_the_rest_off_unspent(run: Run) -> None:
    gate = threading.Event()

    def answer(_: Outgoing) -> str:
        gate.wait(30)
        raise SendError(Cause.CREDENTIALS, "535")

    rows = [row(receiver=f"r{number}@example.com") for number in range(30)]
    running = run(Scripted(answer), at_once=1)
    wait_until(lambda: running.channel.handed and running.settler.unsettled() > 1, what="one is sent, one waits")
    gate.set()
    wait_until(lambda: running.breaker)
    assert running.breaker == [(True, Cause.CREDENTIALS)]
    put_off = Notification.objects.filter(status=Status.WAITING)
    wait_until(lambda: put_off.count() > Attempt.objects.count(), what="what was claimed and not sent is put off")
    found = list(put_off)
    assert {(one.reason, one.attempts) for one in found} == {(Reason.OUTAGE, 0)}
    assert all(one.deferred_since for one in found)
    assert Notification.objects.filter(status=Status.QUEUED).count() > len(rows) / 2, "its consumers pause"


def test_a_slow_providers_sends_are_shared_among_clients(run: Run) -> None:
    gate = threading.Semaphore(0)
    released = iter(range(40))

    def answer(_: Outgoing) -> str:
        gate.acquire(timeout=30)
        return "x"

    many = [row(receiver=f"r{number}@example.com", client="shop") for number in range(200)]
    one = row(receiver="ann@example.com", client="desk")
    running = run(Scripted(answer), at_once=2)

    def one_is_sent() -> bool:
        if next(released, None) is not None:
            gate.release()
        return one.id in running.channel.handed

    try:
        wait_until(one_is_sent, what="the one is sent after a few of the many")
        assert Notification.objects.filter(status=Status.QUEUED).count() > len(many) / 2
    finally:
        gate.release(1000)
    settled(Status.SENT, *many, one)


def test_where_sending_is_fast_nobody_looks_ahead(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would cost what a full pool of fast sends has none of: this process's CPU."""
    delivery = run(Scripted()).delivery
    wants = delivery._appetite
    monkeypatch.setattr(delivery._pool, "waiting", lambda _: 100)
    for rate, looks in ((appetite.SLOW - 1, True), (appetite.SLOW, False), (12_000.0, False)):
        monkeypatch.setattr(wants.pace, "rate", lambda rate=rate: rate)
        assert wants.is_slow("transactional") is looks
    monkeypatch.setattr(wants.pace, "rate", lambda: 1.0)
    monkeypatch.setattr(delivery._pool, "waiting", lambda _: 0)
    assert not wants.is_slow("transactional"), "no row waits"


def test_a_hot_receiver_is_parked_and_the_others_are_sent(run: Run) -> None:
    gate = threading.Event()

    def answer(outgoing: Outgoing) -> str:
        if outgoing.receiver.startswith("hot"):
            gate.wait(30)
        return "x"

    hot = [row(receiver="hot@example.com") for _ in range(30)]
    others = [row(receiver=f"r{number}@example.com") for number in range(30)]
    running = run(Scripted(answer), at_once=2)
    try:
        settled(Status.SENT, *others)
        parked = hot[CAP:]
        settled(Status.WAITING, *parked)
        dues = [read(one.id).due_at for one in parked]
        assert {read(one.id).reason for one in parked} == {Reason.PARKED}
        assert dues == sorted(due for due in dues if due)
        assert running.channel.handed.count(hot[0].id) == 1
    finally:
        gate.set()
    settled(Status.SENT, *hot[:CAP])


def test_large_rows_are_claimed_as_the_others_are_settled(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()

    def answer(_: Outgoing) -> str:
        gate.wait(30)
        return "x"

    monkeypatch.setattr(appetite, "MOST_BYTES", 100_000)
    monkeypatch.setattr(ledger_queue, "POLL_BYTES", 20_000)
    rows = [row(receiver=f"r{number}@example.com", message="x" * 10_000) for number in range(40)]
    running = run(Scripted(answer), at_once=16)
    try:
        wait_until(lambda: running.settler.custody.bytes_of("EMAIL") >= 100_000, what="it has enough")
        assert running.delivery._appetite.wanted("transactional") == 0, "it has threads for more"
    finally:
        gate.set()
    settled(Status.SENT, *rows)
    wait_until(lambda: running.settler.custody.bytes_of("EMAIL") == 0, what="nothing is kept")


def test_what_is_handed_back_for_its_lease_keeps_its_place_before_newer_rows_of_its_receiver(run: Run) -> None:
    gate = threading.Event()

    def answer(_: Outgoing) -> str:
        gate.wait(30)
        return "x"

    first, second, third = (row() for _ in range(3))  # one receiver: one is under way, two wait behind it
    running = run(Scripted(answer))
    custody = running.settler.custody
    try:
        wait_until(lambda: len(custody) == 3 and running.channel.handed, what="the first is under way")
        custody._kept[second.id.int].deadline = 0.0  # it was claimed before the third
    finally:
        gate.set()
    settled(Status.SENT, first)
    settled(Status.WAITING, second, third)
    new = row()
    settled(Status.WAITING, new)
    assert [read(one.id).reason for one in (second, third, new)] == ["handed-back", "handed-back", "parked"]
    assert running.channel.handed == [first.id]
