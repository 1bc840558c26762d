"""Gates between the claim and the threads: what they put off or end is settled with the claim, and nothing is lost."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from prometheus_client import REGISTRY

from dlq.models import DeadLetter
from harness.services.waiting import wait_until
from notifications.brokers.base import Record
from notifications.channels.base import Outgoing
from notifications.channels.outcomes import About, Cause, SendError
from notifications.ledger import leases, verdicts
from notifications.ledger.claim import claim
from notifications.ledger.pauses.in_force import Pauses
from notifications.ledger.rows import Claimed
from notifications.ledger.verdicts import Verdict
from notifications.messages.words import Reason, Status
from notifications.models import Attempt, Notification
from notifications.sending import claiming
from notifications.sending.by_hand import ByHand
from notifications.sending.deciding import Deciding
from notifications.sending.gates import End, Expiry, Forgotten, Gate, Gates, Later, Scheduled, Split, in_order
from notifications.sending.parking import CAP, Parking
from tests.notifications.rows import (
    LETTERS,
    Scripted,
    ago,
    claimed,
    ids,
    message_of,
    pass_leases,
    read,
    row,
    seconds_until,
)
from tests.notifications.running import Feed, Run, settled
from users.recipients.known import Known

pytestmark = pytest.mark.django_db(transaction=True)

SUPPRESSED = Verdict(Status.SUPPRESSED)


class Person:
    """A made-up gate that asks each row's user what they want; `before` is called first."""

    def __init__(self, before: Callable[[], None] = lambda: None, end: Verdict = SUPPRESSED) -> None:
        self.before = before
        self.end = end
        self.seen: list[tuple[bool, list[str]]] = []

    def split(self, rows: list[Claimed]) -> Split:
        self.before()
        self.seen.append((connection.in_atomic_block, [row.user for row in rows]))
        return Split(
            [row for row in rows if row.user not in {"asleep", "gone"}],
            [Later(row, Reason.PARKED, 3600.0) for row in rows if row.user == "asleep"],
            [End(row, self.end) for row in rows if row.user == "gone"],
        )

    def behind_the_others(self, by_hand: Gate, deciding: Gate, parking: Parking) -> list[Gate]:
        return [*in_order(by_hand, deciding, parking), self]


def three() -> tuple[Notification, Notification, Notification]:
    """One whose user is awake, one to be put off, one to be ended."""
    awake, asleep, gone = (row(user=user, receiver=f"{user}@example.com") for user in ("awake", "asleep", "gone"))
    return awake, asleep, gone


def record_of(queued: Notification, offset: int = 0) -> Record:
    submitted = message_of(queued)
    return Record(submitted.topic, 0, offset, submitted.to_record(), f"00-{'cd' * 16}-{'1' * 16}-01")


def losing_the_first_answer() -> Callable[..., list[Claimed]]:
    """The claim; of the first one the ledger has everything, and its caller an error."""
    answers = itertools.count()

    def losing(*arguments: Any, **named: Any) -> list[Claimed]:
        found = claim(*arguments, **named)
        if next(answers) == 0:
            raise OperationalError("the answer was lost")
        return found

    return losing


def figure(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"notifications_{name}_total", {"channel": "EMAIL", **labels}) or 0.0


def counted(expected: float, name: str, **labels: str) -> None:
    """A sender counts once its transaction is over: a moment after others see the rows."""
    wait_until(lambda: figure(name, **labels) == expected, what=f"{name} is {expected}; it is {figure(name, **labels)}")


def test_a_made_up_gate_puts_off_and_ends_what_it_wants(run: Run) -> None:
    awake, asleep, gone = three()
    put_back, claimed_before = figure("put_back", reason="parked"), figure("claimed", priority="transactional")
    person = Person()
    feed = Feed(*(record_of(one, offset) for offset, one in enumerate((awake, asleep, gone))))
    running = run(broker=feed, gates_of=person.behind_the_others)
    settled(Status.SENT, awake)
    settled(Status.WAITING, asleep)
    settled(Status.SUPPRESSED, gone)
    assert person.seen == [(True, ["awake", "asleep", "gone"])]
    assert running.channel.handed == [awake.id]
    found = read(asleep.id)
    assert (found.reason, found.claims, found.attempts, found.deferred_since) == (Reason.PARKED, 1, 0, None)
    assert 3590 < (seconds_until("due_at", asleep.id) or 0) <= 3600
    assert read(gone.id).settled_at is not None
    assert not Attempt.objects.exists()
    assert [record.offset for record in feed.committed] == [0, 1, 2]
    counted(put_back + 1, "put_back", reason="parked")
    counted(claimed_before + 3, "claimed", priority="transactional")
    wait_until(lambda: running.settler.unsettled() == 0)


