"""A digest from its first member to the end of all: nothing is lost, listed twice or sent beside its digest."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.db import DataError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dlq import verbs
from dlq.models import DeadLetter
from notifications.channels.outcomes import Cause, SendError
from notifications.ledger import due, sql_digests, verdicts
from notifications.ledger.digests import closing, joining
from notifications.ledger.insert import insert
from notifications.messages.message import Message
from notifications.messages.words import DigestState, Reason, Status, SuppressedFor
from notifications.models import Digest, Notification
from project.operations import balance
from tests.notifications.ledger.digests.folding import (
    WAITS,
    cancelled,
    claim,
    close,
    come_due,
    digested,
    folded,
    look,
    news,
    settled,
    standing,
    taken,
)
from tests.notifications.rows import ago, message, read, seconds_until
from tests.notifications.sending.test_deciding import off, prefer, suppress

DEAD = verdicts.failed(SendError(Cause.REJECTED_CONTENT, "no", permanent=True), attempts=0, hold=False, schedule=())


def test_what_is_folded_waits_for_its_digest_and_is_back_an_hour_later_at_most() -> None:
    first, *others = folded(2) + folded(1)
    digest = Digest.objects.get()
    assert (digest.state, digest.joined, digest.channel, digest.client) == (DigestState.OPEN, 3, "EMAIL", "shop")
    assert digest.closes_at - digest.opened_at == timedelta(seconds=600)
    assert standing([first, *others]) == WAITS
    assert set(Notification.objects.values_list("digest_id", "attempts", "deferred_since")) == {(digest.pk, 0, None)}
    assert 600 < (seconds_until("due_at", first) or 0) <= 600 + joining.PATIENCE


def test_members_go_out_as_one_and_have_come_to_their_end_when_it_has() -> None:
    ids = folded(3, user="ann")
    close()
    digest = Digest.objects.get()
    assert digest.state == DigestState.CLOSED
    (sent,) = taken()
    assert (sent.id, sent.user, sent.receiver) == (digest.notification_id, "ann", "ann@example.com")
    assert sent.subject == "3 notifications: news"
    assert sent.message == "- number 0\n- number 1\n- number 2"
    assert standing(ids) == WAITS
    come_due()
    look()
    assert standing(ids) == WAITS, "nobody knows yet whether it arrives"
    settled([sent])
    assert standing(ids) == {(Status.DIGESTED, "")}
    assert Digest.objects.get().state == DigestState.ENDED
    assert balance.take().off == []


def test_the_first_fifty_are_listed_in_the_order_accepted_and_the_others_are_counted() -> None:
    ids = folded(67)
    close()
    (sent,) = taken()
    assert sent.message.splitlines() == [*(f"- number {number}" for number in range(50)), "and 17 more"]
    settled([sent])
    assert standing(ids) == {(Status.DIGESTED, "")}


def test_the_only_one_left_goes_out_as_itself() -> None:
    first, second = folded(2)
    assert cancelled(second) == Status.CANCELLED
    close()
    (sent,) = taken()
    assert (sent.id, sent.message) == (first, "number 0")
    settled([sent])
    assert Notification.objects.count() == 2
    assert Digest.objects.get().state == DigestState.ENDED


def test_the_only_one_is_not_folded_again_after_a_try_that_failed() -> None:
    folded(1)
    close()
    (sent,) = taken()
    settled([sent], verdicts.put_back(Reason.OUTAGE))
    assert [again.id for again in taken()] == [sent.id]


def test_where_all_were_cancelled_nothing_is_sent() -> None:
    ids = folded(3)
    assert {cancelled(id) for id in ids} == {Status.CANCELLED}
    close()
    assert taken() == []
    assert standing(ids) == {(Status.CANCELLED, "")}
    assert (Digest.objects.get().state, Digest.objects.get().notification_id) == (DigestState.ENDED, None)


def test_a_client_cannot_cancel_what_is_listed_in_a_digest_that_has_gone_out() -> None:
    first, second = folded(2)
    close()
    assert {cancelled(first), cancelled(second)} == {Status.WAITING}, "too late"
    settled(taken())
    assert standing([first, second]) == {(Status.DIGESTED, "")}


def test_members_that_are_not_wanted_any_more_end_with_their_own_reason() -> None:
    gone = folded(2, receiver="bob@example.com", user="bob")
    unwanted = folded(2, receiver="carl@example.com", user="carl")
    expired, *wanted = folded(3)
    Notification.objects.filter(id=expired).update(expires_at=ago(1))
    suppress("bob@example.com")
    prefer("carl", **off("news"))
    close()
    assert standing(gone) == {(Status.SUPPRESSED, SuppressedFor.BOUNCED)}
    assert standing(unwanted) == {(Status.SUPPRESSED, SuppressedFor.CHOICE)}
    assert standing([expired]) == {(Status.EXPIRED, "")}
    (sent,) = taken()
    assert sent.message == "- number 1\n- number 2"
    settled([sent])
    assert standing(wanted) == {(Status.DIGESTED, "")}
    assert balance.take().off == []


def test_a_digest_whose_person_pauses_waits_as_one() -> None:
    ids = folded(2, user="ann")
    prefer("ann", paused_until=timezone.now() + timedelta(hours=1))
    close()
    assert taken() == []
    digest = Digest.objects.get()
    assert digest.notification_id
    assert standing([digest.notification_id]) == {(Status.WAITING, Reason.PAUSED)}
    assert standing(ids) == WAITS


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (verdicts.suppressed(SuppressedFor.GONE), (Status.SUPPRESSED, SuppressedFor.GONE)),
        (verdicts.cancelled(), (Status.CANCELLED, "")),
    ],
)
def test_members_end_as_their_digest_does(verdict: Any, expected: Any) -> None:
    ids = folded(2)
    close()
    settled(taken(), verdict)
    assert standing(ids) == {expected}


def test_members_of_a_digest_that_died_wait_until_somebody_replays_it() -> None:
    ids = folded(2)
    close()
    settled(taken(), DEAD)
    assert standing(ids) == WAITS
    assert set(Notification.objects.filter(id__in=ids).values_list("due_at", flat=True)) == {None}
    assert balance.take().off == []
    verbs.replay([DeadLetter.objects.get().pk], "anna")
    (again,) = taken()
    assert again.generation == 1, "a replay is not folded"
    settled([again])
    assert standing(ids) == {(Status.DIGESTED, "")}
    assert balance.take().off == []


def test_members_of_a_digest_that_somebody_discards_are_cancelled() -> None:
    ids = folded(2)
    close()
    settled(taken(), DEAD)
    verbs.discard([DeadLetter.objects.get().pk], "anna", "not wanted")
    come_due()
    look()
    assert standing(ids) == {(Status.CANCELLED, "")}
    assert balance.take().off == []


def test_each_receiver_client_and_category_has_a_digest_of_its_own() -> None:
    digested("offers")
    submitted = [
        *news(2, user="ann"),
        *news(2, user="bob"),
        *news(2, receiver="other@example.com", user="ann"),
        *news(2, client="billing", user="ann"),
        *(message(category="offers", user="ann") for _ in range(2)),
    ]
    assert claim(submitted) == []
    assert sorted(Digest.objects.values_list("joined", flat=True)) == [2] * 5
    close()
    assert len(taken()) == 5


def test_who_comes_after_the_end_begins_the_next_digest() -> None:
    folded(2)
    close()
    later = folded(2)
    assert [digest.state for digest in Digest.objects.order_by("pk")] == [DigestState.CLOSED, DigestState.OPEN]
    assert set(Notification.objects.filter(id__in=later).values_list("digest_id", flat=True)) == {
        Digest.objects.get(state=DigestState.OPEN).pk
    }


def test_a_full_digest_takes_no_more_and_goes_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_digests, "MOST_MEMBERS", 4)
    monkeypatch.setattr(sql_digests.join, "_texts", {})
    folded(3)
    folded(3)
    assert Digest.objects.get().state == DigestState.CLOSING
    folded(1)
    look()
    assert [one.subject for one in taken()] == ["6 notifications: news"]


def test_who_comes_late_is_the_last() -> None:
    folded(1)
    Digest.objects.update(closes_at=ago(5), look_at=ago(5))
    folded(1)
    assert Digest.objects.get().state == DigestState.CLOSING


def test_a_member_that_comes_back_by_itself_joins_another_digest_and_is_in_no_other() -> None:
    """As where no scheduler has closed the digest for an hour."""
    first, second, third = folded(3)
    Notification.objects.filter(id=first).update(due_at=ago(1))
    assert taken() == []  # it came back, and was folded again into the same digest
    assert standing([first]) == WAITS
    Digest.objects.update(state=DigestState.CLOSING)
    Notification.objects.filter(id=second).update(due_at=ago(1))
    assert taken() == []
    come_due(DigestState.CLOSING)
    look()
    (sent,) = taken()
    assert sent.message == "- number 0\n- number 2"
    settled([sent])
    assert standing([first, third]) == {(Status.DIGESTED, "")}
    close()
    assert [one.id for one in taken()] == [second]


def test_a_member_that_a_scheduler_has_taken_leaves_the_digest() -> None:
    first, second, third = folded(3)
    Notification.objects.filter(id=first).update(due_at=ago(1))
    found = [one.message for one in due.take_due("another", 10)]
    close()
    (sent,) = taken()
    assert sent.message == "- number 1\n- number 2"
    assert claim(found) == []
    assert read(first).digest_id == Digest.objects.get(state=DigestState.OPEN).pk
    settled([sent])
    assert standing([second, third]) == {(Status.DIGESTED, "")}
    assert standing([first]) == WAITS


def test_whoever_has_a_member_made_due_by_force_sends_it_with_its_digest_alone() -> None:
    ids = folded(2)
    close()
    (sent,) = taken()
    assert not Notification.objects.filter(id__in=ids).may_be_tried_now().exists()
    Notification.objects.filter(id__in=ids).update(due_at=ago(1))
    assert taken() == []
    settled([sent])
    assert standing(ids) == {(Status.DIGESTED, "")}


def test_folding_and_closing_take_as_many_statements_for_many_as_for_one() -> None:
    def statements(receivers: int) -> tuple[int, int]:
        batch = [one for number in range(receivers) for one in news(2, receiver=f"r{number}.{receivers}@example.com")]
        with CaptureQueriesContext(connection) as folding:
            claim(batch)
        come_due(DigestState.OPEN)
        with CaptureQueriesContext(connection) as closing_all:
            look()
        return len(folding), len(closing_all)

    assert statements(1) == statements(20)


def test_a_digest_of_a_channel_that_is_no_longer_there_keeps_no_other_from_being_closed(settings: Any) -> None:
    folded(2)
    Digest.objects.update(channel="FAX")
    folded(2)
    close()
    assert sorted(Digest.objects.values_list("state", flat=True)) == [DigestState.CLOSED, DigestState.CLOSING]


def test_a_digest_that_the_database_refuses_keeps_no_other_from_being_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose notification is refused is left for later, and the others go out."""

    def refuse(messages: Iterable[tuple[Message, str]], *rest: Any) -> None:
        given = list(messages)
        if any(one.user == "bob" for one, _ in given):
            raise DataError("too long")
        insert(given, *rest)

    monkeypatch.setattr(closing, "insert", refuse)
    theirs, others = folded(2, user="bob"), folded(2, user="ann")
    close()
    assert [one.user for one in taken()] == ["ann"]
    assert Digest.objects.get(username="bob").state == DigestState.CLOSING
    monkeypatch.undo()
    come_due()
    look()
    assert [one.user for one in taken()] == ["bob"]
    assert standing(theirs + others) == WAITS
