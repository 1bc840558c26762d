"""Four senders and ten thousand notifications to one person, who gets three in an hour."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

import pytest
from django.db.models import F

from notifications.ledger import due, verdicts
from notifications.ledger.claim import claim
from notifications.ledger.settle import Settlement, settle
from notifications.messages.message import Message
from notifications.messages.words import Reason, Status
from notifications.models import Notification
from notifications.sending.deciding import Deciding
from notifications.sending.gates import Gates
from project.operations import balance
from tests.notifications.rows import LETTERS, ago, in_threads, incoming, message
from tests.notifications.sending.test_capped import gate
from users.recipients.models import CapPlace

__all__ = ["gate"]  # a fixture
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]

SENDERS, MANY, BATCH = 4, 10_000, 500


def drain(gate: Deciding, submitted: Sequence[Message]) -> None:
    """The senders claim all of them at the same time, batch by batch, and send what they may."""
    together = threading.Barrier(SENDERS, timeout=60)

    def send(number: int) -> None:
        mine = submitted[number::SENDERS]
        gates = Gates("EMAIL", [gate], LETTERS)
        together.wait()
        for first in range(0, len(mine), BATCH):
            batch = [incoming(one) for one in mine[first : first + BATCH]]
            go = claim(batch, owner=f"{number}.{first}", lease=60, hooks=LETTERS, gate=gates.let_through)
            settle([Settlement(each, verdicts.sent("x"), "EMAIL", "smtp") for each in go], hooks=LETTERS)

    in_threads(*(partial(send, number) for number in range(SENDERS)))


def passes(minutes: int) -> None:
    """So much time, after which somebody looks again at some of what waits."""
    before = timedelta(minutes=minutes)
    CapPlace.objects.update(at=F("at") - before)
    Notification.objects.update(settled_at=F("settled_at") - before)
    Notification.objects.filter(status=Status.WAITING).update(due_at=ago(1))


def test_three_in_an_hour_and_every_notification_is_accounted_for(gate: Deciding) -> None:
    drain(gate, [message(user="ann", category="birthdays") for _ in range(MANY)])
    stands(sent=3)
    for minutes, sent in ((59, 3), (2, 6), (58, 6), (3, 9)):
        passes(minutes)
        drain(gate, [taken.message for taken in due.take_due("scheduler", 2 * SENDERS)])
        stands(sent=sent)


def stands(*, sent: int) -> None:
    """So many were sent, and all others wait for a place."""
    waiting = Notification.objects.filter(status=Status.WAITING, reason=Reason.CAPPED)
    assert Counter(Notification.objects.values_list("status", flat=True)) == {
        Status.SENT: sent,
        Status.WAITING: MANY - sent,
    }
    assert waiting.count() == MANY - sent
    assert set(waiting.values_list("attempts", "deferred_since")) == {(0, None)}
    assert CapPlace.objects.count() == sent
    assert balance.take().off == []