def test_what_a_gate_lets_die_has_its_letter(run: Run) -> None:
    _, _, gone = three()
    died = figure("dead", cause=Cause.OPTED_OUT)
    verdict = Verdict(Status.DEAD, cause=Cause.OPTED_OUT, error="They want nothing more.")
    run(gates_of=Person(end=verdict).behind_the_others)
    settled(Status.DEAD, gone)
    letter = DeadLetter.objects.get()
    assert (letter.notification_id, letter.cause, letter.error) == (gone.id, Cause.OPTED_OUT, "They want nothing more.")
    counted(died + 1, "dead", cause=Cause.OPTED_OUT)


def test_what_is_decided_is_durable_before_the_offset_is_committed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    three_of_them = three()
    feed = Feed(*map(record_of, three_of_them))
    seen: list[list[str]] = []
    monkeypatch.setattr(feed, "commit", lambda _: seen.append([read(one.id).status for one in three_of_them]))
    run(broker=feed, gates_of=Person().behind_the_others)
    wait_until(lambda: seen)
    assert seen == [[Status.SENDING, Status.WAITING, Status.SUPPRESSED]]


def test_a_gate_that_fails_claims_nothing_and_its_records_are_read_again(run: Run) -> None:
    def fail() -> None:
        raise RuntimeError("a bug in this gate")

    three_of_them = awake, asleep, gone = three()
    records = [record_of(one) for one in three_of_them]
    feed = Feed(*records)
    running = run(broker=feed, gates_of=Person(fail).behind_the_others)
    wait_until(lambda: running.fatal, what="it stops, for somebody must look")
    assert feed.committed == []
    assert {(read(one.id).status, read(one.id).claims) for one in three_of_them} == {(Status.QUEUED, 0)}
    run(broker=Feed(*records), gates_of=Person().behind_the_others)
    settled(Status.SENT, awake)
    settled(Status.WAITING, asleep)
    settled(Status.SUPPRESSED, gone)


def test_a_database_that_fails_a_gate_is_asked_again(run: Run) -> None:
    tries: list[int] = []

    def fail_once() -> None:
        tries.append(1)
        if len(tries) == 1:
            raise OperationalError("away")

    put_back = figure("put_back", reason="parked")
    awake, asleep, gone = three()
    running = run(gates_of=Person(fail_once).behind_the_others)
    settled(Status.SENT, awake)
    settled(Status.WAITING, asleep)
    settled(Status.SUPPRESSED, gone)
    assert running.channel.handed == [awake.id]
    assert {read(one.id).claims for one in (awake, asleep, gone)} == {1}
    counted(put_back + 1, "put_back", reason="parked")


def test_a_claim_whose_answer_was_lost_decides_nothing_twice(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claiming, "claim", losing_the_first_answer())
    put_back, person = figure("put_back", reason="parked"), Person()
    three_of_them = awake, asleep, gone = three()
    running = run(broker=Feed(*map(record_of, three_of_them)), gates_of=person.behind_the_others)
    settled(Status.SENT, awake)
    settled(Status.WAITING, asleep)
    settled(Status.SUPPRESSED, gone)
    assert [users for _, users in person.seen] == [["awake", "asleep", "gone"], ["awake"]]
    assert running.channel.handed == [awake.id]
    assert read(asleep.id).claims == 1
    counted(put_back + 1, "put_back", reason="parked")


