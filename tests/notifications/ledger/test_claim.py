"""The claim: the one statement that decides who sends what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import pytest
from django.db import OperationalError, connection

from dlq.models import DeadLetter
from notifications.channels.outcomes import Cause
from notifications.ledger import rows
from notifications.ledger.claim import claim as claim_rows
from notifications.ledger.hooks import NO_HOOKS, Hooks, Unclaimable
from notifications.ledger.insert import insert
from notifications.ledger.rows import Claimed
from notifications.messages.words import Reason, Status, standing
from notifications.models import Notification
from tests.notifications.rows import (
    LETTERS,
    HookCalls,
    claim,
    claim_one,
    ids,
    incoming,
    message,
    message_of,
    read,
    row,
    seconds_until,
)

pytestmark = pytest.mark.django_db
on_postgresql = pytest.mark.postgresql


@pytest.fixture
def calls() -> HookCalls:
    return HookCalls()


def test_a_new_record_becomes_a_row_that_is_sending() -> None:
    submitted = message(subject="s", html="<b>h</b>", user="7", reference="r", category="c", priority="bulk")
    record = incoming(submitted, partition=3, offset=77)
    (claimed,) = claim_rows([record], owner="me", lease=60, hooks=NO_HOOKS)
    found = read(submitted.id)
    assert message_of(found) == submitted
    assert (found.status, found.owner, found.claims, found.attempts) == (Status.SENDING, "me", 1, 0)
    assert (found.topic, found.partition, found.offset, found.trace_id) == (submitted.topic, 3, 77, record.trace_id)
    assert found.receiver_hash == submitted.receiver_hash
    assert 55 < (seconds_until("lease_until", submitted.id) or 0) <= 60
    assert (claimed.id, claimed.generation, claimed.claims, claimed.owner) == (submitted.id, 0, 1, "me")
    assert (claimed.receiver, claimed.subject, claimed.html) == ("ann@example.com", "s", "<b>h</b>")
    assert (claimed.user, claimed.client, claimed.trace_id) == ("7", "shop", record.trace_id)
    assert claimed.accepted_at == pytest.approx(submitted.accepted_at.timestamp())
    assert claimed.expires_in is None


def test_a_queued_row_is_claimed_and_its_claims_grow() -> None:
    queued = row(claims=4, attempts=2, reason=Reason.RETRY, handed_at="2026-01-01T00:00:00Z")
    claimed = claim_one(message_of(queued))
    assert (claimed.claims, claimed.attempts, claimed.reason) == (5, 2, Reason.RETRY)
    found = read(queued.id)
    assert (found.status, found.claims, found.handed_at) == (Status.SENDING, 5, None)


def test_the_gate_sees_the_claimed_rows_in_their_order_and_says_which_go() -> None:
    batch = [incoming(message()) for _ in range(5)]
    seen: list[tuple[list[UUID], bool]] = []

    def gate(claimed: list[Claimed]) -> list[Claimed]:
        seen.append((ids(claimed), connection.in_atomic_block))
        return claimed[1:]

    shuffled = [batch[place] for place in (3, 0, 4, 1, 2)]
    go = claim_rows(shuffled, owner="me", lease=60, hooks=NO_HOOKS, gate=gate)
    expected = [record.message.id for record in shuffled]
    assert seen == [(expected, True)]
    assert ids(go) == expected[1:]


@pytest.mark.parametrize("error", [RuntimeError, ValueError, OperationalError])
@pytest.mark.parametrize("records", [0, 1])
def test_a_gate_that_fails_undoes_the_claim(error: type[Exception], records: int) -> None:
    def gate(_: list[Claimed]) -> list[Claimed]:
        raise error("broken")

    queued = row()
    batch = [incoming(message_of(queued)), incoming(message())]
    poison = [unreadable()] * records
    with pytest.raises(error):
        claim_rows(batch, owner="me", lease=60, hooks=LETTERS, unreadable=poison, gate=gate)
    assert (read(queued.id).status, read(queued.id).claims) == (Status.QUEUED, 0)
    assert Notification.objects.count() == 1
    assert not DeadLetter.objects.exists()


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.QUEUED, Status.SENDING}))
def test_a_row_that_is_not_queued_is_skipped_and_unchanged(status: Status) -> None:
    """Also an outbox row: the scheduler publishes it."""
    there = row(status)
    assert claim(message_of(there)) == []
    assert message_of(read(there.id)) == message_of(there)
    assert (read(there.id).status, read(there.id).claims) == (status, 0)


def test_a_row_that_is_sending_elsewhere_is_skipped() -> None:
    claimed = claim_one()
    assert claim(message(id=claimed.id), owner="other") == []
    assert (read(claimed.id).owner, read(claimed.id).claims) == ("batch-1", 1)


@pytest.mark.parametrize("generation", [0, 2])
def test_a_record_of_another_generation_is_skipped(generation: int) -> None:
    there = row(generation=1)
    assert claim(message(id=there.id, generation=generation)) == []
    assert read(there.id).status == Status.QUEUED


def test_the_same_owner_gets_the_same_rows_again() -> None:
    """The answer to its COMMIT may have been lost."""
    batch = [message() for _ in range(3)]
    first = claim(*batch)
    again = claim(*batch)
    assert ids(again) == ids(first) == ids(batch)
    assert [claimed.claims for claimed in again] == [1, 1, 1], "no second claim"


def test_one_row_for_two_records_of_one_id_with_the_highest_generation() -> None:
    there = row(generation=1)
    old, new = message(id=there.id), message(id=there.id, generation=1)
    for batch in ([old, new], [new, old]):
        (claimed,) = claim(*batch)
        assert claimed.generation == 1
    twice = message()
    assert len(claim(twice, twice)) == 1


def test_what_is_sent_is_the_row_and_not_the_record() -> None:
    """A receiver repaired before its replay must be used."""
    there = row(receiver="old@example.com")
    record = message_of(there)
    Notification.objects.filter(id=there.id).update(receiver="new@example.com", message="edited")
    claimed = claim_one(record)
    assert (claimed.receiver, claimed.message) == ("new@example.com", "edited")


def test_the_order_of_the_batch_is_kept() -> None:
    queued = [row() for _ in range(10)]
    batch = [message() for _ in range(10)] + [message_of(one) for one in queued]
    batch = batch[::-2] + batch[::2][:9]
    order = list(dict.fromkeys(one.id for one in batch))
    assert ids(claim(*batch)) == order


def test_the_time_left_is_that_of_the_database() -> None:
    there = row(expires_at="2999-01-01T00:00:00Z")
    assert (claim_one(message_of(there)).expires_in or 0) > 10**9
    gone = row(expires_at="2020-01-01T00:00:00Z")
    assert (claim_one(message_of(gone)).expires_in or 0) < 0


def test_inserting_a_row_that_is_there_is_success() -> None:
    submitted = message()
    insert([(submitted, "")], Status.QUEUED)
    claim_one(submitted)
    insert([(submitted, ""), (message(), "ab" * 16)], Status.ACCEPTED)
    assert read(submitted.id).status == Status.SENDING
    outbox = Notification.objects.get(status=Status.ACCEPTED)
    assert outbox.trace_id == "ab" * 16
    assert -5 < (seconds_until("due_at", outbox.id) or 0) <= 0


# Each decodes if it ever got past from_record, and each failed a whole statement once.
POISON = {
    "lone surrogate": lambda: message(message="\ud800"),
}
ONLY_POSTGRESQL = {
    "NUL": lambda: message(message="a\x00b"),
    "too long": lambda: message(subject="x" * 256),
    "out of range": lambda: message(generation=2**40),
    "huge number": lambda: message(generation=2**70),
}
poisons = [
    *(pytest.param(make, id=name) for name, make in POISON.items()),
    *(pytest.param(make, id=name, marks=on_postgresql) for name, make in ONLY_POSTGRESQL.items()),
]


@pytest.mark.parametrize("make", poisons)
def test_the_culprit_of_a_batch_is_refused_and_the_others_are_claimed(make: Any, calls: HookCalls) -> None:
    batch = [incoming(message()) for _ in range(100)]
    batch[37] = incoming(make(), offset=4711, value=b"poison")
    claimed = claim_rows(batch, owner="me", lease=60, hooks=calls)
    assert ids(claimed) == [record.message.id for record in (*batch[:37], *batch[38:])]
    (refused,) = calls.unclaimable
    assert (refused.cause, refused.offset, refused.value) == (Cause.REFUSED_BY_DATABASE, 4711, b"poison")
    assert refused.error
    assert calls.inside == [True]


def test_a_batch_of_nothing_but_culprits(calls: HookCalls) -> None:
    assert claim(*(message(message="\ud800") for _ in range(7)), hooks=calls) == []
    assert len(calls.unclaimable) == 7
    assert Notification.objects.count() == 0


def unreadable(id: UUID | None = None) -> Unclaimable:
    return Unclaimable(Cause.UNDECODABLE, "why", "EMAIL", "t", 0, 5, b"{", id)


def test_an_unreadable_record_is_told_with_the_claims_of_the_others(calls: HookCalls) -> None:
    good = message()
    claimed = claim_rows([incoming(good)], owner="me", lease=60, hooks=calls, unreadable=[unreadable()])
    assert ids(claimed) == [good.id]
    assert calls.unclaimable == [unreadable()]
    assert calls.inside == [True]


def test_the_queued_row_of_an_unreadable_record_ends(calls: HookCalls) -> None:
    """Else it would stay queued for ever: its record is read once."""
    queued, sending = row(attempts=2), claim_one()
    records = [unreadable(queued.id), unreadable(sending.id), unreadable()]
    assert claim_rows([], owner="me", lease=60, hooks=calls, unreadable=records) == []
    found = read(queued.id)
    assert (found.status, found.last_cause, found.last_error) == (Status.DEAD, Cause.UNDECODABLE, "why")
    assert found.settled_at is not None
    assert [(final.id, final.cause, final.attempts) for final in calls.final] == [(queued.id, Cause.UNDECODABLE, 2)]
    assert calls.unclaimable == records[1:]
    assert read(sending.id).status == Status.SENDING


def test_claims_and_dead_letters_are_one_transaction() -> None:
    class Failing(Hooks):
        def on_unclaimable(self, records: Sequence[Unclaimable]) -> None:
            raise RuntimeError("the letter cannot be written")

    with pytest.raises(RuntimeError):
        claim_rows([incoming(message())], owner="me", lease=60, hooks=Failing(), unreadable=[unreadable()])
    assert Notification.objects.count() == 0


@pytest.mark.parametrize(
    ("text", "longest", "cleaned"),
    [("a\x00b", 9, "ab"), ("\ud800x", 9, "?x"), ("abcdef", 3, "abc"), ("", 9, ""), ("ünï", 9, "ünï")],
)
def test_text_is_cleaned_before_it_goes_near_a_column(text: str, longest: int, cleaned: str) -> None:
    assert rows.clean(text, longest) == cleaned


def test_claims_never_shrink_over_a_whole_life() -> None:
    from notifications.ledger.settle import Settlement, settle
    from notifications.ledger.verdicts import put_back, sent

    submitted = message()
    seen: list[int] = []
    for verdict in (put_back(Reason.PARKED), put_back(Reason.HANDED_BACK), sent("x")):
        claimed = claim_one(submitted, owner=f"owner-{len(seen)}")
        seen.append(claimed.claims)
        settle([Settlement(claimed, verdict)], hooks=NO_HOOKS)
        seen.append(read(submitted.id).claims)
        Notification.objects.filter(id=submitted.id, status=Status.WAITING).update(**standing(Status.QUEUED))
    assert seen == [1, 1, 2, 2, 3, 3]
    assert msgspec.structs.replace(message_of(read(submitted.id)), v=1) == submitted
