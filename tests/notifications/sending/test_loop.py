"""What is particular to an event loop: its death, a send that keeps it busy, cancelled sends, hundreds at once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import pytest

from harness.services.waiting import wait_until
from notifications.channels.base import Outgoing
from notifications.channels.outcomes import Cause
from notifications.ledger import settle
from notifications.ledger.rows import Claimed
from notifications.messages.words import Reason, Status
from notifications.models import Category, Notification
from notifications.sending import settler as settler_module
from notifications.sending.loop import Loop
from tests.notifications.rows import Scripted, claimed, read, row
from tests.notifications.running import OnLoop, Run, settled

database = pytest.mark.django_db(transaction=True)


@pytest.fixture
def go() -> threading.Event:
    """What sends wait for."""
    return threading.Event()


@pytest.mark.parametrize("run", ["loop"], indirect=True)
@database
def test_a_loop_that_dies_ends_the_sender_and_loses_nothing(run: Run, go: threading.Event) -> None:
    """What was under way has no result: nobody knows how it ended, so it is uncertain and no bug."""

    def answer(outgoing: Outgoing) -> str:
        if outgoing.receiver == "end@example.com":
            raise SystemExit
        go.wait(30)
        return "x"

    under_way = [row(receiver=f"r{number}@example.com") for number in range(3)]
    behind = [row(receiver=f"r{number}@example.com") for number in range(3)]
    running = run(Scripted(answer), at_once=4)
    wait_until(lambda: len(running.channel.handed) == 3 and running.settler.unsettled() == 6)
    under_way.append(row(receiver="end@example.com"))
    wait_until(lambda: running.fatal)
    running.stop()
    go.set()
    assert running.fatal == ["The EMAIL-loop failed."]
    assert {each.id for each in running.settler.under_way()} == {each.id for each in under_way}
    for each in behind:
        assert (read(each.id).status, read(each.id).reason) == (Status.WAITING, Reason.HANDED_BACK)


@pytest.mark.parametrize("run", ["loop"], indirect=True)
@database
def test_a_send_that_is_cancelled_from_within_is_a_bug_and_its_place_goes_on(run: Run) -> None:
    def answer(outgoing: Outgoing) -> str:
        if outgoing.receiver == "cancelled@example.com":
            raise asyncio.CancelledError
        return "x"

    cancelled, usual = row(receiver="cancelled@example.com"), [row() for _ in range(3)]
    running = run(Scripted(answer), at_once=1)
    settled(Status.WAITING, cancelled)
    settled(Status.SENT, *usual)
    assert (read(cancelled.id).last_cause, running.fatal) == (Cause.BUG, [])


@pytest.mark.parametrize("run", ["loop"], indirect=True)
@database
def test_stopping_lets_all_sends_of_a_full_loop_end(run: Run, go: threading.Event) -> None:
    def answer(_: Outgoing) -> str:
        go.wait(30)
        return "x"

    for number in range(80):
        row(receiver=f"r{number}@example.com")
    running = run(Scripted(answer), at_once=32)
    wait_until(lambda: len(running.channel.handed) == 32 and running.settler.unsettled() > 32)
    stopping = threading.Thread(target=running.stop)
    stopping.start()
    wait_until(Notification.objects.filter(status=Status.WAITING).count)
    go.set()
    stopping.join(30)
    assert Notification.objects.filter(status=Status.SENT).count() == len(running.channel.handed) == 32
    assert Notification.objects.filter(status=Status.WAITING, reason=Reason.HANDED_BACK, attempts=0).count() == 48
    assert running.settler.unsettled() == 0


@pytest.mark.parametrize("run", ["loop"], indirect=True)
@database
def test_what_is_noted_for_hold_is_noted_for_many_sends_at_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Category.objects.create(name="invoice", on_uncertain=Category.OnUncertain.HOLD)
    notes: list[int] = []

    def mark_handed(rows: Sequence[Claimed]) -> set[UUID]:
        notes.append(len(rows))
        return settle.mark_handed(rows)

    monkeypatch.setattr(settler_module, "mark_handed", mark_handed)
    rows = [row(category="invoice", receiver=f"r{number}@example.com") for number in range(32)]
    run(at_once=32)
    settled(Status.SENT, *rows)
    assert sum(notes) == 32
    assert max(notes) > 1


async def nothing_to_close() -> None: ...


def test_a_send_that_blocks_the_loop_is_noticed(go: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    async def send(_: Claimed) -> None:
        go.wait(30)

    monkeypatch.setattr("notifications.sending.loop.TICK", 0.01)
    loop = Loop(2, send, name="test", on_exit=nothing_to_close, on_death=pytest.fail)
    loop.start()
    assert not loop.is_stuck(5.0)
    loop.add([claimed(1)])
    wait_until(lambda: loop.is_stuck(0.2), what="the block is seen")
    go.set()
    wait_until(lambda: not loop.is_stuck(0.2), what="it turns again")
    loop.stop()
    assert loop.join(time.monotonic() + 30)
    assert not loop.is_stuck(0.0), "one that was stopped is not stuck"


@pytest.mark.parametrize("run", ["loop"], indirect=True)
@database
def test_a_send_that_blocks_the_loop_ends_the_sender(
    run: Run, go: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the second look, for a process that was stopped finds its loop standing still, too."""
    monkeypatch.setattr("notifications.sending.delivery.STUCK", 0.2)
    monkeypatch.setattr("notifications.sending.loop.TICK", 0.01)
    monkeypatch.setattr(OnLoop, "asend", blocking(go))
    row()
    running = run()
    wait_until(lambda: running.delivery._pool.is_stuck(0.2), what="the block is seen")
    running.delivery.look_after()
    assert running.fatal == []
    running.delivery.look_after()
    assert running.fatal == ["A send of EMAIL keeps all others from going on."]
    go.set()