def test_a_lost_answer_leaves_the_rows_of_a_receiver_in_their_order(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than may be in memory: what was let go in the first try goes, before what was parked behind it."""
    monkeypatch.setattr(claiming, "claim", losing_the_first_answer())
    rows = [row(receiver="hot@example.com") for _ in range(14)]
    feed = Feed(*(record_of(one, offset) for offset, one in enumerate(rows)))
    running = run(broker=feed, at_once=16)
    settled(Status.SENT, *rows[:CAP])
    assert running.channel.handed == ids(rows[:CAP])
    assert_parked_in_order(rows[CAP:])


def test_a_try_that_was_rolled_back_parks_nobody_who_might_go(run: Run) -> None:
    tries = itertools.count()

    def fail_thrice() -> None:
        if next(tries) < 3:
            raise OperationalError("away")

    rows = [row(receiver="hot@example.com") for _ in range(14)]
    feed = Feed(*(record_of(one, offset) for offset, one in enumerate(rows)))
    running = run(broker=feed, gates_of=Person(fail_thrice).behind_the_others, at_once=16)
    settled(Status.SENT, *rows[:CAP])
    assert running.channel.handed == ids(rows[:CAP])
    assert_parked_in_order(rows[CAP:])


def assert_parked_in_order(rows: Sequence[Notification]) -> None:
    found = [read(one.id) for one in rows]
    assert {(one.status, one.reason, one.claims) for one in found} == {(Status.WAITING, Reason.PARKED, 1)}
    dues = [one.due_at for one in found if one.due_at]
    assert len(dues) == len(rows)
    assert dues == sorted(set(dues))


def test_a_death_between_the_two_commits_loses_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The claim is durable, its offset is not: all records are read again by the next sender."""

    def die(_: Sequence[Record]) -> None:
        raise RuntimeError("killed")

    three_of_them = awake, asleep, gone = three()
    records = [record_of(one) for one in three_of_them]
    feed = Feed(*records)
    monkeypatch.setattr(feed, "commit", die)
    running = run(broker=feed, gates_of=Person().behind_the_others)
    wait_until(lambda: running.fatal)
    running.stop()
    put_back, repeated = figure("put_back", reason="parked"), figure("duplicate_records")
    run(broker=Feed(*records), gates_of=Person().behind_the_others)
    counted(repeated + 3, "duplicate_records")
    assert [read(one.id).status for one in three_of_them] == [Status.SENDING, Status.WAITING, Status.SUPPRESSED]
    assert {read(one.id).claims for one in three_of_them} == {1}
    assert figure("put_back", reason="parked") == put_back
    pass_leases(awake)
    assert leases.sweep((1.0,), 10, hooks=LETTERS) == 1, "what the first had let go comes back with its lease"
    assert (read(awake.id).status, read(awake.id).reason) == (Status.WAITING, Reason.UNCERTAIN)
    assert (read(asleep.id).reason, read(gone.id).status) == (Reason.PARKED, Status.SUPPRESSED)


def test_nothing_is_counted_of_a_claim_that_is_rolled_back() -> None:
    before = figure("claimed", priority="transactional")
    with pytest.raises(RuntimeError), transaction.atomic():
        assert Gates("EMAIL", [Person()], LETTERS).let_through([claimed(1)])
        raise RuntimeError("the connection broke")
    assert figure("claimed", priority="transactional") == before


def test_the_order_is_forgotten_scheduled_pauses_deciding_parking_expiry() -> None:
    by_hand, deciding, parking = ByHand("EMAIL", ["smtp"], Pauses()), Deciding("EMAIL", Known()), Parking(lambda *_: 0)
    forgotten, scheduled, *between, expiry = in_order(by_hand, deciding, parking)
    assert isinstance(forgotten, Forgotten)
    assert isinstance(scheduled, Scheduled)
    assert between == [by_hand, deciding, parking]
    assert isinstance(expiry, Expiry)


def test_the_gate_of_expiry_ends_what_has_expired_and_keeps_the_order() -> None:
    expiries = [None, -1.0, 5.0, 0.0, 0.001]
    batch = [claimed(number, expires_in=expires_in) for number, expires_in in enumerate(expiries)]
    split = Expiry().split(batch)
    assert ids(split.go) == ids([batch[0], batch[2], batch[4]])
    assert split.end == [End(batch[1], verdicts.expired()), End(batch[3], verdicts.expired())]
    assert split.later == []


def test_what_expires_while_it_waits_for_a_thread_is_not_handed_over(run: Run) -> None:
    gate = threading.Event()

    def answer(_: Outgoing) -> str:
        gate.wait(30)
        return "x"

    first, second = row(), row(expires_at=ago(-3600))  # of one receiver, so the second waits behind the first
    running = run(Scripted(answer))
    try:
        custody = running.settler.custody
        wait_until(lambda: second.id in ids(custody.rows()), what="both are claimed")
        custody._kept[second.id.int].expires = time.monotonic()  # the hour is over
    finally:
        gate.set()
    settled(Status.SENT, first)
    settled(Status.EXPIRED, second)
    assert running.channel.handed == [first.id]


def test_a_rest_that_begins_behind_the_gates_is_kept_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second row has passed the gates and is not in the pool yet when the first is asked to slow down."""
    gate = threading.Event()
    first, second = row(), row()

    def answer(_: Outgoing) -> str:
        gate.wait(30)
        raise SendError(Cause.THROTTLED, "429", about=About.RECEIVER, retry_after=600.0)

    feed = Feed(record_of(first))
    running = run(Scripted(answer), feed)
    parking = running.delivery._parking

    def commit(records: Sequence[Record]) -> None:
        if gate.is_set():
            return
        gate.set()
        wait_until(lambda: parking._lanes, what="its receiver asked for a rest")

    try:
        wait_until(lambda: running.channel.handed, what="the first is under way")
        monkeypatch.setattr(feed, "commit", commit)
        feed.records.append(record_of(second, 1))
        settled(Status.WAITING, first, second)
    finally:
        gate.set()
    assert running.channel.handed == [first.id]
    assert read(second.id).reason == Reason.THROTTLED
    assert (seconds_until("due_at", second.id) or 0) > (seconds_until("due_at", first.id) or 0)
