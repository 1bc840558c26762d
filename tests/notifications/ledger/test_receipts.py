"""What providers tell: each event is stored once, whatever the order, and has its effect on the address once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from uuid import UUID

import pytest
import uuid_utils.compat
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications.channels.receipts import DeliveryState, Event, ReceiptType
from notifications.ledger.receipts import Delivery, delivery_of, match, take
from notifications.messages.words import Status, SuppressedFor
from notifications.models import Notification, Receipt
from tests.notifications.rows import row
from users.recipients.models import Suppression

pytestmark = pytest.mark.django_db

ANN = "ann@example.com"
THEN = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
MESSAGE_ID = "0100-abc"
T = ReceiptType


def event(kind: ReceiptType, seconds: int = 0, *, id: UUID | None = None, message_id: str = MESSAGE_ID) -> Event:
    return Event("postmark", "EMAIL", ANN, kind, message_id, THEN + timedelta(seconds=seconds), "why", id)


def new_id() -> UUID:
    return uuid_utils.compat.uuid7()


def reasons() -> set[str]:
    return set(Suppression.objects.in_force().values_list("reason", flat=True))


REPORTED = (event(T.DELIVERED, 1), event(T.SOFT_BOUNCED, 2), event(T.BOUNCED, 3), event(T.COMPLAINED, 4))


@pytest.mark.parametrize("order", list(permutations(range(len(REPORTED) + 1))))
def test_whatever_the_order_and_the_repetitions_the_end_is_the_same(order: Sequence[int]) -> None:
    """The last number stands for the settle: the ledger learns the provider's id of the message then, not before."""
    mine = row(Status.SENDING, receiver=ANN).pk
    for step in order:
        if step < len(REPORTED):
            take([REPORTED[step], REPORTED[step]])
        else:
            Notification.objects.filter(pk=mine).update(status="sent", provider_message_id=MESSAGE_ID)
    assert take(REPORTED) == 0
    Receipt.objects.filter(look_at__isnull=False).update(look_at=timezone.now() - timedelta(seconds=1))
    match()
    assert Receipt.objects.count() == len(REPORTED)
    assert set(Receipt.objects.values_list("notification_id", "look_at")) == {(mine, None)}
    assert delivery_of(mine) == Delivery(DeliveryState.COMPLAINED, THEN + timedelta(seconds=4))
    assert reasons() == {SuppressedFor.BOUNCED, SuppressedFor.COMPLAINED}


@pytest.mark.parametrize("order", list(permutations((T.DELIVERED, T.SOFT_BOUNCED, T.DELIVERED))))
def test_a_bounce_wins_over_a_delivery_and_has_its_own_time(order: Sequence[ReceiptType]) -> None:
    id = new_id()
    for kind in order:
        take([event(kind, 10 if kind is T.SOFT_BOUNCED else 15, id=id)])
    assert delivery_of(id) == Delivery(DeliveryState.BOUNCED, THEN + timedelta(seconds=10))


def test_a_state_has_the_time_at_which_it_was_told_first() -> None:
    id = new_id()
    take([event(T.DELIVERED, 9, id=id), event(T.DELIVERED, 7, id=id)])
    assert delivery_of(id) == Delivery(DeliveryState.DELIVERED, THEN + timedelta(seconds=7))
    assert delivery_of(new_id()) is None


def test_what_has_no_time_of_its_own_is_one_event_however_often_it_comes() -> None:
    reported = Event("twilio", "SMS", "+14155550123", T.DELIVERED, "SM1")
    assert [take([reported]), take([reported])] == [1, 0]
    assert take([reported._replace(receiver="+14155550124")]) == 1
    assert abs(Receipt.objects.latest("id").at - timezone.now()) < timedelta(minutes=1)


def test_times_that_cannot_be_are_those_of_arrival() -> None:
    take([event(T.DELIVERED)._replace(at=datetime(9000, 1, 1, tzinfo=UTC))])
    assert Receipt.objects.get().at < timezone.now() + timedelta(minutes=1)


def test_soft_bounces_count_once_each_and_suppress_when_they_are_many() -> None:
    for number in range(4):
        soft = event(T.SOFT_BOUNCED, id=new_id(), message_id=f"m{number}")
        assert reasons() == set()
        take([soft, soft])
        take([soft])
    assert reasons() == {SuppressedFor.BOUNCED}


def test_stop_and_start() -> None:
    number = "+14155550123"

    def text(kind: ReceiptType, sid: str) -> Event:
        return Event("twilio", "SMS", number, kind, sid)

    take([Event("twilio", "SMS", number, T.BOUNCED, "SM0")])
    take([text(T.STOP, "SM1")])
    assert reasons() == {SuppressedFor.BOUNCED, SuppressedFor.STOP}
    take([text(T.START, "SM2")])
    assert reasons() == {SuppressedFor.BOUNCED}
    take([text(T.STOP, "SM1")])  # somebody plays it again
    assert reasons() == {SuppressedFor.BOUNCED}
    take([text(T.STOP, "SM3")])
    assert reasons() == {SuppressedFor.BOUNCED, SuppressedFor.STOP}
    assert not Receipt.objects.filter(look_at__isnull=False, type__in=(T.STOP, T.START)).exists()


def test_an_event_that_fails_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("notifications.ledger.receipts.suppress_all", broken)
    with pytest.raises(RuntimeError):
        take([event(T.BOUNCED)])
    monkeypatch.undo()
    assert not Receipt.objects.exists()
    assert take([event(T.BOUNCED)]) == 1


def test_one_that_nobody_knows_is_looked_for_ever_more_seldom_and_stays() -> None:
    take([event(T.DELIVERED)])
    first = Receipt.objects.get().look_at
    assert first is not None
    assert first > timezone.now()
    assert match() == 0
    for age, looks_again in ((timedelta(hours=1), True), (timedelta(hours=23), True), (timedelta(hours=25), False)):
        now = timezone.now()
        Receipt.objects.update(received_at=now - age, look_at=now - timedelta(seconds=1))
        assert match() == 1
        again = Receipt.objects.get().look_at
        assert (again is not None) is looks_again
        assert again is None or abs(again - now - age) < timedelta(minutes=2)


def test_only_the_receivers_own_message_is_matched() -> None:
    mine = row(Status.SENT, receiver=ANN, provider_message_id=MESSAGE_ID).pk
    row(Status.SENT, receiver="bob@example.com", provider_message_id=MESSAGE_ID)
    row(Status.SENT, receiver=ANN, provider_message_id="another")
    take([event(T.DELIVERED)])
    assert Receipt.objects.get().notification_id == mine


def test_a_thousand_take_as_many_statements_as_one() -> None:
    def statements(events: Sequence[Event]) -> int:
        with CaptureQueriesContext(connection) as seen:
            take(events)
        return len(seen)

    many = [event(T.BOUNCED, n)._replace(receiver=f"ann{n}@example.com") for n in range(1_000)]
    assert statements(many) == statements([event(T.BOUNCED)])
    assert Suppression.objects.count() == 1_001
