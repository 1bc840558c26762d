"""What is over a cap joins a digest, which goes out when there is a place again, and takes one."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import timedelta
from functools import partial

import pytest
from django.db.models import F

from notifications.ledger import verdicts
from notifications.ledger.settle import Settlement, settle
from notifications.messages.words import DigestState, Overflow, Reason, Status
from notifications.models import Category, Digest, Notification
from project.operations import balance
from tests.notifications.ledger.digests.folding import (
    WAITS,
    cancelled,
    claim,
    close,
    come_due,
    look,
    news,
    settled,
    standing,
    taken,
)
from tests.notifications.rows import LETTERS, ago, in_threads, message
from tests.notifications.sending.test_deciding import prefer
from users.recipients.models import CapPlace

CAP = 3
HOUR = timedelta(hours=1)
SENDERS, BATCHES, BATCH = 4, 5, 30


@pytest.fixture(autouse=True)
def _capped(news: Category) -> None:
    rules = {"digest_seconds": None, "cap_count": CAP, "cap_seconds": 3600, "overflow": Overflow.DIGEST}
    Category.objects.filter(pk=news.pk).update(**rules)


def an_hour_passes() -> None:
    CapPlace.objects.update(at=F("at") - HOUR)
    Notification.objects.filter(status=Status.SENT).update(settled_at=F("settled_at") - HOUR)
    Digest.objects.update(closes_at=F("closes_at") - HOUR, look_at=F("look_at") - HOUR)
    Notification.objects.filter(status=Status.WAITING).update(due_at=F("due_at") - HOUR)
    come_due()
    look()


def test_what_is_over_joins_a_digest_that_goes_out_at_the_next_place() -> None:
    submitted = news(20, user="ann")
    go = claim(submitted)
    assert len(go) == CAP
    over = [one.id for one in submitted[CAP:]]
    assert standing(over) == WAITS
    assert CapPlace.objects.count() == CAP, "what is folded takes no place"
    digest = Digest.objects.get()
    assert (digest.joined, digest.limit_at) == (len(over), None)
    assert digest.closes_at - digest.opened_at == pytest.approx(HOUR, abs=timedelta(seconds=30))
    settled(go)
    over += [one.id for one in news(4, user="ann") if claim([one]) == []]
    assert Digest.objects.get().joined == len(over) == 21
    an_hour_passes()
    (sent,) = taken()
    assert sent.subject == "21 notifications: news"
    settled([sent])
    assert standing(over) == {(Status.DIGESTED, "")}
    assert CapPlace.objects.filter(at__gt=ago(3000)).count() == 1, "the digest has taken one place"
    assert balance.take().off == []


def test_a_digest_that_is_over_the_cap_itself_waits_and_is_in_no_other() -> None:
    settled(claim(news(CAP, user="ann")))
    ids = [one.id for one in news(2, user="ann") if claim([one]) == []]
    close()
    assert taken() == []
    closed = Digest.objects.get()
    assert closed.notification_id
    assert standing([closed.notification_id]) == {(Status.WAITING, Reason.CAPPED)}
    claim(news(1, user="ann"))
    assert sorted(Digest.objects.values_list("state", flat=True)) == [DigestState.CLOSED, DigestState.OPEN]
    an_hour_passes()
    sent = taken()
    assert closed.notification_id in {one.id for one in sent}
    settled(sent)
    assert standing(ids) == {(Status.DIGESTED, "")}


def test_the_only_one_over_waits_for_its_place_as_itself() -> None:
    settled(claim(news(CAP, user="ann")))
    first, second = (one.id for one in news(2, user="ann") if claim([one]) == [])
    assert cancelled(second) == Status.CANCELLED
    close()
    assert taken() == []
    assert standing([first]) == {(Status.WAITING, Reason.CAPPED)}
    an_hour_passes()
    assert [one.id for one in taken()] == [first]
    assert not Digest.objects.exclude(state=DigestState.ENDED).exists()


def test_a_limit_of_the_person_over_everything_does_the_same() -> None:
    Category.objects.update(cap_count=None)
    prefer("bob", cap={"count": 1, "seconds": 3600})
    submitted = [*news(3, user="bob"), message(category="default", user="bob")]
    assert [one.id for one in claim(submitted)] == [submitted[0].id]
    assert standing([one.id for one in submitted[1:3]]) == WAITS
    assert standing([submitted[3].id]) == {(Status.WAITING, Reason.CAPPED)}, "its own category says so"


def test_what_a_person_replays_is_not_folded() -> None:
    settled(claim(news(CAP, user="ann")))
    (one,) = news(1, user="ann")
    claim([one])
    Notification.objects.filter(id=one.id).update(generation=1, due_at=ago(1), digest_id=None)
    assert taken() == []
    assert standing([one.id]) == {(Status.WAITING, Reason.CAPPED)}


@pytest.mark.postgresql
def test_senders_at_once_let_no_more_through_and_fold_each_other_one_once() -> None:
    together = threading.Barrier(SENDERS, timeout=60)
    submitted = news(SENDERS * BATCHES * BATCH, user="ann")

    def send(number: int) -> None:
        mine = submitted[number::SENDERS]
        together.wait()
        for first in range(0, len(mine), BATCH):
            go = claim(mine[first : first + BATCH])
            settle([Settlement(each, verdicts.sent("x"), "EMAIL", "smtp") for each in go], hooks=LETTERS)

    in_threads(*(partial(send, number) for number in range(SENDERS)))
    assert Counter(Notification.objects.values_list("status", flat=True)) == {
        Status.SENT: CAP,
        Status.WAITING: len(submitted) - CAP,
    }
    (digest,) = Digest.objects.all()
    assert digest.joined == len(submitted) - CAP
    an_hour_passes()
    (sent,) = taken()
    settled([sent])
    assert Counter(Notification.objects.values_list("status", flat=True)) == {
        Status.SENT: CAP + 1,
        Status.DIGESTED: len(submitted) - CAP,
    }
    assert balance.take().off == []