def blocking(go: threading.Event) -> Callable[..., Awaitable[str]]:
    async def asend(*_: object) -> str:
        go.wait(30)
        return ""

    return asend


def test_rows_that_come_before_the_loop_runs_are_sent() -> None:
    sent: list[Claimed] = []

    async def send(row: Claimed) -> None:
        sent.append(row)

    loop = Loop(2, send, name="test", on_exit=nothing_to_close, on_death=pytest.fail)
    loop.add([claimed(1), claimed(2)])
    loop.start()
    wait_until(lambda: len(sent) == 2)
    loop.stop()
    assert loop.join(time.monotonic() + 30)


def test_a_loop_whose_workers_were_all_cancelled_ends_the_sender() -> None:
    """Nothing would send any more, and nobody would know."""

    async def send(_: Claimed) -> None:
        raise asyncio.CancelledError

    deaths: list[str] = []
    loop = Loop(1, send, name="test", on_exit=nothing_to_close, on_death=deaths.append)
    loop.start()
    loop.add([claimed(1)])
    assert loop.join(time.monotonic() + 30)
    assert deaths == ["The test-loop failed."]


def test_a_worker_that_was_cancelled_asleep_keeps_no_other_from_its_work() -> None:
    sent: list[Claimed] = []

    async def send(row: Claimed) -> None:
        if row == first:
            await asyncio.sleep(0)  # until all have looked for work
            loop._asleep[-1].cancel()
            loop.add([second])
            while not sent:
                await asyncio.sleep(0)
        sent.append(row)

    first, second = claimed(1), claimed(2, "another")
    loop = Loop(3, send, name="test", on_exit=nothing_to_close, on_death=pytest.fail)
    loop.add([first])
    loop.start()
    wait_until(lambda: len(sent) == 2, what="another worker sent the second")
    loop.stop()
    assert loop.join(time.monotonic() + 30)
    assert sent == [second, first]
